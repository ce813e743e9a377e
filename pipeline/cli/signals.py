"""SIGINT and SIGTERM ask for a graceful end, a second one ends the process at once; SIGHUP asks to read anew."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from pipeline.cli.output import EXIT_INTERRUPTED, err


@dataclass(slots=True)
class Interruption:
    """Which signal came, if one did."""

    number: int | None = None

    @property
    def exit_status(self) -> int:
        """130 for Ctrl-C; a SIGTERM that was obeyed is a clean end."""
        return EXIT_INTERRUPTED if self.number == signal.SIGINT else 0


@contextmanager
def stop_on_signals(stop: threading.Event, *, second_kills: bool = True) -> Iterator[Interruption]:
    """Set `stop` on the first signal and give the second its usual deadly meaning. Main thread only.

    Without `second_kills` the second changes nothing: for a program that must not leave others behind.
    """
    interruption = Interruption()
    watched = (signal.SIGINT, signal.SIGTERM)

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        interruption.number = number
        stop.set()
        for each in watched:
            signal.signal(each, signal.SIG_DFL if second_kills else signal.SIG_IGN)
        err().print("stopping: finishing what was accepted" + " (once more to stop at once)" * second_kills)

    before = {each: signal.signal(each, ask_to_stop) for each in watched}
    try:
        yield interruption
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def call_on_hangup(read_anew: Callable[[], None]) -> Iterator[None]:
    """Call `read_anew` on SIGHUP, which would end the process otherwise. Main thread only."""
    before = signal.signal(signal.SIGHUP, lambda *_: read_anew())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
