"""`sightline run`: the cameras and rules of a site file, live, until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import (
    DataDirOption,
    JsonOption,
    LogFormat,
    LogLevel,
    SiteArgument,
    settings_for,
    start_logging,
)
from pipeline.cli.console import console_beside
from pipeline.cli.output import EXIT_FAILED, counted, err, say_json, wall_clock
from pipeline.cli.screens import choose_screen
from pipeline.cli.signals import call_on_hangup, stop_on_signals
from pipeline.errors import ConfigError
from pipeline.runtime.reload import SiteFileWatch
from pipeline.runtime.worker import Worker
from pipeline.settings import Settings
from pipeline.site import Site, load_site
from pipeline.telemetry import Metrics

if TYPE_CHECKING:
    from pipeline.runtime.local.runtime import LocalRuntime, RunSummary


def run(
    site_path: SiteArgument,
    data_dir: DataDirOption = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this port; 0 is off.")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Least severe log shown.")] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Logs for people or for machines.")] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="Pace of files among the cameras: 1 as if live, 0 as fast as possible.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin files again at their end, for ever.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print incidents; logs stay.")] = False,
    console: Annotated[
        bool | None,
        typer.Option("--console/--no-console", help="Serve the console, or do not; by default if it can be."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the cameras of a site file until stopped.

    \b
      sightline run site.yaml
      sightline run site.yaml --metrics-port 9090 --log-format json
      sightline run site.yaml --json | jq -r .incident.rule_id
    The console is served at http://127.0.0.1:8484 (`settings: {console: …}`), where it is installed; without an account
    the address that makes the first is printed.
    The site file may be changed meanwhile: cameras, rules and channels are followed when it is saved (or on SIGHUP),
    the rest at the next start. Ctrl-C or SIGTERM finishes what was accepted and ends; a second one ends at once.
    Started again on the same data folder, it resumes the verifications and deliveries that were still owed.
    """
    from pipeline.app.local import build_local
    from pipeline.ingest.pace import Pace

    site = load_site(site_path)
    settings = settings_for(
        site, data_dir=data_dir, metrics_port=metrics_port, log_level=log_level, log_format=log_format
    )
    if console is not None:
        settings = settings.model_copy(update={"console": settings.console.model_copy(update={"enabled": console})})
    start_logging(settings, site, is_service=True)
    metrics = Metrics()
    with choose_screen(wall_clock(site.site.zone_info), as_json=as_json, quiet=quiet, live=False) as screen:
        pace = Pace(speed=speed, loop=loop)
        with build_local(site, settings, pace=pace, listener=screen, metrics=metrics) as runtime:
            serve_metrics(metrics, settings)
            with console_beside(runtime, site, site_path, settings, metrics) as tell_console:

                def follow(changed: Site) -> None:
                    runtime.follow(changed)
                    tell_console(changed)

                with following(site_path, site, follow, polls=settings.ingest.reload):
                    summary, status = run_until_stopped(runtime)
    _tell(summary, as_json=as_json)
    if status or summary.failures:
        raise typer.Exit(status or EXIT_FAILED)


def run_until_stopped(runtime: LocalRuntime, stop: threading.Event | None = None) -> tuple[RunSummary, int]:
    """Load the models and run to the end or to a signal; the summary, and 130 after Ctrl-C."""
    stop = stop or threading.Event()
    with stop_on_signals(stop) as interruption:
        runtime.warm_up()
        summary = runtime.run(stop)
    return summary, interruption.exit_status


@contextmanager
def following(path: Path, site: Site, follow: Callable[[Site], None], *, polls: bool) -> Iterator[None]:
    """Follow changes of the site file inside the block; nothing to follow when it was piped in."""
    if str(path) == "-":
        yield
        return
    watch, stop = SiteFileWatch(path, site, follow, polls=polls), threading.Event()
    with call_on_hangup(watch.ask):
        worker = Worker("site-file", lambda: watch.run(stop))
        try:
            yield
        finally:
            stop.set()
            watch.ask()
            worker.join()


def serve_metrics(metrics: Metrics, settings: Settings) -> None:
    """Answer Prometheus where the settings say so; `ConfigError` when that port is taken."""
    if not settings.metrics_port:
        return
    try:
        metrics.serve(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        raise ConfigError(
            f"cannot serve metrics on {where}: {error.strerror}; choose another --metrics-port"
        ) from error


def _tell(summary: RunSummary, *, as_json: bool) -> None:
    if as_json:
        say_json({"type": "summary", **asdict(summary)})
        return
    err().print(
        f"stopped after {summary.elapsed_seconds:.0f} s: {summary.frames_read} frames read, "
        f"{counted(summary.incidents, 'incident')}; still owed: {counted(summary.pending_verdicts, 'verdict')}, "
        f"{counted(summary.pending_deliveries, 'delivery', 'deliveries')} ({summary.dead_deliveries} given up)"
    )
