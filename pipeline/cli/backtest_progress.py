"""How far a backtest has come: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.contracts.incident import IncidentChange


class BacktestProgress:
    """A `RunListener` for one recording after another."""

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
def shown_progress(console: Console, title: str, num_takes: int) -> Iterator[BacktestProgress]:
    """Shown inside the block, and gone after it."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield BacktestProgress(bars, title, num_takes)
