"""How many verifications at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.clock import ManualClock
from pipeline.reasoning.concurrency import Ceiling, Rate, needed
from pipeline.reasoning.service_times import ServiceTimes


def climb(seconds_of: Callable[[int], float], rounds: int = 400, *, has_failed: bool = False) -> int:
    """Where a ceiling stands after as many requests as always fill it."""
    ceiling = Ceiling(2, 64)
    for _ in range(rounds):
        limit = ceiling.limit
        ceiling.finished(1.0, seconds_of(limit), limit, has_failed=has_failed)
    return ceiling.limit


def test_the_need_is_rate_times_p95_and_forty_per_cent() -> None:
    """4.6 a second at 2 s: 13; nothing to do needs one."""
    assert needed(4.6, 0, 2.0) == 13
    assert needed(0.0, 0, 2.0) == 1
    assert needed(0.0, 10, 2.0) == 6


@pytest.mark.parametrize(
    ("seconds_of", "least", "most"),
    [
        pytest.param(lambda _: 1.0, 40, 64, id="a server that takes all"),
        pytest.param(lambda n: 0.5 * n, 1, 3, id="a model that takes one at a time"),
        pytest.param(lambda n: max(n / 10, 1.0), 9, 16, id="a batch of ten"),
    ],
)
def test_it_climbs_to_where_throughput_stops_rising(seconds_of: Callable[[int], float], least: int, most: int) -> None:
    """The ceiling is found within a step."""
    assert least <= climb(seconds_of) <= most


def test_failures_take_it_down_and_fewer_than_allowed_say_nothing() -> None:
    """A server that fails is asked less; an idle one tells nothing of its ceiling."""
    assert climb(lambda _: 1.0, has_failed=True) == 1
    ceiling = Ceiling(4, 64)
    for _ in range(100):
        ceiling.finished(1.0, 1.0, 1, has_failed=False)
    assert ceiling.limit == 4


def test_the_rate_is_of_the_last_minute() -> None:
    """What is older is forgotten."""
    clock = ManualClock()
    rate = Rate(clock)
    clock.advance(60)
    for _ in range(30):
        rate.add()
    assert rate.per_second() == 0.5
    clock.advance(61)
    assert rate.per_second() == 0.0


def test_times_of_other_numbers_of_pictures_are_scaled_and_old_ones_forgotten() -> None:
    """Two words' worth beside the pictures: 2 of 8 take four tenths; after a minute nothing is known."""
    clock = ManualClock()
    times = ServiceTimes(clock)
    for _ in range(20):
        times.add(8, 1.0, 3.0, wanted_report=True)
    assert times.expected(2, with_report=False).p95 == pytest.approx(0.4)
    assert times.expected(8, with_report=True).p95 == pytest.approx(4.0)
    clock.advance(61)
    assert times.expected(8, with_report=True).p95 == 0.0
