"""What `sightline demo` does: the whole path on a rendered scene, its result held against the scene's truth."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.text import Text

from pipeline.app.local import build_local
from pipeline.app.stores import open_stores
from pipeline.cli.configuration import start_logging
from pipeline.cli.demo_receiver import DemoReceiver, Received
from pipeline.cli.demo_truth import Planted, Score, demo_rules, planted_in, score
from pipeline.cli.one_source import OneSource
from pipeline.cli.output import EXIT_FAILED, counted, out, plain, say_json
from pipeline.cli.report import clock, place_in
from pipeline.cli.report_file import save_report
from pipeline.cli.run import run_until_stopped
from pipeline.cli.screens import SeenIncidents, choose_screen
from pipeline.cli.watching import WatchOptions, watch_source
from pipeline.cli.why import Question, answers
from pipeline.contracts.incident import Incident
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import RunSummary
from pipeline.scenes import Scene, open_scene
from pipeline.settings import Settings
from pipeline.site import Site, parse_site

_SCENE = "yard"
_SEED = 1
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SceneRun:
    """A finished run of the rendered scene."""

    site: Site
    scene: Scene
    started_at: datetime
    summary: RunSummary
    incidents: list[Incident]
    """In the order they opened, as they ended."""
    receiver: DemoReceiver


def demo_source(settings: Settings, source: str, *, as_json: bool = False) -> int:
    """Motion anywhere in the picture of a file or camera."""
    report = settings.data_dir / "report.html"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with DemoReceiver(_teller(as_json=as_json)) as receiver:
        given = OneSource(source, (), {}, {}, {}, webhook=receiver.url, secret=receiver.secret)
        summary, status = watch_source(given, settings, WatchOptions(speed=0.0, save=report, as_json=as_json))
    if as_json:
        return status
    _say_deliveries(receiver, summary)
    out().print(f"look back: sightline incidents list --data-dir {shlex.quote(str(settings.data_dir))}")
    return status


def demo_scene(settings: Settings, seconds: float, *, as_json: bool = False) -> int:
    """The rendered yard; 0 only when all that was planted was found, told and nothing else was."""
    scene = open_scene(_SCENE, seed=_SEED, seconds=seconds)
    # Whole minutes that end about now: the times shown are of today, and `why` may be asked by the minute.
    started_at = (datetime.now(UTC) - timedelta(seconds=seconds)).replace(second=0, microsecond=0)
    if not as_json:
        out().print(
            f"Rendering {clock(seconds)} of the scene {_SCENE!r} and watching it as fast as this machine can.\n"
        )
    with DemoReceiver(_teller(as_json=as_json)) as receiver:
        site = _site(settings.data_dir, scene, seconds, receiver)
        start_logging(settings, site)
        with choose_screen(place_in(started_at), as_json=as_json, quiet=False, live=False) as screen:
            pace = Pace(speed=0.0, start_at=started_at)
            seen = SeenIncidents(screen)
            with build_local(site, settings, pace=pace, listener=seen) as runtime:
                summary, status = run_until_stopped(runtime, threading.Event())
    if status:
        return status
    incidents = _load(settings, seen)
    return _conclude(SceneRun(site, scene, started_at, summary, incidents, receiver), settings, as_json=as_json)


def _load(settings: Settings, seen: SeenIncidents) -> list[Incident]:
    stores = open_stores(settings, must_exist=True)
    try:
        found = [stores.incidents.get(incident_id) for incident_id in seen.statuses]
    finally:
        stores.close()
    return [incident for incident in found if incident is not None]


def _site(data_dir: Path, scene: Scene, seconds: float, receiver: DemoReceiver) -> Site:
    """The demo's site; a copy without the receiver's secret stays in the data folder for `--site`."""
    document: dict[str, Any] = {
        "site": {"name": "demo", "timezone": "UTC"},
        "cameras": [
            {
                "id": _SCENE,
                "url": f"synthetic:{_SCENE}?seed={_SEED}&seconds={seconds:g}",
                "zones": {name: [list(point) for point in points] for name, points in scene.zones.items()},
                "lines": {name: [list(point) for point in points] for name, points in scene.lines.items()},
            }
        ],
        "rules": demo_rules(),
        "settings": {"data_dir": str(data_dir.absolute())},
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "site.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    document["channels"] = {"demo": {"webhook": receiver.url, "secret": receiver.secret, "allow_private": True}}
    return parse_site(yaml.safe_dump(document), "demo", {})


def _teller(*, as_json: bool) -> Callable[[Received], None]:
    return _received_as_json if as_json else _say_received


def _received_as_json(message: Received) -> None:
    say_json({"type": "webhook", "id": message.id, "is_genuine": message.is_genuine, "kind": message.body.get("type")})


def _say_received(message: Received) -> None:
    kind = str(message.body.get("type", "?"))
    signature = ("signature good", "green") if message.is_genuine else ("SIGNATURE WRONG", "bold red")
    out().print(
        Text.assemble(("    webhook received  ", "dim"), plain(kind), "  ", signature, (f"  {message.id}", "dim"))
    )


def _conclude(run: SceneRun, settings: Settings, *, as_json: bool) -> int:
    """Against the truth, the deliveries, the report and an example of `why`; the exit status."""
    planted = planted_in(run.scene)
    seen = [(i.rule_id, (i.opened_at - run.started_at).total_seconds()) for i in run.incidents]
    result = score(planted, seen)
    report = settings.data_dir / "report.html"
    ids = [incident.id for incident in run.incidents]
    save_report(report, run.site, settings, run.started_at, run.summary, ids, run.summary.failures)
    if as_json:
        say_json(_scene_as_json(planted, result, run.summary, report))
    else:
        _say_conclusion(run, settings, planted, result)
    is_told = _is_delivered(run.receiver, run.summary)
    return 0 if result.is_perfect and is_told and not run.summary.failures else EXIT_FAILED


def _say_conclusion(run: SceneRun, settings: Settings, planted: list[Planted], result: Score) -> None:
    say_score("the scene", planted, result)
    out().print(
        f"\n{run.summary.frames_read} frames in {run.summary.elapsed_seconds:.1f} s, "
        f"{run.summary.media_seconds / max(run.summary.elapsed_seconds, 0.001):.1f} times as fast as live"
    )
    _say_deliveries(run.receiver, run.summary)
    out().print(f"report: {settings.data_dir / 'report.html'}")
    _say_why(run, settings, planted)


def _scene_as_json(planted: list[Planted], result: Score, summary: RunSummary, report: Path) -> dict[str, Any]:
    return {
        "type": "scene",
        "planted": [asdict(event) | {"found_seconds": result.found.get(event)} for event in planted],
        "false": [{"rule_id": rule_id, "seconds": seconds} for rule_id, seconds in result.false],
        "is_perfect": result.is_perfect,
        "report": str(report),
        **asdict(summary),
    }


def say_score(where: str, planted: list[Planted], result: Score) -> None:
    """What was planted, line by line, and what came of it."""
    console = out()
    console.print(f"\nPlanted in {where}, and what came of it:", style="bold")
    for event in planted:
        at = clock(event.start_seconds)
        if event in result.found:
            verdict = Text(f"found by {event.rule_id} at {clock(result.found[event])}", "green")
        elif event in result.quiet:
            verdict = Text("near miss, no alert", "green")
        else:
            verdict = Text("near miss, ALERTED" if event.is_near_miss else f"MISSED by {event.rule_id}", "bold red")
        console.print(Text(f"  {at:>5}  {event.text:<48}") + verdict)
    for rule_id, seconds in result.false:
        console.print(Text(f"  {clock(seconds):>5}  nothing {'':<40}ALERTED by {rule_id}", "bold red"))


def _is_delivered(receiver: DemoReceiver, summary: RunSummary) -> bool:
    """Whether every webhook came, and came genuine."""
    is_genuine = all(message.is_genuine for message in receiver.received.values())
    return is_genuine and not summary.pending_deliveries and not summary.dead_deliveries


def _say_deliveries(receiver: DemoReceiver, summary: RunSummary) -> None:
    genuine = sum(message.is_genuine for message in receiver.received.values())
    total = len(receiver.received)
    out().print(
        f"{counted(total, 'webhook')} received, {genuine} with a good signature; {summary.pending_deliveries} owed"
    )


def _say_why(run: SceneRun, settings: Settings, planted: list[Planted]) -> None:
    """Ask about a near miss in whose minute its rule kept quiet, or else about an alert; show how to ask more."""
    site = shlex.quote(str(settings.data_dir / "site.yaml"))
    quiet = [event for event in planted if event.is_near_miss and not _incidents_around(run, event)]
    for event in (quiet or [event for event in planted if not event.is_near_miss])[:1]:
        start = _minute_of(run, event)
        what = "was there no alert for" if quiet else "was there an alert for"
        out().print(f"\nWhy {what} {event.rule_id} at {clock(event.start_seconds)}, when {event.text}?", style="bold")
        out().print(
            f"  sightline why --site {site} --camera {_SCENE} --rule {event.rule_id} --at {start:%Y-%m-%dT%H:%M}"
        )
        for sentence in _ask(run, settings, event, start):
            out().print(f"  {plain(sentence)}")
    out().print(f"\nLook around: sightline incidents list --site {site}")
    out().print(f"In a browser: sightline api --site {site}, and open the address it prints")


def _minute_of(run: SceneRun, planted: Planted) -> datetime:
    return (run.started_at + timedelta(seconds=planted.start_seconds)).replace(second=0, microsecond=0)


def _incidents_around(run: SceneRun, planted: Planted) -> list[Incident]:
    """The rule's incidents that were open in the minute of a planted event."""
    start = _minute_of(run, planted)
    return [
        incident
        for incident in run.incidents
        if incident.rule_id == planted.rule_id
        and incident.opened_at < start + _MINUTE
        and (incident.closed_at is None or incident.closed_at > start)
    ]


def _ask(run: SceneRun, settings: Settings, event: Planted, start: datetime) -> list[str]:
    """What `sightline why` answers about a minute."""
    stores = open_stores(settings, must_exist=True)
    try:
        counts = stores.decisions.between(_SCENE, start, start + _MINUTE, event.rule_id)
    finally:
        stores.close()
    rules = {rule.id: rule for rule in run.site.rules}
    incidents = _incidents_around(run, event)
    return answers(Question(_SCENE, start, start + _MINUTE, UTC, counts, incidents, rules, event.rule_id))
