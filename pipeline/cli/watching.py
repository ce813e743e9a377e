"""A run over one source: what `sightline watch` and `sightline demo --source` do once they know what is wanted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.app.local import build_local
from pipeline.cli.configuration import start_logging
from pipeline.cli.one_source import OneSource, build_site
from pipeline.cli.output import EXIT_FAILED, EXIT_USAGE, counted, out, say_json, wall_clock
from pipeline.cli.report import clock, place_in
from pipeline.cli.report_file import check_writable, save_report
from pipeline.cli.run import run_until_stopped
from pipeline.cli.screens import SeenIncidents, choose_screen
from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.ingest.pace import Pace
from pipeline.ingest.source import is_live, open_source
from pipeline.runtime.local.runtime import RunSummary
from pipeline.settings import Settings
from pipeline.telemetry import hide_credentials

_WHOLE = 0.98
"""Containers' frame counts are estimates; fewer than this share of them means a file that is cut short."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch, apart from what to watch for."""

    speed: float
    save: Path | None
    as_json: bool


def watch_source(given: OneSource, settings: Settings, options: WatchOptions) -> tuple[RunSummary, int]:
    """Run on the one source to its end, tell, write the report; what was done and the exit status."""
    site = build_site(given)
    if options.save is not None:
        check_writable(options.save)
    expected_frames = try_recording(site.cameras[0], settings)
    started_at = datetime.now(UTC)
    pace = Pace(speed=options.speed, start_at=started_at if given.is_recording else None)
    tell_time = place_in(started_at) if given.is_recording else wall_clock(site.site.zone_info)
    with choose_screen(tell_time, as_json=options.as_json, quiet=False, live=True) as screen:
        start_logging(settings, site)
        seen = SeenIncidents(screen)
        with build_local(site, settings, pace=pace, listener=seen) as runtime:
            summary, interrupted = run_until_stopped(runtime)
    if options.save is not None:
        warnings = _warnings(summary, expected_frames, was_interrupted=bool(interrupted))
        save_report(options.save, site, settings, started_at, summary, list(seen.statuses), warnings)
    _tell(summary, seen, options)
    return summary, interrupted or _status(summary)


def try_recording(camera: Camera, settings: Settings) -> int | None:
    """Open and close it, so that a bad file is refused before anything else; how many frames it promises.

    A live camera is left alone: the run keeps trying until it answers.
    """
    if is_live(camera):
        return None
    source = open_source(camera, settings.ingest, SystemClock())
    source.close()
    return source.expected_frames


def _warnings(summary: RunSummary, expected_frames: int | None, *, was_interrupted: bool) -> list[str]:
    """What a reader of the report must know about the source."""
    warnings = [hide_credentials(failure) for failure in summary.failures]
    if was_interrupted:
        warnings.append("The run was stopped by hand before the source ended.")
    elif cut := cut_short(summary.frames_read, expected_frames):
        warnings.append(cut)
    return warnings


def cut_short(frames_read: int, expected_frames: int | None) -> str:
    """That a file gave fewer frames than it promised; empty when it did not."""
    if not expected_frames or frames_read >= _WHOLE * expected_frames:
        return ""
    return f"The file is cut short or damaged: {frames_read} of {expected_frames} frames could be read."


def _status(summary: RunSummary) -> int:
    """2 when nothing could be read; 1 when something failed on the way or was not delivered."""
    if summary.failures and not summary.frames_read:
        return EXIT_USAGE
    return EXIT_FAILED if summary.dead_deliveries else 0


def _tell(summary: RunSummary, seen: SeenIncidents, options: WatchOptions) -> None:
    """The closing lines."""
    if options.as_json:
        say_json({"type": "summary", **asdict(summary)})
        return
    if summary.failures and not summary.frames_read:
        return
    statuses = [status.value for status in seen.statuses.values()]
    kinds = ", ".join(f"{statuses.count(name)} {name}" for name in dict.fromkeys(statuses))
    factor = summary.media_seconds / summary.elapsed_seconds if summary.elapsed_seconds else 0.0
    out().print(
        f"{counted(len(statuses), 'incident')}{f' ({kinds})' if kinds else ''} "
        f"in {clock(summary.media_seconds)} of video: "
        f"{summary.frames_read} frames read, {summary.frames_sampled} looked at, "
        f"in {summary.elapsed_seconds:.1f} s ({factor:.1f} times real time)"
    )
    if options.save is not None:
        out().print(f"report: {options.save}")
