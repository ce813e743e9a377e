"""How long verdicts and reports take, by the number of pictures, from what they took lately."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.clock import Clock

WINDOW = 64
MAX_AGE_SECONDS = 60.0
"""What is older says nothing of a server under today's load; unknown is then tried anew."""
WORDS_IN_PICTURES = 2
"""The instructions of a prompt take about as long to read as two pictures: 800 tokens."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Seconds; 0 while nothing is known."""

    median: float
    p95: float


class ServiceTimes:
    """Running quantiles. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._verdicts: dict[int, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._reports: dict[int, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._has_report: deque[bool] = deque(maxlen=WINDOW)

    def add(self, pictures: int, verdict_seconds: float, report_seconds: float | None, *, wanted_report: bool) -> None:
        """One was judged; `report_seconds` None when it came to no report."""
        now = self._clock.monotonic()
        self._verdicts[pictures].append((now, verdict_seconds))
        if report_seconds is not None:
            self._reports[pictures].append((now, report_seconds))
        if wanted_report:
            self._has_report.append(report_seconds is not None)

    def expected(self, pictures: int, *, with_report: bool) -> Expected:
        """Of one more; the p95 is that of one which is reported."""
        verdict = self._quantiles(self._verdicts, pictures)
        if not with_report or not any(self._has_report):
            return verdict
        report = self._quantiles(self._reports, pictures)
        share = sum(self._has_report) / len(self._has_report)
        return Expected(verdict.median + share * report.median, verdict.p95 + report.p95)

    def _quantiles(self, samples: Mapping[int, deque[tuple[float, float]]], pictures: int) -> Expected:
        """From the nearest number that was tried, in proportion to what there is to read."""
        since = self._clock.monotonic() - MAX_AGE_SECONDS
        recent = {number: [each for at, each in kept if at >= since] for number, kept in samples.items()}
        tried = [number for number, seconds in recent.items() if seconds]
        if not tried:
            return Expected(0.0, 0.0)
        nearest = min(tried, key=lambda number: (abs(number - pictures), number))
        scale = reading_work(pictures) / reading_work(nearest)
        ordered = sorted(recent[nearest])
        return Expected(_quantile(ordered, 0.5) * scale, _quantile(ordered, 0.95) * scale)


def reading_work(pictures: int) -> int:
    """What there is to read, in pictures."""
    return pictures + WORDS_IN_PICTURES


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
