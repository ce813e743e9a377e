"""`sightline why`: why there was an alert, or why there was none, for any camera, rule and minute."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.coverage import gaps_for_script
from pipeline.cli.output import err, out, plain, say_json, wall_clock
from pipeline.cli.screens import incident_table
from pipeline.cli.times import read_duration, read_moment, window_around
from pipeline.cli.why import Question, answers, chain, rules_asked
from pipeline.contracts.decision import NO_RULE, DecisionCount
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.site import load_site
from pipeline.store.gaps import Stretch, accounts, blind_stretches

if TYPE_CHECKING:
    from pipeline.app.stores import Stores

_MOST_INCIDENTS = 500
_LONGEST_INCIDENT = timedelta(days=7)
"""An incident opened longer ago than this is not looked for among those still open at the time asked for."""


def why(
    camera: Annotated[str, typer.Option(help="The camera's id.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="22:14, yesterday 22:14, 2 minutes ago or ISO 8601.")],
    rule: Annotated[str | None, typer.Option(help="Only about this rule.")] = None,
    window: Annotated[str, typer.Option(help="How much time around it, in whole minutes.")] = "1m",
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why there was an alert, or why there was none.

    One sentence that answers, then every gate's verdict with its numbers and thresholds.

    \b
      sightline why --camera yard --at 22:14 --site site.yaml
      sightline why --camera yard --at "2 minutes ago" --rule loitering --data-dir demo-data
      sightline why --camera yard --at 2026-03-01T22:14 --window 10m --json
    Times are the site's (--site), or UTC without a site file.
    """
    seconds = read_duration(window)
    with kept_data(data_dir, site) as (stores, zone):
        moment = read_moment(at, datetime.now(UTC), zone)
        question = question_about(stores, zone, site, camera, rule, window_around(moment.at, seconds))
        if as_json:
            say_json(for_script(question))
        else:
            _show(question, zone, moment.note)


def question_about(
    stores: Stores, zone: tzinfo, site: Path | None, camera: str, rule: str | None, window: tuple[datetime, datetime]
) -> Question:
    """What was asked of `window` ([start, end), aware), with all that is known of it."""
    start, end = window
    counts = stores.decisions.between(camera, start, end, rule)
    return Question(
        camera_id=camera,
        start=start,
        end=end,
        zone=zone,
        counts=counts,
        incidents=_incidents(stores, camera, rule, start, end),
        rules=_rules(site, camera, rule),
        rule_id=rule,
        blind=_blind(stores, camera, rule, start, end, has_counts=bool(counts)),
        masked=_masked(site, camera),
    )


def _incidents(stores: Stores, camera: str, rule: str | None, start: datetime, end: datetime) -> list[Incident]:
    """Those that opened in [start, end), and those that were open then."""
    wanted = IncidentFilter(
        camera_id=camera, rule_id=rule, opened_from=start - _LONGEST_INCIDENT, opened_before=end, limit=_MOST_INCIDENTS
    )
    found = stores.incidents.find(wanted)
    return [i for i in found if i.opened_at >= start or i.closed_at is None or i.closed_at > start]


def _blind(
    stores: Stores, camera: str, rule: str | None, start: datetime, end: datetime, *, has_counts: bool
) -> list[Stretch]:
    """When the camera, or that rule on it, was not watched. What was decided before coverage was kept was watched."""
    (account,) = accounts(stores.coverage, [camera], start, end, datetime.now(UTC))
    since = account.known_since
    found = blind_stretches(account.rules.get(rule or "", account.stretches))
    if since is None:
        return []
    return [gap for gap in found if gap.end > since or not has_counts]


def _rules(site_path: Path | None, camera_id: str, rule_id: str | None) -> dict[str, Rule]:
    """The site's rules that look at the camera; `ConfigError` for names the site file does not have."""
    if site_path is None:
        return {}
    site = load_site(site_path)
    camera = site.camera(camera_id)
    if camera is None:
        raise ConfigError(_no_such("camera", camera_id, [camera.id for camera in site.cameras], site_path))
    if rule_id is None:
        return {rule.id: rule for rule in site.rules_for(camera)}
    rules = {rule.id: rule for rule in (*site.rules_for(camera), *site.health_rules_for(camera))}
    if site.rule(rule_id) is None:
        raise ConfigError(_no_such("rule", rule_id, [rule.id for rule in site.all_rules], site_path))
    if rule_id not in rules:
        raise ConfigError(f"rule {rule_id} does not look at camera {camera_id}; see its cameras: in {site_path}")
    return {rule_id: rules[rule_id]}


def _masked(site_path: Path | None, camera_id: str) -> dict[str, float]:
    """Zones of the camera that its privacy masks cover, with the share, 0..1."""
    camera = load_site(site_path).camera(camera_id) if site_path else None
    if camera is None or not camera.masks:
        return {}
    from pipeline.ingest.privacy import masked_share

    return {name: masked_share(camera.masks, zone) for name, zone in camera.zones.items()}


def _no_such(kind: str, name: str, known: list[str], path: Path) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return f"{path} has no {kind} {name!r} ({hint})"


def for_script(question: Question) -> dict[str, Any]:
    """The question and all that answers it, as JSON."""
    return {
        "camera": question.camera_id,
        "start": question.start.isoformat(),
        "end": question.end.isoformat(),
        "answers": answers(question),
        "rules": rules_asked(question),
        "unwatched": gaps_for_script(question.blind),
        "gates": [asdict(link) | {"minute": link.minute.isoformat()} for link in question.counts],
        "incidents": [incident.model_dump(mode="json") for incident in question.incidents],
    }


def _show(question: Question, zone: tzinfo, note: str) -> None:
    console = out()
    for sentence in answers(question):
        console.print(plain(sentence), style="bold")
    if note:
        err().print(f"note: {note}")
    links = chain(question.counts)
    if links:
        console.print(_gate_table(links))
    if question.incidents:
        console.print("\nIncidents then", style="bold")
        console.print(incident_table(list(question.incidents), wall_clock(zone)))


def _gate_table(links: list[DecisionCount]) -> Table:
    """The gates in the order a frame meets them."""
    table = Table("gate", "rule", box=None, pad_edge=False)
    for name in ("verdict", "times", "measured", "needs"):
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold")
    for link in links:
        table.add_row(
            link.gate.value,
            link.rule_id if link.rule_id != NO_RULE else "(camera)",
            Text(
                f"{'passed' if link.passed else 'stopped'}: {plain(link.reason)}", "green" if link.passed else "yellow"
            ),
            str(link.count),
            _span(link),
            "" if link.threshold is None else f"{link.threshold:g}",
            Text(plain(link.detail), "dim"),
        )
    return table


def _span(link: DecisionCount) -> str:
    if link.min_value is None or link.max_value is None:
        return ""
    low, high = f"{link.min_value:.3g}", f"{link.max_value:.3g}"
    return low if low == high else f"{low} to {high}"
