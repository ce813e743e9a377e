"""What a run looks like from outside: a live table on a terminal, lines in a pipe, JSON for a script.

Each screen is a `RunListener`, called from the run's worker threads, and a context manager around the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.cli.output import STYLES, TellTime, change_json, change_line, err, headline, out, say_json
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus

_ROWS = 12
_ID_CHARACTERS = 10
"""Enough to tell incidents apart; the commands take the beginning of an id."""


class Screen(Protocol):
    """A listener that is shown while a run lasts. It may last for months: keeps a bounded number of incidents."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """See `RunListener`."""
        ...

    def changed(self, change: IncidentChange) -> None:
        """See `RunListener`."""
        ...


class SeenIncidents:
    """A listener that notes how each incident of a run stands, for the words at its end, before a screen shows it."""

    def __init__(self, screen: Screen) -> None:
        self.statuses: dict[str, IncidentStatus] = {}
        """By id, after the last change, in the order they opened. An incident itself takes some 60 KiB."""
        self._screen = screen
        self._lock = threading.Lock()

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Hand on."""
        self._screen.progress(camera_id, frames_read, expected_frames)

    def changed(self, change: IncidentChange) -> None:
        """Note and hand on."""
        with self._lock:
            self.statuses[change.incident.id] = change.incident.status
        self._screen.changed(change)


def choose_screen(tell_time: TellTime, *, as_json: bool, quiet: bool, live: bool) -> Screen:
    """JSON lines, nothing, a live table (`live`, on a terminal only), or lines of text."""
    if as_json:
        return LineScreen(lambda change: say_json(change_json(change)))
    if quiet:
        return LineScreen(lambda _change: None)
    if live and err().is_terminal:
        return LiveScreen(tell_time)
    return LineScreen(lambda change: _say_line(change, tell_time))


def _say_line(change: IncidentChange, tell_time: TellTime) -> None:
    """Steps of a life; not each key frame and clip that came to it."""
    if change.kind is not ChangeKind.UPDATED:
        out().print(change_line(change, tell_time))


class LineScreen:
    """Hands each change to `say`; shows no progress."""

    def __init__(self, say: Callable[[IncidentChange], None]) -> None:
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
            if self._is_heard:
                try:
                    self._say(change)
                except BrokenPipeError:
                    self._is_heard = False


class LiveScreen:
    """A table of the last incidents over a bar of frames read, redrawn in place on standard error."""

    def __init__(self, tell_time: TellTime) -> None:
        self._rows: dict[str, Incident] = {}
        self._tell_time = tell_time
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
        """Put it into the table; the incident that opened first makes room."""
        with self._lock:
            self._rows[change.incident.id] = change.incident
            if len(self._rows) > _ROWS:
                del self._rows[min(self._rows, key=lambda row: self._rows[row].opened_at)]

    def _picture(self) -> Group:
        with self._lock:
            shown = list(self._rows.values())
        return Group(incident_table(shown, self._tell_time), self._progress)


def incident_table(incidents: list[Incident], tell_time: TellTime) -> Table:
    """Incidents for a person, one a row; with their cameras when there are several."""
    has_cameras = len({incident.camera_id for incident in incidents}) > 1
    table = Table(box=None, pad_edge=False)
    for name in ("time", "status", "severity", "id", *(("camera",) if has_cameras else ())):
        table.add_column(name, no_wrap=True)
    table.add_column("rule", overflow="fold", max_width=30)
    table.add_column("what", overflow="fold", min_width=24)
    for incident in incidents:
        camera = (incident.camera_id,) if has_cameras else ()
        table.add_row(
            tell_time(incident.opened_at),
            _status(incident),
            incident.severity.value,
            incident.id[:_ID_CHARACTERS],
            *camera,
            incident.rule_id,
            Text(headline(incident)),
        )
    return table


def _status(incident: Incident) -> Text:
    status = Text(incident.status.value, style=STYLES[incident.status.value])
    return status if incident.closed_at else status + Text(", open", style="bold")
