"""How many verifications at the same time: as many as the rate of what survives needs, never more than pay.

The need is the published rule, survivors a second × p95 seconds × 1.4. The ceiling is measured by hill climbing, after
Netflix's concurrency-limits (additive increase, ×0.9 on failures), but on throughput instead of latency: a server that
batches answers each request later while it still answers more of them.
"""

from __future__ import annotations

import math
from collections import deque

from pipeline.clock import Clock

SAFETY = 1.4
RATE_WINDOW_SECONDS = 60.0
BURST_SECONDS = 5.0
"""Within so long what waits is to be worked off."""
BACKOFF = 0.9
MIN_GAIN = 0.25
"""Of a proportional one: ten per cent more requests must bring 2.5 per cent more work."""
MIN_SAMPLES = 10
HOLD_ROUNDS = 20
"""At a ceiling, before the next place is tried again."""


class Ceiling:
    """The concurrency at which throughput stopped rising. Not thread-safe."""

    def __init__(self, start: int, bound: int) -> None:
        """It begins at `start` and never goes above `bound`."""
        self.limit = min(start, bound)
        self._bound = bound
        self._before: tuple[int, float] | None = None
        self._hold = 0
        self._work, self._seconds, self._num, self._num_failed = 0.0, 0.0, 0, 0

    def finished(self, work: float, seconds: float, in_flight: int, *, has_failed: bool) -> None:
        """One ended that had so many beside it, itself included; `work` is comparable between requests."""
        if has_failed:
            self._num_failed += 1
        if in_flight < self.limit:
            return  # Fewer than allowed: it says nothing of what more would bring.
        self._work, self._seconds, self._num = self._work + work, self._seconds + seconds, self._num + 1
        if self._num >= max(MIN_SAMPLES, 2 * self.limit):
            self._judge()

    def _judge(self) -> None:
        throughput = self.limit * self._work / max(self._seconds, 1e-9)
        has_failed = self._num_failed > self._num / 2
        self._work, self._seconds, self._num, self._num_failed = 0.0, 0.0, 0, 0
        if has_failed:
            self.limit, self._before = max(int(self.limit * BACKOFF), 1), None
        elif self._hold > 0:
            self._hold -= 1
        elif self._before is not None and throughput < self._enough(*self._before):
            self.limit, self._before, self._hold = self._before[0], None, HOLD_ROUNDS
        elif self.limit < self._bound:
            self._before = self.limit, throughput
            self.limit = min(self.limit + max(self.limit // 4, 1), self._bound)

    def _enough(self, limit: int, throughput: float) -> float:
        return throughput * (1 + MIN_GAIN * (self.limit / limit - 1))


class Rate:
    """Events a second over the last minute. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._at: deque[float] = deque()

    def add(self) -> None:
        """One happened."""
        self._at.append(self._clock.monotonic())

    def per_second(self) -> float:
        """Now; over what there has been when that is less than the window."""
        now = self._clock.monotonic()
        while self._at and self._at[0] < now - RATE_WINDOW_SECONDS:
            self._at.popleft()
        return len(self._at) / min(max(now - self._began, 1.0), RATE_WINDOW_SECONDS)


def needed(per_second: float, waiting: int, p95_seconds: float) -> int:
    """Verifications at the same time that keep up with the rate and with what waits; at least one."""
    return max(math.ceil((per_second + waiting / BURST_SECONDS) * p95_seconds * SAFETY), 1)
