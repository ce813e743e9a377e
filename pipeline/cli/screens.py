"""What a run looks like from outside: a live table on a terminal, lines in a pipe, JSON for a script.

Each screen is a `RunListener`, called from the run's worker threads, and a context manager around the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.cli.output import STYLES, change_json, change_line, err, headline, local_time, out, say_json
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange

_ROWS = 12


class Screen(Protocol):
    """A listener that is shown while a run lasts and remembers the incidents it saw."""

    incidents: dict[str, Incident]
    """By id, each as it was after its last change, in the order they opened."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """See `RunListener`."""
        ...

    def changed(self, change: IncidentChange) -> None:
        """See `RunListener`."""
        ...


def choose_screen(zone: tzinfo, *, as_json: bool, quiet: bool, live: bool) -> Screen:
    """JSON lines, nothing, a live table (`live`, on a terminal only), or lines of text."""
    if as_json:
        return LineScreen(lambda change: say_json(change_json(change)))
    if quiet:
        return LineScreen(lambda _change: None)
    if live and err().is_terminal:
        return LiveScreen(zone)
    return LineScreen(lambda change: _say_line(change, zone))


def _say_line(change: IncidentChange, zone: tzinfo) -> None:
    """Steps of a life; not each key frame and clip that came to it."""
    if change.kind is not ChangeKind.UPDATED:
        out().print(change_line(change, zone))


class LineScreen:
    """Hands each change to `say`; shows no progress."""

    def __init__(self, say: Callable[[IncidentChange], None]) -> None:
        self.incidents: dict[str, Incident] = {}
        self._say = say
        self._lock = threading.Lock()
        self._is_heard = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Not shown."""

    def changed(self, change: IncidentChange) -> None:
        """Say it; a reader that has gone (`| head`) must not end the run."""
        with self._lock:
            self.incidents[change.incident.id] = change.incident
            if self._is_heard:
                try:
                    self._say(change)
                except BrokenPipeError:
                    self._is_heard = False


class LiveScreen:
    """A table of the last incidents over a bar of frames read, redrawn in place on standard error."""

    def __init__(self, zone: tzinfo) -> None:
        self.incidents: dict[str, Incident] = {}
        self._zone = zone
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, Any] = {}
        self._live = Live(console=err(), get_renderable=self._picture, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Move the camera's bar."""
        with self._lock:
            if camera_id not in self._tasks:
                self._tasks[camera_id] = self._progress.add_task(camera_id, total=expected_frames)
            self._progress.update(self._tasks[camera_id], completed=frames_read, total=expected_frames)

    def changed(self, change: IncidentChange) -> None:
        """Put it into the table."""
        with self._lock:
            self.incidents[change.incident.id] = change.incident

    def _picture(self) -> Group:
        with self._lock:
            shown = list(self.incidents.values())[-_ROWS:]
        return Group(incident_table(shown, self._zone), self._progress)


def incident_table(incidents: list[Incident], zone: tzinfo) -> Table:
    """Incidents for a person, one a row."""
    table = Table("time", "status", "severity", "camera", "rule", "what", "id", box=None, pad_edge=False, expand=False)
    for incident in incidents:
        status = incident.status.value
        closed = " closed" if incident.closed_at else ""
        table.add_row(
            local_time(incident.opened_at, zone),
            Text(status, style=STYLES[status]) + Text(closed, style=STYLES[ChangeKind.CLOSED.value]),
            incident.severity.value,
            incident.camera_id,
            incident.rule_id,
            Text(headline(incident)),
            incident.id,
        )
    return table
