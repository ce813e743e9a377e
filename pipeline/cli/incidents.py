"""`sightline incidents list|show|ack`: what happened, told from what a run has kept."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.coverage import unwatched
from pipeline.cli.output import change_line, counted, err, headline, local_time, out, plain, say_json, wall_clock
from pipeline.cli.report_words import assessment_lines
from pipeline.cli.screens import incident_table
from pipeline.cli.times import read_moment
from pipeline.clock import SystemClock
from pipeline.contracts.candidate import Fact
from pipeline.contracts.forecast import ExpectedKind, ForecastFilter, ForecastSource, KeptForecast, Outcome
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus, Link
from pipeline.errors import ConfigError
from pipeline.incidents.recorder import IncidentRecorder, Plan
from pipeline.site import load_site

if TYPE_CHECKING:
    from pipeline.app.stores import Stores

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, show, acknowledge and review incidents.")

IncidentArgument = Annotated[str, typer.Argument(metavar="ID", help="An incident's id, or its beginning.")]
ByOption = Annotated[str | None, typer.Option(help="Who says so; you, by default.")]
NoteOption = Annotated[str, typer.Option(help="A remark to keep with it.")]
_LATEST = 1000
"""Among so many incidents the beginning of an id is looked for."""


@app.command("list")
def list_incidents(
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule.")] = None,
    status: Annotated[list[IncidentStatus] | None, typer.Option(help="Only with this status; may be repeated.")] = None,
    reviewed: Annotated[
        bool | None, typer.Option("--reviewed/--unreviewed", help="Only those that people have judged, or have not.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Opened at or after: 22:14, 2 hours ago …")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Opened before.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List incidents, newest first.

    \b
      sightline incidents list --site site.yaml
      sightline incidents list --camera yard --status confirmed --since "2 hours ago"
      sightline incidents list --data-dir demo-data --json | jq -r '.[].id'
    """
    with kept_data(data_dir, site) as (stores, zone):
        now = datetime.now(UTC)
        wanted = IncidentFilter(
            camera_id=camera,
            rule_id=rule,
            statuses=tuple(status or ()),
            opened_from=read_moment(since, now, zone).at if since else None,
            opened_before=read_moment(until, now, zone).at if until else None,
            is_reviewed=reviewed,
            limit=limit,
        )
        found = stores.incidents.find(wanted)
        if as_json:
            say_json([incident.model_dump(mode="json") for incident in found])
        elif found:
            out().print(incident_table(found, wall_clock(zone)))
        else:
            out().print("no incidents")
        if not found:
            # A script's list stays a list: there it goes to standard error.
            _say_unwatched(stores, _cameras(camera, site), wanted, zone, err() if as_json else out())


def _cameras(camera: str | None, site_path: Path | None) -> list[str] | None:
    """The cameras a question is about; None for all that are known."""
    if camera is not None:
        return [camera]
    return [camera.id for camera in load_site(site_path).cameras] if site_path else None


def _say_unwatched(
    stores: Stores, cameras: list[str] | None, wanted: IncidentFilter, zone: tzinfo, console: Console
) -> None:
    """No incidents is not "nothing happened" while nobody watched."""
    for sentence in unwatched(stores, cameras, wanted.opened_from, wanted.opened_before, zone):
        console.print(plain(f"but {sentence}"))


@app.command()
def show(
    incident_id: IncidentArgument,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one incident in full.

    Its life, what was measured, the verdict, the pictures, who was told.

    \b
      sightline incidents show 3f2a --site site.yaml
    """
    with kept_data(data_dir, site) as (stores, zone):
        incident = find_incident(stores, incident_id)
        if as_json:
            say_json(_whole(stores, incident))
        else:
            _print_whole(stores, incident, zone)


@app.command()
def ack(
    incident_id: IncidentArgument,
    by: ByOption = None,
    note: NoteOption = "",
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge an incident: a person has seen it.

    With --site, channels that want to hear of it are told.

    \b
      sightline incidents ack 3f2a --note "it was the gardener" --site site.yaml
    """
    with kept_data(data_dir, site) as (stores, zone):
        incident = find_incident(stores, incident_id)
        recorder = IncidentRecorder(stores.incidents, plan_of(site), SystemClock())
        change = recorder.acknowledge(incident.id, by or getpass.getuser(), note)
        if as_json:
            say_json(change.model_dump(mode="json"))
        else:
            out().print(change_line(change, wall_clock(zone)))


def plan_of(site_path: Path | None) -> Plan:
    """Who is told of a change: the site's channels, or nobody without a site file."""
    if site_path is None:
        return lambda _change: ()
    return DeliveryPolicy(*rules_and_channels(load_site(site_path)))


def find_incident(stores: Stores, wanted: str) -> Incident:
    """The incident with this id or the only recent one whose id begins so; `ConfigError` otherwise."""
    exact = stores.incidents.get(wanted)
    if exact is not None:
        return exact
    latest = stores.incidents.find(IncidentFilter(limit=_LATEST))
    matches = [incident for incident in latest if incident.id.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{len(matches)} incidents begin with {wanted!r}: give more of the id")
    raise ConfigError(f"no incident {wanted!r}; `sightline incidents list` shows those that are kept")


def _whole(stores: Stores, incident: Incident) -> dict[str, Any]:
    """Everything known of it, for a script."""
    return {
        "incident": incident.model_dump(mode="json"),
        "changes": [
            {"id": change.id, "kind": change.kind.value, "at": change.at, "note": change.note}
            for change in stores.incidents.changes(incident.id)
        ],
        "links": [asdict(link) for link, _ in _linked(stores, incident)],
        "evidence": dict(_evidence(stores, incident)),
        "deliveries": [delivery.model_dump(mode="json") for delivery in stores.outbox.of_incident(incident.id)],
    }


def _print_whole(stores: Stores, incident: Incident, zone: tzinfo) -> None:
    console = out()
    console.print(headline(incident), style="bold")
    closed = f", closed {local_time(incident.closed_at, zone)}" if incident.closed_at else ""
    console.print(
        f"{incident.id}  {incident.status.value}, {incident.severity.value}; {incident.camera_id}, {incident.rule_id}; "
        f"opened {local_time(incident.opened_at, zone)}{closed}{_again(incident, zone)}"
    )
    _section("What was measured", [_fact_line(fact, zone) for fact in incident.candidate.facts])
    if expected := _expected_lines(stores, incident):
        _section("What was expected", expected)
    _section("Verdict", _verdict_lines(incident))
    if incident.candidate.condition is None:
        _section("Review", [_review_line(incident, zone)])
    if linked := _linked(stores, incident):
        _section("Perhaps the same on other cameras", [_link_line(link, other, zone) for link, other in linked])
    life = stores.incidents.changes(incident.id)
    _section("Life", [f"{local_time(c.at, zone)}  {c.kind.value:<12}  {c.note}" for c in life])
    _section("Evidence", [f"{name:<10} {place}" for name, place in _evidence(stores, incident)])
    _section(
        "Deliveries",
        [
            f"{d.channel}  change {d.change_sequence}  {d.state.value}, {d.attempts} attempts  {d.last_error}"
            for d in stores.outbox.of_incident(incident.id)
        ],
    )


def _again(incident: Incident, zone: tzinfo) -> str:
    """What was met again while the cooldown held: `, again 3 times until 22:20:05`."""
    candidate = incident.candidate
    if not candidate.repeats or candidate.repeated_at is None:
        return ""
    until = local_time(candidate.repeated_at, zone, "%H:%M:%S")
    return f", again {counted(candidate.repeats, 'time')} until {until}"


def _linked(stores: Stores, incident: Incident) -> list[tuple[Link, Incident]]:
    """With the other incident of each; those erased meanwhile are left out."""
    links = [(link, stores.incidents.get(link.other_id)) for link in stores.incidents.links_of(incident.id)]
    return [(link, other) for link, other in links if other is not None]


def _link_line(link: Link, other: Incident, zone: tzinfo) -> str:
    alike = f"{link.similarity:.0%} alike" if link.similarity is not None else "at the same time"
    apart = f", {link.seconds_apart:.0f} s apart" if link.seconds_apart else ""
    return f"{local_time(other.opened_at, zone)}  {other.camera_id}, {other.rule_id}: {alike}{apart}  [{other.id}]"


def _section(title: str, lines: list[str]) -> None:
    console = out()
    console.print(f"\n{title}", style="bold")
    for line in lines or ["none"]:
        console.print(f"  {plain(line).rstrip()}")


def _fact_line(fact: Fact, zone: tzinfo) -> str:
    return f"{local_time(fact.at, zone, '%H:%M:%S')}  {fact.text}"


def _expected_lines(stores: Stores, incident: Incident) -> list[str]:
    """What was foretold last, by motion and by the model, and what became of it."""
    kept = stores.forecasts.find(ForecastFilter(incident_id=incident.id))
    last = {
        source: max((one.made_at for one in kept if one.source is source), default=None) for source in ForecastSource
    }
    return [
        f"{one.what} {'for' if one.kind == ExpectedKind.STAYS else 'within'} {one.within_seconds:g} s: "
        f"{one.probability:.0%}; {_outcome(one)}"
        for one in kept
        if one.made_at == last[one.source]
    ]


def _outcome(one: KeptForecast) -> str:
    if one.outcome is None:
        return "not looked up yet"
    if one.outcome is Outcome.UNKNOWN:
        return f"not known: {one.reason}"
    return "it did" if one.outcome is Outcome.YES else "it did not"


def _verdict_lines(incident: Incident) -> list[str]:
    assessment = incident.assessment
    if assessment is None:
        return ["still awaited" if incident.awaits_verdict else "nobody was asked"]
    return assessment_lines(assessment)


def _review_line(incident: Incident, zone: tzinfo) -> str:
    said = incident.review
    if said is None:
        return "nobody has said yet: sightline incidents confirm|reject " + incident.id
    word = "a right alert" if said.is_right else "a false alarm"
    return f"{local_time(said.at, zone)}  {word}, says {said.by}" + (f": {said.note}" if said.note else "")


def _evidence(stores: Stores, incident: Incident) -> list[tuple[str, str]]:
    """(name, path or URL) of every picture and clip that was kept."""
    keys = [("snapshot", incident.snapshot_uri), ("clip", incident.clip_uri)]
    keys += [(f"picture {number}", key.uri) for number, key in enumerate(incident.candidate.key_frames, 1)]
    return [(name, stores.evidence.locate(key)) for name, key in keys if key]
