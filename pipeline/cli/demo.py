"""`sightline demo`: the whole path on a rendered scene, with a webhook receiver of its own; loopback only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.configuration import JsonOption, settings_for
from pipeline.cli.output import EXIT_INTERRUPTED


def demo(
    source: Annotated[str | None, typer.Option(help="A file or camera of yours instead of the scene.")] = None,
    seconds: Annotated[float, typer.Option(min=10, max=3600, help="Length of the rendered scene.")] = 120.0,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the data here instead of in a temporary folder.")
    ] = None,
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Without --source: the second part, or the first alone.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """See the whole path at work on a rendered scene.

    Rules, incidents as they come, signed webhooks, a report, and why there was no alert. Then the built-in models judge
    six kinds of event and what only looks like them.

    \b
      sightline demo
      sightline demo --source clip.mp4        what moves in a file of yours
      sightline demo --source usb:0           … or before a camera, until Ctrl-C
    Needs no account and no network, and for its first part no models; the webhook receiver listens on 127.0.0.1.
    """
    from pipeline.cli.demo_run import demo_scene, demo_source

    folder = data_dir or Path(tempfile.mkdtemp(prefix="sightline-demo-"))
    settings = settings_for(None, data_dir=folder, log_level="warning")
    if source is not None:
        status = demo_source(settings, source, as_json=as_json)
    else:
        status = demo_scene(settings, seconds, as_json=as_json)
    if source is None and models and status != EXIT_INTERRUPTED:
        from pipeline.cli.demo_verdicts_shown import demo_verdicts

        status = demo_verdicts(settings, as_json=as_json) or status
    if status:
        raise typer.Exit(status)
