"""Again and again until it works: for what must not be lost and needs somebody who may be away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import Overloaded, TransientError
from pipeline.runtime.pulse import Pulse
from pipeline.telemetry import FaultLog

Result = TypeVar("Result")
_FROM_SECONDS = 0.1
_TO_SECONDS = 5.0


class Stopping(Exception):  # noqa: N818 - no fault: what was tried is left to whoever comes next
    """Told to stop while it did not work yet."""


def until_it_works(
    attempt: Callable[[], Result], stop: threading.Event, pulse: Pulse, fault: FaultLog, **context: object
) -> Result:
    """The first result of `attempt` that is not a `TransientError` or `Overloaded`; `Stopping` when told to stop.

    The pulse goes on meanwhile: that somebody else is away is no reason to restart this process.
    """
    wait_seconds = _FROM_SECONDS
    while True:
        pulse.beat()
        try:
            result = attempt()
        except (TransientError, Overloaded) as error:
            fault.failed(error, **context)
        else:
            fault.worked()
            return result
        if stop.wait(wait_seconds):
            raise Stopping
        wait_seconds = min(wait_seconds * 2, _TO_SECONDS)


def now_and_then(look: Callable[[], object], every_seconds: float, stop: threading.Event, fault: FaultLog) -> None:
    """Call `look` at that pace until told to stop; what cannot be looked up now is left to the next time."""
    while not stop.wait(every_seconds):
        try:
            look()
            fault.worked()
        except TransientError as error:
            fault.failed(error)
