"""`sightline watch`: one video or camera, a few words about what matters, no site file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.configuration import JsonOption, LogLevel, settings_for
from pipeline.cli.one_source import OneSource, models_given
from pipeline.cli.output import say_warning
from pipeline.cli.rule_words import FORMS
from pipeline.cli.shapes import LINE_FORMS, ZONE_FORMS, read_lines, read_zones
from pipeline.cli.times import read_duration

_EXAMPLES = "\n".join(f"  {form.example}" for form in FORMS)
EPILOG = f"\b\nWhat --rule takes (several may be given; none means motion):\n{_EXAMPLES}"


def watch(
    source: Annotated[str, typer.Argument(help="A file, rtsp://…, http://…, usb:0 or synthetic:yard.")],
    rule: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="What to tell of, in a few words; forms below.")
    ] = None,
    zone: Annotated[
        list[str] | None, typer.Option(metavar="NAME=POINTS", help=f"An area, 0..1 of the picture: {ZONE_FORMS}.")
    ] = None,
    line: Annotated[list[str] | None, typer.Option(metavar="NAME=POINTS", help=f"A line: {LINE_FORMS}.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="motion (default), builtin, onnx:PATH, or a detection model.")
    ] = None,
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
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep what was seen here; else it goes with the end.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe log shown.")] = "warning",
    as_json: JsonOption = False,
) -> None:
    """Watch one video or camera; no site file needed.

    \b
      sightline watch clip.mp4
      sightline watch clip.mp4 --zone door=0.1,0.2:0.4,0.9 --rule "anything enters door" --save report.html
      sightline watch clip.mp4 --detector onnx:yolox_nano.onnx --line kerb=0,0.8:1,0.8 \\
          --rule "person crosses kerb left to right" --rule "more than 3 people"
      sightline watch rtsp://10.0.0.7/stream --encoder google/siglip-base-patch16-224 \\
          --rule '"a person climbs the fence"'
    """
    from pipeline.cli.watching import WatchOptions, watch_source

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
