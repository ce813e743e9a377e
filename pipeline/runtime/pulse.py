"""How a host sees that a thread no longer turns, though it has work in hand."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.clock import Clock
from pipeline.errors import StageFailed


class Pulse:
    """Of one thread: beaten by it, read by any other."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._beat_at: float | None = None

    def beat(self) -> None:
        """There is work, and this thread is at it: also while it waits for somebody who is away."""
        self._beat_at = self._clock.monotonic()

    def rest(self) -> None:
        """There is nothing to do."""
        self._beat_at = None

    @property
    def silent_seconds(self) -> float:
        """How long it has not turned although it has work; 0 while it rests."""
        beat_at = self._beat_at
        return self._clock.monotonic() - beat_at if beat_at is not None else 0.0


def raise_stuck(pulses: Iterable[Pulse], limit_seconds: float) -> None:
    """`StageFailed` for the first thread that has been silent for longer: the process is to be restarted."""
    for pulse in pulses:
        silent_seconds = pulse.silent_seconds
        if silent_seconds > limit_seconds:
            raise StageFailed(
                f"the {pulse.name} thread has been at one thing for {silent_seconds:.0f} s "
                f"(more than {limit_seconds:g} s): restart it"
            )
