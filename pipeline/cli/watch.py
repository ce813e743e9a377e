"""`sightline watch`: one video or camera, a few words about what matters, no site file."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.app import build_local
from pipeline.cli.configuration import DataDirOption, JsonOption, LogLevel, settings_for, start_logging
from pipeline.cli.one_source import OneSource, build_site, models_given
from pipeline.cli.output import EXIT_FAILED, EXIT_USAGE, count, out, say_json, say_warning
from pipeline.cli.report import clock
from pipeline.cli.report_file import check_writable, save_report
from pipeline.cli.rule_words import FORMS
from pipeline.cli.run import run_until_stopped
from pipeline.cli.screens import Screen, choose_screen
from pipeline.cli.shapes import LINE_FORMS, ZONE_FORMS, read_lines, read_zones
from pipeline.cli.times import read_duration
from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.ingest.pace import Pace
from pipeline.ingest.source import open_source
from pipeline.runtime.local import RunSummary
from pipeline.settings import Settings
from pipeline.telemetry import hide_credentials

_WHOLE = 0.98
"""Containers' frame counts are estimates; fewer than this share of them means a file that is cut short."""
_EXAMPLES = "\n".join(f"  {form.example}" for form in FORMS)
EPILOG = f"\b\nWhat --rule takes (several may be given; none means motion):\n{_EXAMPLES}"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch, apart from what to watch for."""

    speed: float
    save: Path | None
    as_json: bool


def watch(
    source: Annotated[str, typer.Argument(help="A file, rtsp://…, http://…, usb:0 or synthetic:yard.")],
    rule: Annotated[list[str] | None, typer.Option(help="What to tell of, in a few words; forms below.")] = None,
    zone: Annotated[list[str] | None, typer.Option(help=f"An area, points 0..1: {ZONE_FORMS}.")] = None,
    line: Annotated[list[str] | None, typer.Option(help=f"A line: {LINE_FORMS}.")] = None,
    detector: Annotated[str | None, typer.Option(help="motion (default), onnx:PATH, or a detection model.")] = None,
    encoder: Annotated[str | None, typer.Option(help="A CLIP or SigLIP model, for rules in quotes.")] = None,
    vlm: Annotated[str | None, typer.Option(help="openai:URL#model or a model's name; judges incidents.")] = None,
    speed: Annotated[float, typer.Option(min=0, help="Files: 1 as if live, 0 as fast as possible.")] = 0.0,
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=60, help="Frames a second looked at while something moves; usually 5.")
    ] = None,
    cooldown: Annotated[
        str | None, typer.Option(help="No second alert of a rule so soon; 60s for cameras, 0s for files.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Send every incident there.")] = None,
    secret: Annotated[
        str | None, typer.Option(envvar="SIGHTLINE_WEBHOOK_SECRET", help="Signs what the webhook gets.")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="REPORT.HTML", help="Write a report that stands alone.")] = None,
    data_dir: DataDirOption = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe log shown.")] = "warning",
    as_json: JsonOption = False,
) -> None:
    """Watch one video or camera and say what happens in it; no site file needed.

    \b
      sightline watch clip.mp4
      sightline watch clip.mp4 --zone door=0.1,0.2:0.4,0.9 --rule "anything enters door" --save report.html
      sightline watch clip.mp4 --detector onnx:yolox_nano.onnx --line kerb=0,0.8:1,0.8 \\
          --rule "person crosses kerb left to right" --rule "more than 3 people"
      sightline watch rtsp://10.0.0.7/stream --encoder google/siglip-base-patch16-224 \\
          --rule '"a person climbs the fence"'
    """
    given = OneSource(
        source=source,
        rules=tuple(rule or ()),
        zones=read_zones(zone or []),
        lines=read_lines(line or []),
        models=models_given(detector, encoder, vlm),
        active_fps=fps,
        cooldown_seconds=read_duration(cooldown) if cooldown is not None else None,
        webhook=webhook,
        secret=secret,
    )
    folder = data_dir or Path(tempfile.mkdtemp(prefix="sightline-watch-"))
    owes = False
    try:
        settings = settings_for(None, data_dir=folder, log_level=log_level)
        summary, status = watch_source(given, settings, WatchOptions(speed, save, as_json))
        owes = bool(summary.pending_deliveries or summary.dead_deliveries)
    finally:
        if data_dir is None and not owes:
            shutil.rmtree(folder, ignore_errors=True)
    if owes:
        say_warning(f"not everything could be sent; it is kept: watch again with --data-dir {folder} to go on")
    if status:
        raise typer.Exit(status)


def watch_source(given: OneSource, settings: Settings, options: WatchOptions) -> tuple[RunSummary, int]:
    """Run on the one source to its end, tell, write the report; what was done and the exit status."""
    site = build_site(given)
    if options.save is not None:
        check_writable(options.save)
    expected_frames = _try_recording(site.cameras[0], settings) if given.is_recording else None
    started_at = datetime.now(UTC)
    pace = Pace(speed=options.speed, start_at=started_at if given.is_recording else None)
    with choose_screen(site.site.zone_info, as_json=options.as_json, quiet=False, live=True) as screen:
        start_logging(settings, site)
        with build_local(site, settings, pace=pace, listener=screen) as runtime:
            summary, interrupted = run_until_stopped(runtime)
    if options.save is not None:
        warnings = _warnings(summary, expected_frames, was_interrupted=bool(interrupted))
        save_report(options.save, site, settings, started_at, summary, list(screen.incidents), warnings)
    _tell(summary, screen, options)
    return summary, interrupted or _status(summary)


def _try_recording(camera: Camera, settings: Settings) -> int | None:
    """Open and close it, so that a bad file is refused before anything else; how many frames it promises."""
    source = open_source(camera, settings.ingest, SystemClock())
    source.close()
    return source.expected_frames


def _warnings(summary: RunSummary, expected_frames: int | None, *, was_interrupted: bool) -> list[str]:
    """What a reader of the report must know about the source."""
    warnings = [hide_credentials(failure) for failure in summary.failures]
    if was_interrupted:
        warnings.append("The run was stopped by hand before the source ended.")
    elif expected_frames and summary.frames_read < _WHOLE * expected_frames:
        warnings.append(
            f"The file is cut short or damaged: {summary.frames_read} of {expected_frames} frames could be read."
        )
    return warnings


def _status(summary: RunSummary) -> int:
    """2 when nothing could be read; 1 when something failed on the way or was not delivered."""
    if summary.failures and not summary.frames_read:
        return EXIT_USAGE
    return EXIT_FAILED if summary.dead_deliveries else 0


def _tell(summary: RunSummary, screen: Screen, options: WatchOptions) -> None:
    """The closing lines."""
    if options.as_json:
        say_json({"type": "summary", **asdict(summary)})
        return
    for failure in summary.failures:
        say_warning(failure)
    statuses = [incident.status.value for incident in screen.incidents.values()]
    kinds = ", ".join(f"{statuses.count(name)} {name}" for name in dict.fromkeys(statuses))
    factor = summary.media_seconds / summary.elapsed_seconds if summary.elapsed_seconds else 0.0
    out().print(
        f"{count(len(statuses), 'incident')}{f' ({kinds})' if kinds else ''} "
        f"in {clock(summary.media_seconds)} of video: "
        f"{summary.frames_read} frames read, {summary.frames_sampled} looked at, "
        f"in {summary.elapsed_seconds:.1f} s ({factor:.1f} times real time)"
    )
    if options.save is not None:
        out().print(f"report: {options.save}")
