"""A circuit breaker: after some failures in a row a server is spared for a while, then probed by one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline.clock import Clock
from pipeline.errors import Overloaded, TransientError

T = TypeVar("T")


class CircuitOpen(Overloaded):
    """The call was not made: the server has just failed several times."""


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
        self._opened_at: float | None = None
        self._is_probing = False

    def call(self, action: Callable[[], T]) -> T:
        """What `action` gives or raises; `CircuitOpen` at once, without calling it, while open."""
        self._admit()
        try:
            result = action()
        except (TransientError, Overloaded):
            self._failed()
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
            if self._opened_at is None:
                return
            if self._is_probing or self._clock.monotonic() - self._opened_at < self._open_for_seconds:
                raise CircuitOpen("model server unavailable (circuit open)")
            self._is_probing = True

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._is_probing = False
            if self._failures >= self._open_after:
                self._opened_at = self._clock.monotonic()

    def _succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._is_probing = False
            self._opened_at = None

    def _abandoned(self) -> None:
        """The caller was stopped: nothing was learnt of the server, and the next call may probe."""
        with self._lock:
            self._is_probing = False
