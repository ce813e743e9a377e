"""What came of the demo's second part: for a terminal, or as JSON lines."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from rich.text import Text

from pipeline.cli.demo_verdicts import QUESTIONS, Judged, Named, Result, judge_stagings, report_of
from pipeline.cli.output import out, plain, say_json
from pipeline.scenes.story import Story
from pipeline.settings import Settings

_MAX_NAMED = 3
_NOT_JUDGED = "an alarm that was not judged"
_NO_ALARM = "the tracks saw nothing there for long enough"


def demo_verdicts(settings: Settings, situations: Sequence[str] = tuple(QUESTIONS), *, as_json: bool = False) -> int:
    """Judge every staging and show it. The exit status: of a run that was interrupted, whatever the verdicts are."""
    if not as_json:
        out().print("\nAnd with the built-in models, which see, judge and report without a download:", style="bold")
        out().print("each rule meets what it asks for, and what only looks like it.")
    if find_spec("torch") is None:
        return _skip("the built-in models need torch: pip install 'sightline[models]'", as_json=as_json)
    result = judge_stagings(settings, situations)
    if isinstance(result, int):
        return result
    _show(result, as_json=as_json)
    return 0


def _skip(why: str, *, as_json: bool) -> int:
    if as_json:
        say_json({"type": "verdicts", "skipped": why})
    else:
        out().print(Text(f"This part is left out here: {plain(why)}"))
    return 0


def _show(result: Result, *, as_json: bool) -> None:
    for one in result.judged:
        if as_json:
            say_json(_as_json(one))
        else:
            _say(one)
    figures = _figures(result)
    if as_json:
        say_json({"type": "verdicts", **figures, "folder": str(result.folder)})
        return
    out().print(
        f"\n{figures['right']} of {figures['cameras']} as planted, {figures['without_alarm']} without an alarm; "
        f"{figures['naming_it_first']} of {figures['reports']} right reports first name what is planted, in its place; "
        f"{figures['seconds']:.0f} s, {figures['peak_memory_mib']:,.0f} MiB at most"
    )
    site = shlex.quote(str(result.folder / "site.yaml"))
    out().print(f"Look around: sightline incidents list --site {site}")
    out().print("A demonstrator: for real cameras name a larger model (docs/models.md, sightline doctor)")


def _figures(result: Result) -> dict[str, Any]:
    reported = [one for one in result.judged if one.is_right and one.staging.story.is_real]
    return {
        "cameras": len(result.judged),
        "right": sum(one.is_right for one in result.judged),
        "without_alarm": sum(one.incident is None for one in result.judged),
        "reports": len(reported),
        "naming_it_first": sum(named.is_planted for one in reported for named in one.named[:1]),
        "seconds": round(result.seconds, 1),
        "peak_memory_mib": round(result.memory_mib),
    }


def _say(one: Judged) -> None:
    """Rule and what is planted; the verdict; the report's sentence and where its things are."""
    console, words = out(), one.staging.question.words
    console.print(Text.assemble("\n", (words.capitalize(), "bold"), f": {_planted(one.staging.story)}"))
    style = "green" if one.is_right else "bold red"
    console.print(Text.assemble("  ", (_verdict(one), style), f"  {'right' if one.is_right else 'WRONG'}"))
    report = report_of(one.incident)
    if report is not None:
        console.print(Text(f"  {plain(report.explanation)}"))
    for named in one.named[:_MAX_NAMED]:
        console.print(Text(f"    {_thing(named)}", "" if named.is_planted else "dim"))


def _verdict(one: Judged) -> str:
    assessment = one.incident.assessment if one.incident else None
    if assessment is None:
        return f"no alarm, {_NO_ALARM}" if one.incident is None else _NOT_JUDGED
    sure = "" if assessment.probability is None else f", {assessment.probability:.0%} yes"
    return f"{assessment.verdict.value}{sure}"


def _planted(story: Story) -> str:
    what = "so it is" if story.is_real else f"near miss, {story.near_miss.replace('_', ' ')}"
    return f"{what} ({story.place.replace('_', ' ')}, {story.light})"


def _thing(named: Named) -> str:
    left, top, right, bottom = named.element.box or (0.0, 0.0, 0.0, 0.0)
    place = f"{left:.0%} to {right:.0%} across, {top:.0%} to {bottom:.0%} down"
    told = "the planted one" if named.is_planted else "not of the planted"
    return f"{plain(named.element.name)} in picture {named.element.frame}, {place}: {told}"


def _as_json(one: Judged) -> dict[str, Any]:
    story, incident, report = one.staging.story, one.incident, report_of(one.incident)
    assessment = incident.assessment if incident else None
    return {
        "type": "verdict",
        "camera": one.staging.name,
        "rule": one.staging.question.words,
        "situation": story.situation,
        "near_miss": story.near_miss,
        "place": story.place,
        "expected": one.staging.expected.value,
        "verdict": assessment.verdict.value if assessment else None,
        "probability": assessment.probability if assessment else None,
        "is_right": one.is_right,
        "reason": assessment.reason if assessment else _NO_ALARM if incident is None else _NOT_JUDGED,
        "explanation": report.explanation if report else "",
        "things": [{**named.element.model_dump(mode="json"), "is_planted": named.is_planted} for named in one.named],
    }
