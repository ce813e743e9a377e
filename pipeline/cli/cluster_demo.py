"""`sightline cluster demo`: the whole cluster on one machine, for a minute, with a webhook receiver of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer


def demo(
    source: Annotated[
        list[str] | None, typer.Option(help="A file of yours as one more camera; several may be given.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=20, max=3600, help="Length of the rendered scenes.")] = 60.0,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="Pace of the cameras: 1 as if live.")] = 1.0,
) -> None:
    """See a cluster at work on this machine, from cameras to a webhook.

    Broker, database and Ray are started, two rendered scenes are published as cameras, incidents are shown as a
    webhook gets them, and what was found is held against what the scenes have planted.

    \b
      sightline cluster demo
      sightline cluster demo --source gate.mp4 --source yard.mp4      … and what moves in files of yours
      KAFKA_BOOTSTRAP_SERVERS=broker:9092 sightline cluster demo      on a broker of yours, in topics of its own
    Everything listens on 127.0.0.1, keeps its data in a temporary folder and is gone at the end, Ctrl-C included.
    Exit status: 0 all that was planted was found and told, and nothing else was; 1 otherwise; 130 interrupted.
    """
    from pipeline.cli.cluster_demo_run import run_demo
    from pipeline.cli.cluster_demo_site import Plan

    with tempfile.TemporaryDirectory(prefix="sightline-cluster-demo-", ignore_cleanup_errors=True) as name:
        status = run_demo(Plan(Path(name), tuple(source or ()), seconds, speed))
    if status:
        raise typer.Exit(status)
