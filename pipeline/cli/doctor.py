"""`sightline doctor`: would a run of this site file work here and now, and if not, what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteArgument, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, counted, out, plain, say_json
from pipeline.site import load_site
from pipeline.telemetry import hide_credentials

if TYPE_CHECKING:
    from pipeline.cli.examinations import Finding


def doctor(site_path: SiteArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Try cameras, models, channels, disk and clock.

    Everything a run needs is tried as a run would use it; no alert is sent.

    \b
      sightline doctor site.yaml
      sightline doctor site.yaml --json | jq '.findings[] | select(.is_ok | not)'
    Exit status 1 when something is wrong.
    """
    from pipeline.cli.examinations import examine

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
        out().print("all well" if not wrong else f"{counted(wrong, 'thing')} to mend")
    if wrong:
        raise typer.Exit(EXIT_FAILED)


def _print(finding: Finding) -> None:
    mark = Text("ok     ", "green") if finding.is_ok else Text("WRONG  ", "bold red")
    out().print(mark + Text(plain(hide_credentials(f"{finding.what}: {finding.found}"))))
    if finding.advice:
        out().print(Text(f"       {plain(finding.advice)}"))
