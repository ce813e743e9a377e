"""What is in hand, on average over time."""

from __future__ import annotations

import time

from pipeline.runtime.mean_over_time import MeanOverTime


def test_what_is_in_hand_all_the_time_is_the_mean() -> None:
    """Three and two more, from one reading to the next, are five."""
    mean = MeanOverTime()
    with mean.more(3), mean.more(2):
        mean.read()
        time.sleep(0.01)
        assert mean.read() == 5.0


def test_a_reading_begins_anew() -> None:
    """What was over before the last reading no longer counts; what was over since counts for its share."""
    mean = MeanOverTime()
    with mean.more():
        time.sleep(0.02)
    assert 0.0 < mean.read() < 1.0
    time.sleep(0.01)
    assert mean.read() == 0.0
