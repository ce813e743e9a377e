"""`sightline ingest`: the cameras of a site file onto the bus, until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from pipeline.cli.configuration import JsonOption, LogFormat, LogLevel, SiteArgument, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, counted, err, say_json, say_warning
from pipeline.cli.run import following, serve_metrics
from pipeline.cli.signals import stop_on_signals
from pipeline.cli.times import read_moment
from pipeline.site import load_site
from pipeline.telemetry import Metrics

if TYPE_CHECKING:
    from pipeline.runtime.ingest.service import IngestService, IngestSummary

log = structlog.get_logger()
_LOOK_SECONDS = 0.5
_TELL_SECONDS = 60.0
_LATE_SECONDS = 2.0


def ingest(
    site_path: SiteArgument,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Read the cameras of share I of N (from 0): one process a share.")
    ] = "0/1",
    speed: Annotated[
        float, typer.Option(min=0, help="Pace of files among the cameras: 1 as if live, 0 as fast as possible.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin files again at their end, for ever.")] = False,
    start_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the files' first frames are said to be from; usually now.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this port; 0 is off.")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Least severe log shown.")] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Logs for people or for machines.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the cameras of a site file to the bus.

    \b
      KAFKA_BOOTSTRAP_SERVERS=broker:9092 sightline ingest site.yaml
      sightline ingest site.yaml --shard 0/3      … and 1/3 and 2/3 elsewhere
      sightline ingest site.yaml --speed 0 --json     clips, as fast as they can be read
    Privacy masks are burnt in before a frame leaves this process. While the broker is away files wait and live
    cameras keep their newest seconds. Ctrl-C or SIGTERM publishes what was read and ends; a second one ends at once.
    Exit status: 0 ended or stopped with everything published, 1 something was not, 2 wrong usage or configuration.
    """
    from pipeline.app.ingest import build_ingest
    from pipeline.ingest.pace import Pace
    from pipeline.runtime.ingest.shard import Shard

    share = Shard.parse(shard)
    site = load_site(site_path)
    settings = settings_for(site, metrics_port=metrics_port, log_level=log_level, log_format=log_format)
    start_logging(settings, site, is_service=True)
    first_at = read_moment(start_at, datetime.now(UTC), site.site.zone_info).at if start_at else None
    metrics = Metrics()
    service = build_ingest(site, settings, shard=share, pace=Pace(speed, loop, first_at), metrics=metrics)
    if not service.summary().cameras:
        say_warning(f"none of the {counted(len(site.cameras), 'camera')} belongs to share {share}: nothing to read")
    serve_metrics(metrics, settings)
    with following(site_path, site, service.follow, polls=settings.ingest.reload):
        status = run_to_the_end(service, settings.drain_for)
    summary = service.summary()
    _tell(summary, as_json=as_json)
    if status or summary.failures or summary.records_unsent:
        raise typer.Exit(status or EXIT_FAILED)


def run_to_the_end(service: IngestService, drain_seconds: float) -> int:
    """Until every camera has ended, or a signal, or a thread that died (`StageFailed`); 130 after Ctrl-C."""
    stop = threading.Event()
    with stop_on_signals(stop) as interruption:
        try:
            service.start()
            with _progress() as tell:
                while not service.is_finished and not stop.wait(_LOOK_SECONDS):
                    service.check_health()
                    tell(service.stats())
            service.check_health()
        finally:
            service.stop(drain_seconds)
    return interruption.exit_status


@contextmanager
def _progress() -> Iterator[Callable[[Mapping[str, float]], None]]:
    """How it goes: a line that changes on a terminal, a line of the log every minute elsewhere."""
    if not err().is_terminal:
        yield _Log().tell
        return
    with err().status("starting") as line:
        yield lambda stats: line.update(_in_words(stats))


class _Log:
    """Says once a minute how it goes."""

    def __init__(self) -> None:
        self._told_seconds = time.monotonic()

    def tell(self, stats: Mapping[str, float]) -> None:
        """Say it, when it is time."""
        if time.monotonic() - self._told_seconds >= _TELL_SECONDS:
            self._told_seconds = time.monotonic()
            log.info("publishing", **{name: round(value, 1) for name, value in stats.items()})


def _in_words(stats: Mapping[str, float]) -> str:
    words = f"{stats['cameras_up']:.0f} of {stats['cameras']:.0f} cameras up, {stats['frames_per_second']:.1f} frames/s"
    if stats["oldest_age_seconds"] > _LATE_SECONDS:
        words += f"; {stats['lag']:.0f} wait for the broker, since {stats['oldest_age_seconds']:.0f} s"
    return words + (f"; {stats['frames_dropped']:.0f} dropped" if stats["frames_dropped"] else "")


def _tell(summary: IngestSummary, *, as_json: bool) -> None:
    if as_json:
        say_json({"type": "summary", **asdict(summary)})
        return
    err().print(
        f"ended after {summary.elapsed_seconds:.0f} s: {summary.frames_read} frames read, "
        f"{summary.frames_published} published ({summary.bytes_published / 1e6:.1f} MB), "
        f"{summary.frames_dropped} dropped, {summary.frames_refused} refused, {summary.records_unsent} not sent"
    )
