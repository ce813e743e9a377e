"""How far a backtest has come: a bar on a terminal, nothing in a pipe; or lines for a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli.output import say_json
from pipeline.contracts.incident import IncidentChange
from pipeline.runtime.local.runtime import RunListener


class BacktestListener(RunListener, Protocol):
    """Of one recording after another."""

    def begin(self, name: str) -> None:
        """The next recording."""


class _Bar:
    """A `BacktestListener` that shows a bar."""

    def __init__(self, bars: Progress, title: str, num_takes: int) -> None:
        self._bars = bars
        self._title = title
        self._num_takes = num_takes
        self._num_begun = 0
        self._task = bars.add_task(title, total=None)

    def begin(self, name: str) -> None:
        """The next recording."""
        self._num_begun += 1
        words = f"{self._title} {self._num_begun}/{self._num_takes} {name}"
        self._bars.reset(self._task, description=words, total=None)

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:  # noqa: ARG002
        """Move the bar."""
        self._bars.update(self._task, completed=frames_read, total=expected_frames)

    def changed(self, change: IncidentChange) -> None:
        """Told at the end."""


@contextmanager
def shown_progress(console: Console, title: str, num_takes: int) -> Iterator[BacktestListener]:
    """Shown inside the block, and gone after it."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield _Bar(bars, title, num_takes)


class _Lines:
    """A `BacktestListener` that says how many recordings are done."""

    def __init__(self, num_takes: int) -> None:
        self._num_takes = num_takes
        self._num_begun = 0

    def begin(self, name: str) -> None:  # noqa: ARG002
        """Those before are done."""
        say_json({"done": self._num_begun, "of": self._num_takes})
        self._num_begun += 1

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Within a recording nothing is said."""

    def changed(self, change: IncidentChange) -> None:
        """Told at the end."""


@contextmanager
def told_progress(num_takes: int) -> Iterator[BacktestListener]:
    """A line of JSON before each recording, and one after the last."""
    lines = _Lines(num_takes)
    yield lines
    lines.begin("")
