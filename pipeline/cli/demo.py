"""`sightline demo`: the whole path on a rendered scene, with a webhook receiver of its own; loopback only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.configuration import settings_for


def demo(
    source: Annotated[str | None, typer.Option(help="A file or camera of yours instead of the scene.")] = None,
    seconds: Annotated[float, typer.Option(min=10, max=3600, help="Length of the rendered scene.")] = 120.0,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the data here instead of in a temporary folder.")
    ] = None,
) -> None:
    """See the whole path at work on a rendered scene.

    Rules, incidents as they come, signed webhooks, a report, and why there was no alert.

    \b
      sightline demo
      sightline demo --source clip.mp4        what moves in a file of yours
      sightline demo --source usb:0           … or before a camera, until Ctrl-C
    Needs no models, no account and no network; the webhook receiver listens on 127.0.0.1.
    """
    from pipeline.cli.demo_run import demo_scene, demo_source

    folder = data_dir or Path(tempfile.mkdtemp(prefix="sightline-demo-"))
    settings = settings_for(None, data_dir=folder, log_level="warning")
    status = demo_scene(settings, seconds) if source is None else demo_source(settings, source)
    if status:
        raise typer.Exit(status)
