"""How the commands speak: lines for people, JSON for scripts, messages on standard error.

Whatever a model, a camera or a file said is cleaned of control characters before it reaches a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange
from pipeline.telemetry import hide_credentials

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_UNBOUND_WIDTH = 250

STYLES = {
    "provisional": "yellow",
    "confirmed": "bold green",
    "rejected": "dim",
    "unverified": "cyan",
    "updated": "blue",
    "closed": "dim",
    "repeated": "blue",
    "acknowledged": "magenta",
    "reviewed": "magenta",
}


def out() -> Console:
    """Standard output, as it is now. Into a file or a pipe rows stay whole: there is no edge to wrap at."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _UNBOUND_WIDTH
    return Console(highlight=False, soft_wrap=True, emoji=False, markup=False, width=width)


def err() -> Console:
    """Standard error, as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)


def plain(text: str) -> str:
    """`text` without anything that could steer a terminal; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def say_error(message: str) -> None:
    """One message on standard error, without credentials."""
    err().print(Text("error: ", style="bold red") + Text(plain(hide_credentials(message)), style="not bold"))


def say_warning(message: str) -> None:
    """One message on standard error, without credentials."""
    err().print(Text("warning: ", style="bold yellow") + Text(plain(hide_credentials(message))))


def say_json(value: Mapping[str, Any] | list[Any]) -> None:
    """One line of JSON on standard output, written at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def local_time(moment: datetime, zone: tzinfo, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """`moment` on the wall clock of `zone`."""
    return moment.astimezone(zone).strftime(form)


def headline(incident: Incident) -> str:
    """What happened, in one line: the model's title, or the facts."""
    if incident.assessment and incident.assessment.report:
        return plain(incident.assessment.report.title).replace("\n", " ")
    facts = list(dict.fromkeys(fact.text for fact in incident.candidate.facts))
    return plain("; ".join(facts[:2]) or f"{incident.rule_id} was met").replace("\n", " ")


TellTime = Callable[[datetime], str]
"""How a moment is shown: on the site's clock, or as a place in a recording."""


def wall_clock(zone: tzinfo) -> TellTime:
    """Moments as date and time in `zone`."""
    return lambda moment: local_time(moment, zone)


def change_line(change: IncidentChange, tell_time: TellTime) -> Text:
    """One change for a terminal: time, what, rule, camera, headline, id."""
    incident = change.incident
    at = incident.opened_at if change.kind is not ChangeKind.CLOSED else (incident.closed_at or change.at)
    return Text.assemble(
        (tell_time(at), "bold"),
        "  ",
        (f"{change.kind.value:<12}", STYLES[change.kind.value]),
        f"  {incident.severity.value:<8}  {incident.camera_id}  {incident.rule_id}: {headline(incident)}",
        (f"  [{incident.id}]", "dim"),
    )


def change_json(change: IncidentChange) -> dict[str, Any]:
    """One change for a script."""
    return {"type": "change", "id": change.id, **change.model_dump(mode="json")}


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 incident`, `3 incidents`."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
