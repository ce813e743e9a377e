"""A circuit breaker: after some failures in a row a server is spared for a while, then probed by one call.

A slow server fails by its timeouts, a full one by its 429s: both count. Every change of state is logged, and kept for
whoever wants to see how it went.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

import structlog

from pipeline.clock import Clock
from pipeline.errors import Overloaded, TransientError

log = structlog.get_logger()

_MAX_CHANGES = 10_000
_LONGEST_BY_SERVER = 10
"""A server's `Retry-After` prolongs the pause up to so many times the set one: no typing error closes it for days."""

T = TypeVar("T")


class BreakerState(IntEnum):
    """As the metric `sightline_breaker_state` gives it."""

    CLOSED = 0
    """Calls pass."""
    HALF_OPEN = 1
    """One call is under way and decides."""
    OPEN = 2
    """Calls are refused, or the next one may probe."""


class CircuitOpen(Overloaded):
    """The call was not made: the server has just failed several times."""


class RetryAfter(Overloaded):
    """The server has no room now and said for how long."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return str(self.args[0])


class CircuitBreaker:
    """Closed (calls pass) → open (calls are refused) → half open (one call passes and decides). Thread-safe.

    Failures are `TransientError` and `Overloaded`; any other outcome shows that the server answers.
    """

    def __init__(self, open_after: int, open_for_seconds: float, clock: Clock) -> None:
        self._open_after = open_after
        self._open_for_seconds = open_for_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._state = BreakerState.CLOSED
        self._open_until = 0.0
        self._changes: deque[tuple[float, BreakerState]] = deque(maxlen=_MAX_CHANGES)

    @property
    def state(self) -> BreakerState:
        """Now."""
        return self._state

    @property
    def changes(self) -> list[tuple[float, BreakerState]]:
        """(seconds on the clock's monotonic scale, state from then on), oldest first; the last 10,000."""
        with self._lock:
            return list(self._changes)

    def call(self, action: Callable[[], T]) -> T:
        """What `action` gives or raises; `CircuitOpen` at once, without calling it, while open."""
        self._admit()
        try:
            result = action()
        except (TransientError, Overloaded) as error:
            self._failed(error)
            raise
        except Exception:
            self._succeeded()
            raise
        except BaseException:
            self._abandoned()
            raise
        self._succeeded()
        return result

    def _admit(self) -> None:
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return
            if self._state is BreakerState.HALF_OPEN or self._clock.monotonic() < self._open_until:
                raise CircuitOpen("model server unavailable (circuit open)")
            self._become(BreakerState.HALF_OPEN)

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < self._open_after:
                return
            asked_seconds = error.seconds if isinstance(error, RetryAfter) else 0.0
            longest = self._open_for_seconds * _LONGEST_BY_SERVER
            pause_seconds = min(max(self._open_for_seconds, asked_seconds), longest)
            self._open_until = self._clock.monotonic() + pause_seconds
            self._become(BreakerState.OPEN, error=str(error), spared_seconds=pause_seconds)

    def _succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._become(BreakerState.CLOSED)

    def _abandoned(self) -> None:
        """The caller was stopped: nothing was learnt of the server, and the next call may probe."""
        with self._lock:
            if self._state is BreakerState.HALF_OPEN:
                self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState, **why: object) -> None:
        if state is self._state:
            return
        self._state = state
        self._changes.append((self._clock.monotonic(), state))
        if state is BreakerState.OPEN:
            log.warning("model server fails: circuit open", **why)
        elif state is BreakerState.CLOSED:
            log.info("model server answers again: circuit closed")
