"""What `doctor` and `cluster preflight` look at, told one by one as it is found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import typer
from rich.text import Text

from pipeline.cli.output import EXIT_FAILED, counted, out, plain, say_json
from pipeline.telemetry import hide_credentials


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_ok: bool
    found: str
    advice: str = ""
    """What to do; empty when all is well."""


def tell_findings(findings: Iterable[Finding], *, as_json: bool, bad: str, well: str) -> None:
    """Tell each, then how many are bad; exit status 1 when one is. `bad` marks such a finding, `well` says none was."""
    told = []
    for finding in findings:
        told.append(finding)
        if not as_json:
            _print(finding, bad)
    num_bad = sum(not finding.is_ok for finding in told)
    if as_json:
        say_json({"ok": not num_bad, "findings": [asdict(finding) for finding in told]})
    else:
        out().print(f"{counted(num_bad, 'thing')} to mend" if num_bad else well)
    if num_bad:
        raise typer.Exit(EXIT_FAILED)


def _print(finding: Finding, bad: str) -> None:
    width = len(bad) + 2
    mark = Text(f"{'ok':<{width}}", "green") if finding.is_ok else Text(f"{bad:<{width}}", "bold red")
    out().print(mark + Text(plain(hide_credentials(f"{finding.what}: {finding.found}"))))
    if finding.advice:
        out().print(Text(" " * width + plain(finding.advice)))
