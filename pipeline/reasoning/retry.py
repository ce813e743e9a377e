"""Trying again: bounded by a number of attempts and by a deadline, with jitter.

A small loop of its own, since the waiting must go through a `Clock` and heed a server's `Retry-After`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from pipeline.clock import Clock
from pipeline.errors import Overloaded, TransientError
from pipeline.reasoning.breaker import CircuitOpen, RetryAfter

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 8.0
MIN_REQUEST_SECONDS = 0.05
"""A request that is begun at all gets so long."""
ASKING_SHARE = 0.9
"""Of a verdict's deadline; the rest is for keeping and telling what came, so that it is not late by that."""

T = TypeVar("T")

_seconds_left: ContextVar[Callable[[], float] | None] = ContextVar("seconds_left", default=None)


def request_seconds(timeout_seconds: float) -> float:
    """How long the request that begins now may take: its timeout, or what is left until the caller's deadline."""
    left = _seconds_left.get()
    return timeout_seconds if left is None else min(timeout_seconds, max(left(), MIN_REQUEST_SECONDS))


def retry(action: Callable[[], T], *, attempts: int, until: float, clock: Clock) -> T:
    """What `action` gives; its last `TransientError` or `Overloaded` once no try is left.

    No try starts at or after `until` (on the clock's monotonic scale), and no wait is begun that would end
    there: it would only delay the answer. An open circuit is not waited for. Within `action`, `request_seconds`
    knows what is left.
    """
    for attempt in range(1, attempts + 1):
        try:
            with _due(until, clock):
                return action()
        except CircuitOpen:
            raise
        except (TransientError, Overloaded) as error:
            wait_seconds = _wait_seconds(attempt, error)
            if attempt == attempts or clock.monotonic() + wait_seconds >= until:
                raise
        clock.sleep(wait_seconds)
    raise ValueError(f"expected at least one attempt, got {attempts}")


@contextmanager
def _due(until: float, clock: Clock) -> Iterator[None]:
    token = _seconds_left.set(lambda: until - clock.monotonic())
    try:
        yield
    finally:
        _seconds_left.reset(token)


def _wait_seconds(attempt: int, error: Exception) -> float:
    """Doubling, of which a random half, so that workers do not come back together."""
    longest = min(FIRST_WAIT_SECONDS * 2 ** (attempt - 1), MAX_WAIT_SECONDS)
    jittered: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return max(jittered, error.seconds) if isinstance(error, RetryAfter) else jittered
