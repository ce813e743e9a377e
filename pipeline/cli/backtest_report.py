"""A backtest as tables for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from pipeline.cli.backtest_history import RETOLD_LEGEND, retold_json, retold_table
from pipeline.cli.eval_report import Evaluation
from pipeline.cli.eval_report import for_script as evaluation_for_script
from pipeline.cli.eval_report import show as show_evaluation
from pipeline.cli.output import counted, headline, plain
from pipeline.cli.report import clock
from pipeline.cli.why import chain
from pipeline.cli.why_words import refusal_in_words
from pipeline.contracts.decision import NO_RULE, DecisionCount
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.rule import Rule
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.near_misses import NearMiss
from pipeline.evaluation.recordings import Hit, Recording, RuleFigures, perception_ms

_MOST_HITS = 10
_MOST_NEAR_MISSES = 5
_FIGURES = ("alerts", "a day", "95 %", "hours", "VLM calls", "near misses")
_FIGURES_OF_CLIPS = ("alerts", "clips", "VLM calls", "near misses")
_LEGEND = "a day: by the camera-day, extrapolated from the hours read; 95 %: as if alerts came independently"


@dataclass(frozen=True, slots=True)
class Side:
    """One site file and what it came to."""

    path: Path
    recordings: Sequence[Recording]
    figures: Sequence[RuleFigures]
    notes: Sequence[str]
    evidence: Mapping[str, EvidenceStore]
    """Recording to its pictures."""
    evaluation: Evaluation | None = None

    @property
    def hits(self) -> list[Hit]:
        """Every alert, rule by rule."""
        return [hit for one in self.figures for hit in one.hits]


@dataclass(frozen=True, slots=True)
class Backtest:
    """Everything that is told."""

    sides: Sequence[Side]
    """One, or the two that are compared."""
    comparison: Comparison | None = None
    """Places among the sides' `hits`."""

    @property
    def is_of_clips(self) -> bool:
        """Whether the recordings are the clips of incidents."""
        return any(one.incident is not None for side in self.sides for one in side.recordings)

    @property
    def columns(self) -> Sequence[str]:
        """What `figures_cells` are."""
        return _FIGURES_OF_CLIPS if self.is_of_clips else _FIGURES

    @property
    def legend(self) -> str:
        """What a reader of the figures must know."""
        return "" if self.is_of_clips else _LEGEND


def show(done: Backtest, console: Console) -> None:
    """Figures first, then what they are made of."""
    for side in done.sides:
        _show_head(side, console)
    console.print(_figures_table(done))
    if done.legend:
        console.print(done.legend, style="dim")
    if done.is_of_clips:
        console.print()
        console.print(retold_table(list(retold_rows(done)), has_others=len(done.sides) > 1))
        console.print(RETOLD_LEGEND, style="dim")
    if done.comparison is not None:
        _show_comparison(done, done.comparison, console)
    for side in done.sides:
        for figures in side.figures:
            _show_rule(side, figures, console, has_others=len(done.sides) > 1)
        console.print(f"\nbefore any rule{f', {side.path}' if len(done.sides) > 1 else ''}", style="bold")
        _show_list(console, "gates", list(_gate_lines(side, NO_RULE)), None)
        if side.evaluation is not None:
            console.print(f"\n{side.path} against the truth", style="bold")
            show_evaluation(side.evaluation, console)


def _show_head(side: Side, console: Console) -> None:
    console.print(f"{side.path}: {volume(side.recordings)}", style="bold")
    for note in side.notes:
        console.print(f"note: {plain(note)}")


def volume(recordings: Sequence[Recording]) -> str:
    """How much was read, and how long it took to look at it."""
    seconds = sum(one.seconds for one in recordings)
    milliseconds = perception_ms(recordings)
    perception = f", {milliseconds:.1f} ms a look" if milliseconds is not None else ""
    return (
        f"{counted(len(recordings), 'recording')}, {clock(seconds)} of video ({_short(seconds / 3600)} camera-hours), "
        f"{sum(one.frames_read for one in recordings)} frames read, "
        f"{sum(one.frames_sampled for one in recordings)} looked at{perception}"
    )


def retold_rows(done: Backtest) -> Iterator[tuple[Path, RuleFigures, Sequence[Recording]]]:
    """As `retold_table` takes them."""
    return ((side.path, figures, side.recordings) for side, figures in figures_rows(done.sides))


def _figures_table(done: Backtest) -> Table:
    table = Table(Column("rule", overflow="fold"), box=None, pad_edge=False)
    if len(done.sides) > 1:
        table.add_column("site file", overflow="fold")
    for column in done.columns:
        table.add_column(column, justify="right", overflow="fold")
    for side, figures in figures_rows(done.sides):
        file = [str(side.path)] if len(done.sides) > 1 else []
        table.add_row(figures.rule.id, *file, *figures_cells(figures))
    return table


def figures_rows(sides: Sequence[Side]) -> Iterator[tuple[Side, RuleFigures]]:
    """Rules of one name below each other."""
    for rule_id in dict.fromkeys(one.rule.id for side in sides for one in side.figures):
        for side in sides:
            yield from ((side, one) for one in side.figures if one.rule.id == rule_id)


def figures_cells(figures: RuleFigures) -> list[str]:
    """A rule's row; `-` for what cannot be known."""
    rate, interval = figures.alerts_a_day, figures.alerts_a_day_interval
    if figures.is_of_clips:
        return [str(number) for number in (len(figures.hits), figures.num_recordings, *_effort(figures))]
    return [
        str(len(figures.hits)),
        "-" if rate is None else _short(rate),
        "-" if interval is None else f"{_short(interval.low)}–{_short(interval.high)}",
        _short(figures.hours),
        *map(str, _effort(figures)),
    ]


def _effort(figures: RuleFigures) -> tuple[int, int]:
    return figures.num_calls, len(figures.near_misses)


def _short(number: float) -> str:
    """Three digits that say something: `1440`, `2.5`, `0.0083`."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _show_rule(side: Side, figures: RuleFigures, console: Console, *, has_others: bool) -> None:
    rule = figures.rule
    console.print(f"\n{rule.id}{f' of {side.path}' if has_others else ''}", style="bold")
    for line in incident_lines(figures):
        console.print(line)
    _show_list(console, "alerts", [hit_line(hit) for hit in figures.hits], _MOST_HITS)
    _show_list(console, "near misses", [miss_line(rule, *pair) for pair in figures.near_misses], _MOST_NEAR_MISSES)
    _show_list(console, "gates", list(_gate_lines(side, rule.id)), None)


def incident_lines(figures: RuleFigures) -> Iterator[str]:
    """How its incidents ended, and what the model was asked for it; nothing where there were none."""
    if figures.statuses:
        yield "incidents: " + ", ".join(f"{number} {name}" for name, number in sorted(figures.statuses.items()))
    if figures.num_verdicts:
        seconds = figures.verdict_seconds / figures.num_verdicts
        yield (
            f"model: {counted(figures.num_verdicts, 'verdict')} in {counted(figures.num_calls, 'call')} "
            f"with {counted(figures.num_pictures, 'picture')}, {seconds:.1f} s a verdict"
        )


def _show_list(console: Console, title: str, lines: Sequence[str], most: int | None) -> None:
    if not lines:
        return
    console.print(f"{title}:")
    for line in lines[:most]:
        console.print(f"  {line}")
    if most is not None and len(lines) > most:
        console.print(f"  and {len(lines) - most} more: see --json")


def hit_line(hit: Hit) -> str:
    """`0:12  yard/walk  confirmed  person 7 entered door`."""
    recording, incident = hit
    place = clock(recording.place_seconds(incident.opened_at))
    return f"{place}  {plain(recording.name)}  {incident.status.value}  {incident.rule_id}: {headline(incident)}"


def miss_line(rule: Rule, recording: Recording, miss: NearMiss) -> str:
    """`0:00–1:00  yard/walk  nothing stayed in fence longer than 30 s (needs 45 s)`: the minute as a place in it."""
    start = max(recording.place_seconds(miss.minute), 0.0)
    end = min(recording.place_seconds(miss.minute) + 60, recording.seconds)
    return f"{clock(start)}–{clock(end)}  {plain(recording.name)}  {plain(refusal_in_words(miss.count, rule))}"


def _gates(side: Side, rule_id: str) -> list[DecisionCount]:
    """All recordings together, in the order of the gates; of `NO_RULE` those that a camera's frames meet first."""
    counts = joined.from_iterable(one.counts for one in side.recordings)
    return chain((count for count in counts if count.rule_id == rule_id), rule_id)


def _gate_lines(side: Side, rule_id: str) -> Iterator[str]:
    for count in _gates(side, rule_id):
        verdict = "passed" if count.passed else "stopped"
        yield f"{count.gate.value:<12}  {verdict:<7}  {count.count:>7}  {plain(count.reason)}"


def _show_comparison(done: Backtest, comparison: Comparison, console: Console) -> None:
    first, second = done.sides
    console.print(f"\nfound by both: {len(comparison.both)}", style="bold")
    for side, places in ((first, comparison.only_first), (second, comparison.only_second)):
        console.print(f"only by {side.path}: {len(places)}", style="bold")
        for place in places[:_MOST_HITS]:
            console.print(f"  {hit_line(side.hits[place])}")
        if len(places) > _MOST_HITS:
            console.print(f"  and {len(places) - _MOST_HITS} more: see --json")
    for line in difference_lines(first, second):
        console.print(line)


def difference_lines(first: Side, second: Side) -> Iterator[str]:
    """How the second's numbers differ, a line a rule that both have."""
    before = {one.rule.id: one for one in first.figures}
    for now in second.figures:
        then = before.get(now.rule.id)
        if then is None:
            continue
        changes = {
            "alerts": len(now.hits) - len(then.hits),
            "rejected": now.statuses.get("rejected", 0) - then.statuses.get("rejected", 0),
            "VLM calls": now.num_calls - then.num_calls,
            "near misses": len(now.near_misses) - len(then.near_misses),
        }
        told = ", ".join(f"{name} {number:+d}" for name, number in changes.items() if number) or "the same numbers"
        yield f"{now.rule.id}: {told}"


def for_script(done: Backtest) -> dict[str, Any]:
    """Every number; null for what cannot be known."""
    sides = [_side_json(side) for side in done.sides]
    if done.comparison is None:
        return {"sites": sides, "comparison": None}
    first, second = done.sides
    comparison = done.comparison
    return {
        "sites": sides,
        "comparison": {
            "both": [[_hit_json(first.hits[a]), _hit_json(second.hits[b])] for a, b in comparison.both],
            "only_first": [_hit_json(first.hits[place]) for place in comparison.only_first],
            "only_second": [_hit_json(second.hits[place]) for place in comparison.only_second],
        },
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "site": str(side.path),
        "notes": list(side.notes),
        "perception_ms": perception_ms(side.recordings),
        "gates": _gates_json(side, NO_RULE),
        "recordings": [_recording_json(one) for one in side.recordings],
        "rules": {one.rule.id: _rule_json(side, one) for one in side.figures},
        "truth": evaluation_for_script(side.evaluation) if side.evaluation else None,
    }


def _recording_json(one: Recording) -> dict[str, Any]:
    return {
        "name": one.name,
        "camera": one.camera_id,
        "source": one.source,
        "seconds": one.seconds,
        "frames_read": one.frames_read,
        "frames_sampled": one.frames_sampled,
        "failure": one.failure or None,
        "incident": one.incident.id if one.incident else None,
    }


def _rule_json(side: Side, one: RuleFigures) -> dict[str, Any]:
    interval = one.alerts_a_day_interval
    return {
        "camera_hours": one.hours,
        "alerts": len(one.hits),
        "alerts_a_camera_day": one.alerts_a_day,
        "alerts_a_camera_day_95": [interval.low, interval.high] if interval else None,
        "history": retold_json(one, side.recordings) if one.is_of_clips else None,
        "incidents": dict(one.statuses),
        "vlm": {
            "verdicts": one.num_verdicts,
            "calls": one.num_calls,
            "pictures": one.num_pictures,
            "seconds": one.verdict_seconds,
        },
        "hits": [_hit_json(hit) for hit in one.hits],
        "near_misses": [_miss_json(*pair) for pair in one.near_misses],
        "gates": _gates_json(side, one.rule.id),
    }


def _gates_json(side: Side, rule_id: str) -> list[dict[str, Any]]:
    return [
        {
            "gate": count.gate.value,
            "passed": count.passed,
            "reason": count.reason,
            "count": count.count,
            "min_value": count.min_value,
            "max_value": count.max_value,
            "threshold": count.threshold,
        }
        for count in _gates(side, rule_id)
    ]


def _hit_json(hit: Hit) -> dict[str, Any]:
    recording, incident = hit
    candidate = incident.candidate
    return {
        "recording": recording.name,
        "rule": incident.rule_id,
        "at_seconds": recording.place_seconds(incident.opened_at),
        "start_seconds": recording.place_seconds(candidate.started_at),
        "end_seconds": recording.place_seconds(candidate.ended_at or candidate.opened_at),
        "status": incident.status.value,
        "title": headline(incident),
        "score": candidate.peak_score,
    }


def _miss_json(recording: Recording, miss: NearMiss) -> dict[str, Any]:
    return {
        "recording": recording.name,
        "minute_from_seconds": max(recording.place_seconds(miss.minute), 0.0),
        "gate": miss.count.gate.value,
        "reason": miss.count.reason,
        "value": miss.count.max_value,
        "threshold": miss.count.threshold,
    }
