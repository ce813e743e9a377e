"""Whether a rule is on: a question to the site's wall clock.

A rule is on while the wall clock shows a time within one of its spans, whatever the clock was through before:
`22:00-06:00` lasts nine hours on the night the clocks go back and seven on the night they go forward, a time
that comes twice counts twice, and one that never comes does not count.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.contracts.rule import DAYS, Schedule

_STEPS_A_WEEK = 7 * 24 * 12


def is_scheduled(schedules: tuple[Schedule, ...], local: datetime) -> bool:
    """Whether any span holds `local`, a time in the site's zone; no schedule at all means always."""
    return not schedules or any(_holds(schedule, local) for schedule in schedules)


def scheduled_share(schedules: tuple[Schedule, ...]) -> float:
    """Share of the week in which any span holds, in (0, 1], to five minutes."""
    monday = datetime(2024, 1, 1)  # noqa: DTZ001 - any Monday, on a wall clock that never changes
    moments = [monday + timedelta(minutes=5 * step) for step in range(_STEPS_A_WEEK)]
    return max(sum(is_scheduled(schedules, moment) for moment in moments), 1) / _STEPS_A_WEEK


def _holds(schedule: Schedule, local: datetime) -> bool:
    now, weekday = local.time(), local.weekday()
    starts_today = DAYS[weekday] in schedule.days
    if schedule.start < schedule.end:
        return starts_today and schedule.start <= now < schedule.end
    started_yesterday = DAYS[weekday - 1] in schedule.days
    return (starts_today and now >= schedule.start) or (started_yesterday and now < schedule.end)
