"""Schedules on the site's wall clock, over both changes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.contracts.rule import Schedule
from pipeline.events.schedule import is_scheduled

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
"""The noon before clocks go from 02:00 to 03:00 (Sunday 29 March)."""
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
"""The noon before clocks go from 03:00 back to 02:00 (Sunday 25 October)."""


def _minutes_on(text: str, noon: datetime) -> int:
    """Minutes of the 24 hours after `noon` in which the schedule is on."""
    schedule = (Schedule.parse(text),)
    start = noon.astimezone(UTC)
    return sum(is_scheduled(schedule, (start + timedelta(minutes=n)).astimezone(BERLIN)) for n in range(24 * 60))


@pytest.mark.parametrize(
    ("text", "spring", "autumn"),
    [
        ("22:00-06:00", 7 * 60, 9 * 60),
        ("00:00-24:00", 24 * 60, 24 * 60),
        ("02:15-02:45", 0, 60),
        ("01:30-02:30", 30, 90),
        ("12:00-12:00", 24 * 60, 24 * 60),
        ("sat 22:00-06:00", 7 * 60, 9 * 60),
        ("sun 22:00-06:00", 0, 0),
        ("sun 03:00-04:00", 60, 60),
    ],
)
def test_clock_changes(text: str, spring: int, autumn: int) -> None:
    """The rule is on while the wall clock shows a time of the span, once or twice as it shows it."""
    assert _minutes_on(text, SPRING) == spring
    assert _minutes_on(text, AUTUMN) == autumn


@pytest.mark.parametrize(
    ("text", "local", "expected"),
    [
        ("22:00-06:00", "2026-01-05 22:00", True),
        ("22:00-06:00", "2026-01-05 05:59", True),
        ("22:00-06:00", "2026-01-05 06:00", False),
        ("22:00-06:00", "2026-01-05 21:59", False),
        ("mon-fri 08:00-18:00", "2026-01-09 17:59", True),
        ("mon-fri 08:00-18:00", "2026-01-10 12:00", False),
        ("fri 22:00-06:00", "2026-01-10 05:00", True),
        ("fri 22:00-06:00", "2026-01-09 05:00", False),
    ],
)
def test_spans(text: str, local: str, expected: bool) -> None:
    """Half-open spans; a night belongs to the day on which it starts."""
    assert is_scheduled((Schedule.parse(text),), datetime.fromisoformat(local).replace(tzinfo=BERLIN)) is expected


def test_no_schedule_is_always() -> None:
    """A rule without a schedule is always on; with two, either will do."""
    noon = datetime(2026, 1, 5, 12, tzinfo=BERLIN)
    assert is_scheduled((), noon)
    assert is_scheduled((Schedule.parse("01:00-02:00"), Schedule.parse("11:00-13:00")), noon)
