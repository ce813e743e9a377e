"""Time as something handed in, so that logic can be tested without waiting.

Durations come from `monotonic()`; what is stored comes from `now()`, which is UTC and aware.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time. Thread-safe; called on hot paths, so never blocks except in `sleep`."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for `seconds`."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for `seconds`."""
        time.sleep(max(seconds, 0.0))


class ManualClock:
    """A clock that only moves when told; `sleep` moves it. For tests and for replaying recordings."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._elapsed_seconds = 0.0

    def now(self) -> datetime:
        """Start plus all that was advanced."""
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        """All that was advanced, in seconds."""
        with self._lock:
            return self._elapsed_seconds

    def sleep(self, seconds: float) -> None:
        """Advance instead of waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move time on by `seconds` (never back)."""
        with self._lock:
            self._elapsed_seconds += max(seconds, 0.0)
