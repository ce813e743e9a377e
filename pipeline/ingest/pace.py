"""How fast recorded and rendered frames are handed out, and what time they are said to be from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.frame import Frame
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError

_NAP_SECONDS = 0.1
"""How soon a waiting source notices that it was closed."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The tempo of a file or a scene; live cameras have their own."""

    speed: float = 0.0
    """1 as if live, 4 four times as fast, 0 as fast as the reader reads."""
    loop: bool = False
    """Begin again at the end, for ever; time goes on."""
    start_at: datetime | None = None
    """`captured_at` of the first frame, aware; the clock's time at opening when not given."""

    def __post_init__(self) -> None:
        if self.speed < 0:
            raise ConfigError(f"expected a speed of 0 (as fast as possible) or more, got {self.speed:g}")
        if self.start_at is not None and self.start_at.tzinfo is None:
            raise ConfigError(f"expected a start time with a time zone, got {self.start_at.isoformat()}")


class Playback:
    """Turns pictures at seconds since the first into frames, each not before its turn."""

    def __init__(self, camera_id: str, pace: Pace, clock: Clock) -> None:
        self._camera_id = camera_id
        self._pace = pace
        self._clock = clock
        self._start_at = pace.start_at or clock.now()
        self._began_seconds: float | None = None
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def loops(self) -> bool:
        """Whether the end is followed by the beginning."""
        return self._pace.loop

    def frame(self, at_seconds: float, pts_seconds: float, pixels: Image) -> Frame | None:
        """Wait for the frame's turn and give it; None when closed meanwhile."""
        if self._began_seconds is None:
            self._began_seconds = self._clock.monotonic()
        if self._pace.speed:
            wait_until(self._clock, self._began_seconds + at_seconds / self._pace.speed, self._closed)
        if self._closed.is_set():
            return None
        captured_at = self._start_at + timedelta(seconds=at_seconds)
        frame = Frame(self._camera_id, self._sequence, captured_at, pts_seconds, pixels)
        self._sequence += 1
        return frame

    def close(self) -> None:
        """End any waiting."""
        self._closed.set()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()


def wait_until(clock: Clock, due_seconds: float, closed: threading.Event) -> None:
    """Sleep until the clock's monotonic `due_seconds`, or until `closed` is set."""
    while not closed.is_set() and (left := due_seconds - clock.monotonic()) > 0:
        clock.sleep(min(left, _NAP_SECONDS))
