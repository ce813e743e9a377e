"""Times and durations as people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.cli.times import read_duration, read_moment, window_around
from pipeline.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 7, 10, 20, 30, 15, tzinfo=UTC)  # 22:30:15 in Berlin

DURATIONS = [("45s", 45), ("45 seconds", 45), ("2 minutes", 120), ("1h30m", 5400), ("a minute", 60), ("10", 10)]
DURATIONS += [("an hour", 3600), ("1 day", 86400), ("250 milliseconds", 0.25), ("3 min", 180), ("5 hrs", 18000)]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS, ids=[text for text, _ in DURATIONS])
def test_reads_durations(text: str, seconds: float) -> None:
    """Short units and whole words mean the same."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["soon", "", "-5s", "5 parsecs", "999999999d", "nan"])
def test_refuses_what_is_no_duration(text: str) -> None:
    """Anything else is refused in one message."""
    with pytest.raises(ConfigError, match="expected a duration"):
        read_duration(text)


MOMENTS = [
    ("now", "2026-07-10T20:30:15"),
    ("2 minutes ago", "2026-07-10T20:28:15"),
    ("90s ago", "2026-07-10T20:28:45"),
    ("22:14", "2026-07-10T20:14:00"),
    ("9:05", "2026-07-10T07:05:00"),
    ("22:14:30", "2026-07-10T20:14:30"),
    ("23:00", "2026-07-09T21:00:00"),
    ("today 23:00", "2026-07-10T21:00:00"),
    ("yesterday 22:14", "2026-07-09T20:14:00"),
    ("2026-01-05T22:14", "2026-01-05T21:14:00"),
    ("2026-01-05 22:14:30", "2026-01-05T21:14:30"),
    ("2026-01-05T22:14+05:00", "2026-01-05T17:14:00"),
    ("2026-01-05T22:14Z", "2026-01-05T22:14:00"),
]


@pytest.mark.parametrize(("text", "utc"), MOMENTS, ids=[text for text, _ in MOMENTS])
def test_reads_moments_in_the_sites_zone(text: str, utc: str) -> None:
    """Wall-clock times are the site's, in summer and winter; a bare time is the last one that has passed."""
    assert read_moment(text, NOW, BERLIN).at == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "noon", "25:00", "22:61", "2026-13-01T00:00", "tomorrow 22:14", "soon ago"])
def test_refuses_what_is_no_moment(text: str) -> None:
    """Anything else is refused with the forms."""
    with pytest.raises(ConfigError, match="expected a"):
        read_moment(text, NOW, BERLIN)


def test_a_time_the_clock_change_left_out_is_refused() -> None:
    """02:30 on the night to summer time never was."""
    with pytest.raises(ConfigError, match="did not exist"):
        read_moment("2026-03-29T02:30", NOW, BERLIN)


def test_a_time_that_came_twice_is_the_first_and_says_so() -> None:
    """02:30 on the night to winter time is the summer one, with a note on how to ask for the other."""
    moment = read_moment("2026-10-25T02:30", NOW, BERLIN)
    assert moment.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert "--at 2026-10-25T02:30+01:00" in moment.note


def test_yesterday_reaches_over_a_clock_change() -> None:
    """Yesterday 22:14 is wall-clock 22:14, although that day had 23 hours."""
    morning = datetime(2026, 3, 29, 8, 0, tzinfo=UTC)
    assert read_moment("yesterday 22:14", morning, BERLIN).at == datetime(2026, 3, 28, 21, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "start", "end"),
    [(0, "20:30", "20:31"), (60, "20:30", "20:31"), (300, "20:28", "20:33"), (90, "20:30", "20:31")],
)
def test_a_window_is_whole_minutes_around_the_moment(seconds: float, start: str, end: str) -> None:
    """One minute for a minute or less; longer windows reach out both ways."""
    found = window_around(NOW, seconds)
    assert [f"{moment:%H:%M}" for moment in found] == [start, end]
