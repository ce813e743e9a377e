"""`sightline incidents confirm|reject|precision`: what people say of alerts, and what that comes to."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.incidents import ByOption, IncidentArgument, NoteOption, find_incident, plan_of
from pipeline.cli.output import change_line, local_time, out, plain, say_json, say_warning, wall_clock
from pipeline.cli.times import read_moment
from pipeline.clock import SystemClock
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.errors import ConfigError
from pipeline.incidents.recorder import IncidentRecorder

if TYPE_CHECKING:
    from pipeline.evaluation.reviews import Precision

_MOST_INCIDENTS = 100_000


def confirm(
    incident_id: IncidentArgument,
    by: ByOption = None,
    note: NoteOption = "",
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that an alert was right: what was seen is what the rule is for.

    A running Sightline learns from it within seconds: the rule's threshold on that camera, its examples, and what is
    not normal there. The last word on an incident counts.

    \b
      sightline incidents confirm 3f2a --site site.yaml
    """
    _review(incident_id, is_right=True, by=by, note=note, data_dir=data_dir, site=site, as_json=as_json)


def reject(
    incident_id: IncidentArgument,
    by: ByOption = None,
    note: NoteOption = "",
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that an alert was a false alarm.

    A running Sightline learns from it within seconds: the like is told no more so easily. `sightline incidents
    precision` shows what became of a rule since.

    \b
      sightline incidents reject 3f2a --note "the gardener" --site site.yaml
    """
    _review(incident_id, is_right=False, by=by, note=note, data_dir=data_dir, site=site, as_json=as_json)


def _review(
    incident_id: str,
    *,
    is_right: bool,
    by: str | None,
    note: str,
    data_dir: Path | None,
    site: Path | None,
    as_json: bool,
) -> None:
    with kept_data(data_dir, site) as (stores, zone):
        incident = find_incident(stores, incident_id)
        if incident.candidate.condition is not None:
            raise ConfigError(f"{incident.id} is about the camera itself, which is measured and not judged: use ack")
        recorder = IncidentRecorder(stores.incidents, plan_of(site), SystemClock())
        change = recorder.review(incident.id, is_right=is_right, by=by or getpass.getuser(), note=note)
        if as_json:
            say_json(change.model_dump(mode="json"))
        else:
            out().print(change_line(change, wall_clock(zone)))


def precision(
    rule: Annotated[str | None, typer.Option(help="Only of this rule.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    by: Annotated[Literal["day", "week", "all"], typer.Option(help="A row for each so long.")] = "week",
    by_camera: Annotated[bool, typer.Option("--by-camera", help="A row for each camera of a rule too.")] = False,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="Instead, how far the model's probabilities could be believed.")
    ] = False,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Opened at or after: 3 days ago …")] = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which share of each rule's alerts people found right, over time.

    Alerts nobody has reviewed say nothing either way: the interval widens the fewer were. With --verdicts, a row for
    each rule, model and prompt: Brier scores (0 is best, 0.25 is a coin's) of the model's own probability of yes and of
    the one calibrated by reviews, then how often each range of it was right.

    \b
      sightline incidents precision --site site.yaml
      sightline incidents precision --verdicts --rule climb-fence
      sightline incidents precision --rule climb-fence --by day --since "30 days ago" --json
    """
    from pipeline.evaluation.reviews import precisions

    with kept_data(data_dir, site) as (stores, zone):
        moment = read_moment(since, datetime.now(UTC), zone).at if since else None
        reviewed = True if verdicts else None
        wanted = IncidentFilter(
            rule_id=rule, camera_id=camera, opened_from=moment, is_reviewed=reviewed, limit=_MOST_INCIDENTS
        )
        found = stores.incidents.find(wanted)
    if len(found) == _MOST_INCIDENTS:
        say_warning(f"only the latest {_MOST_INCIDENTS} incidents are counted")
    if verdicts:
        _print_reliabilities(found, as_json=as_json)
        return
    rows = precisions(found, zone, by, by_camera=by_camera)
    if as_json:
        say_json([_row_json(row) for row in rows])
    elif rows:
        out().print(_table(rows, by, zone, by_camera=by_camera))
    else:
        out().print("no incidents")


def _print_reliabilities(found: list[Incident], *, as_json: bool) -> None:
    from pipeline.evaluation.verdicts import reliabilities

    rows = reliabilities(found)
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "model", "prompt"):
        table.add_column(name)
    for name in ("reviewed", "right", "Brier, model's", "calibrated"):
        table.add_column(name, justify="right")
    table.add_column("said yes: right of so many")
    for row in rows:
        ranges = (f"{one.low:.0%}–{one.high:.0%}: {one.share_right:.0%} of {one.num_verdicts}" for one in row.bins)
        scores = (str(row.num_verdicts), str(row.num_right), f"{row.brier_raw:.3f}", f"{row.brier:.3f}")
        table.add_row(row.rule_id, plain(row.model_id), row.prompt_version, *scores, ", ".join(ranges))
    out().print(table if rows else "no verdict has been reviewed")


def _row_json(row: Precision) -> dict[str, Any]:
    return {
        "rule": row.rule_id,
        "camera": row.camera_id,
        "from": row.start.isoformat(),
        "incidents": row.num_incidents,
        "right": row.num_right,
        "wrong": row.num_wrong,
        "precision": row.precision,
        "interval_95": list(row.interval),
    }


def _table(rows: list[Precision], by: str, zone: tzinfo, *, by_camera: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("rule", *(["camera"] if by_camera else []), "since" if by == "all" else f"{by} of"):
        table.add_column(name)
    for name in ("incidents", "reviewed", "right", "precision", "95 %"):
        table.add_column(name, justify="right")
    for row in rows:
        share = "-" if row.precision is None else f"{row.precision:.0%}"
        low, high = row.interval
        counts = (row.num_incidents, row.num_right + row.num_wrong, row.num_right)
        whose = [row.rule_id, row.camera_id] if by_camera else [row.rule_id]
        day = local_time(row.start, zone, "%Y-%m-%d")
        table.add_row(*whose, day, *map(str, counts), share, f"{low:.0%}–{high:.0%}")
    return table
