"""The ladder: what is shed of frames that come late, and when nothing is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pipeline.clock import ManualClock
from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.runtime.watcher.ladder import Ladder
from pipeline.settings import BusSettings

SETTINGS = BusSettings(late_after=5, fresh_for=300)


def shares(ages_seconds: Iterable[float], *, step_seconds: float = 1.0, is_replay: bool = False) -> list[float | None]:
    """What a record of each age is given, one a second of the process's time."""
    clock = ManualClock()
    ladder = Ladder(SETTINGS, clock)
    given = []
    for age_seconds in ages_seconds:
        clock.advance(step_seconds)
        published_at = clock.now() - timedelta(seconds=age_seconds)
        record = Record(Partition(Topic.FRAMES, 0), 0, "yard", b"", published_at, is_replay=is_replay)
        given.append(ladder.climb(record))
    return given


def test_frames_in_time_are_never_thinned() -> None:
    """Up to `late_after` every frame may go on."""
    assert set(shares([4.9] * 60)) == {1.0}


def test_a_backlog_that_is_worked_off_is_not_thinned() -> None:
    """After a minute's outage frames are late, and younger from window to window: none of them is missed."""
    assert set(shares(range(60, 0, -1))) == {1.0}


def test_an_outage_in_the_midst_of_live_frames_is_not_taken_for_overload() -> None:
    """Ages that jump once and then fall are a backlog, such as another watcher's cameras, not too many frames."""
    assert set(shares([0.1] * 20 + list(range(60, 0, -1)))) == {1.0}


def test_frames_that_get_no_younger_are_thinned_by_their_age() -> None:
    """At twice `late_after` half of the active rate is left."""
    assert shares([10.0] * 30)[-1] == 0.5


def test_thinning_goes_on_until_frames_are_in_time_again() -> None:
    """Once there were too many, the rate stays down while they are late; then it is whole again."""
    ages = [20.0] * 30 + [20.0 - step / 2 for step in range(29)] + [1.0] * 20
    given = shares(ages)
    assert given[40] == 5 / ages[40]
    assert given[-1] == 1.0


def test_frames_past_their_freshness_are_dropped() -> None:
    """Whether there is overload or not."""
    assert set(shares([301.0] * 3)) == {None}


def test_replayed_frames_are_never_late() -> None:
    """They rebuild state, however old they are."""
    assert set(shares([1000.0] * 20, is_replay=True)) == {1.0}
