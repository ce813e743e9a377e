from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 3, 29, tzinfo=UTC)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["system", "manual"])
def test_now_is_utc(clock: Clock) -> None:
    """What is stored is aware and in UTC."""
    assert clock.now().tzinfo is UTC


def test_the_system_clock_goes_on() -> None:
    """Neither of its times goes back, and a sleep takes at least as long as asked."""
    clock = SystemClock()
    now, elapsed = clock.now(), clock.monotonic()
    clock.sleep(0.001)
    assert clock.now() >= now
    assert clock.monotonic() - elapsed >= 0.001


def test_a_negative_sleep_is_none() -> None:
    """A wait that is over already does not fail."""
    SystemClock().sleep(-1)


def test_a_manual_clock_moves_only_when_told() -> None:
    """Both times stand still, then move by what was advanced."""
    clock = ManualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=1.5), 1.5)


def test_sleeping_moves_a_manual_clock() -> None:
    """Nobody waits, and yet the time has passed."""
    clock = ManualClock(START)
    clock.sleep(3600)
    assert clock.now() == START + timedelta(hours=1)


def test_a_manual_clock_never_goes_back() -> None:
    """A negative advance changes nothing."""
    clock = ManualClock(START)
    clock.advance(-5)
    assert clock.now() == START


def test_threads_may_advance_a_manual_clock_together() -> None:
    """No advance is lost."""
    clock = ManualClock(START)
    threads = [threading.Thread(target=lambda: [clock.advance(1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 2000
