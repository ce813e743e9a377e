"""Trying again: bounded by a number of attempts and by a deadline, with jitter.

A small loop of its own, since the waiting must go through a `Clock` and heed a server's `Retry-After`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from pipeline.clock import Clock
from pipeline.errors import Overloaded, TransientError
from pipeline.reasoning.breaker import CircuitOpen

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 8.0

T = TypeVar("T")


class RetryAfter(Overloaded):
    """The server has no room now and said for how long."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return str(self.args[0])


def retry(action: Callable[[], T], *, attempts: int, until: float, clock: Clock) -> T:
    """What `action` gives; its last `TransientError` or `Overloaded` once no try is left.

    No try starts at or after `until` (on the clock's monotonic scale), and no wait is begun that would end
    there: it would only delay the answer. An open circuit is not waited for.
    """
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except CircuitOpen:
            raise
        except (TransientError, Overloaded) as error:
            wait_seconds = _wait_seconds(attempt, error)
            if attempt == attempts or clock.monotonic() + wait_seconds >= until:
                raise
        clock.sleep(wait_seconds)
    raise ValueError(f"expected at least one attempt, got {attempts}")


def _wait_seconds(attempt: int, error: Exception) -> float:
    """Doubling, of which a random half, so that workers do not come back together."""
    longest = min(FIRST_WAIT_SECONDS * 2 ** (attempt - 1), MAX_WAIT_SECONDS)
    jittered: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return max(jittered, error.seconds) if isinstance(error, RetryAfter) else jittered
