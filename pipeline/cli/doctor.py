"""`sightline doctor`: would a run of this site file work here and now, and if not, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

import typer
from rich.text import Text

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteArgument, settings_for, start_logging
from pipeline.cli.examinations import (
    Finding,
    examine_camera,
    examine_channel,
    examine_clock,
    examine_detector,
    examine_disk,
    examine_encoder,
    examine_storage,
    examine_vlm,
)
from pipeline.cli.output import EXIT_FAILED, count, out, plain, say_json
from pipeline.settings import Settings
from pipeline.site import Site, load_site
from pipeline.telemetry import hide_credentials

_AT_ONCE = 8
"""Cameras and channels looked at side by side: most of it is waiting."""


def doctor(site_path: SiteArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Try everything a run needs: cameras, models, channels, disk, database, clock. Sends no alert.

    \b
      sightline doctor site.yaml
      sightline doctor site.yaml --json | jq '.findings[] | select(.is_ok | not)'
    Exit status 1 when something is wrong.
    """
    site = load_site(site_path)
    settings = settings_for(site, data_dir=data_dir, log_level="error")
    start_logging(settings, site)
    findings = []
    for finding in examine(site, settings):
        findings.append(finding)
        if not as_json:
            _print(finding)
    wrong = sum(not finding.is_ok for finding in findings)
    if as_json:
        say_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        out().print("all well" if not wrong else f"{count(wrong, 'thing')} to mend")
    if wrong:
        raise typer.Exit(EXIT_FAILED)


def examine(site: Site, settings: Settings) -> Iterator[Finding]:
    """Every finding, the quick ones first."""
    yield examine_disk(settings)
    yield from examine_storage(settings)
    yield examine_clock(site)
    waiting: list[Callable[[], Finding]] = [partial(examine_camera, c, settings.ingest) for c in site.cameras]
    waiting += [partial(examine_channel, channel) for channel in site.channels.values()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda look: look(), waiting)
    yield examine_detector(site.models, settings.perception)
    yield examine_encoder(site.models, settings.perception)
    yield examine_vlm(site.models, settings.reasoning)


def _print(finding: Finding) -> None:
    mark = Text("ok     ", "green") if finding.is_ok else Text("WRONG  ", "bold red")
    out().print(mark + Text(plain(hide_credentials(f"{finding.what}: {finding.found}"))))
    if finding.advice:
        out().print(Text(f"       {plain(finding.advice)}"))
