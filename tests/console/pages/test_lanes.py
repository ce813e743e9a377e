"""What is drawn on a lane, and where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.console.pages.lanes import TALLEST, Lane, Window, lanes
from pipeline.contracts.candidate import Fact
from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.store.gaps import Account, Stretch
from tests.support.cli import START, count, incident

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = Window(START.replace(minute=0), START.replace(minute=0) + timedelta(hours=1), 1, BERLIN, START)
"""In which it is 14 minutes past."""


def lane(
    incidents: Sequence[Incident] = (), nears: Sequence[DecisionCount] = (), blind: Sequence[Stretch] = ()
) -> Lane:
    """The one of `yard`."""
    account = Account("yard", [Stretch(HOUR.start, START), *blind], {}, HOUR.start)
    (drawn,) = lanes(HOUR, [account], incidents, nears)
    return drawn


@pytest.mark.parametrize(
    ("at", "hours", "expected"),
    [
        ("2026-07-10T20:14+00:00", 24, ("2026-07-10T00:00+02:00", 1440)),
        ("2026-07-10T20:14+00:00", 6, ("2026-07-10T18:00+02:00", 360)),
        ("2026-07-10T20:14+00:00", 1, ("2026-07-10T22:00+02:00", 60)),
        ("2026-03-29T12:00+02:00", 24, ("2026-03-29T00:00+01:00", 1380)),
        ("2026-10-25T12:00+01:00", 24, ("2026-10-25T00:00+02:00", 1500)),
        ("2026-10-25T23:30+01:00", 6, ("2026-10-25T23:00+01:00", 60)),
    ],
    ids=["a day", "a part", "an hour", "the day of 23 hours", "the day of 25 hours", "its last part"],
)
def test_a_window_is_the_sites_day_or_a_part_of_it(at: str, hours: int, expected: tuple[str, int]) -> None:
    """Over both clock changes too."""
    window = Window.around(datetime.fromisoformat(at), hours, BERLIN, START)
    assert (window.start, window.num_minutes) == (datetime.fromisoformat(expected[0]), expected[1])


def test_the_hours_are_the_sites_own() -> None:
    """On the day of a clock change an hour is left out, or comes twice."""
    spring = Window.around(datetime(2026, 3, 29, 12, tzinfo=UTC), 24, BERLIN, START)
    assert [words for _, words in spring.ticks][:3] == ["00:00", "03:00", "05:00"]
    assert spring.ticks[1][0] == pytest.approx(100 * 2 / 23, abs=0.01)


def test_incidents_stand_where_they_opened() -> None:
    """The loudest status is told, and what is wrong with the camera is told apart."""
    offline = incident(600.0)
    about = Fact(kind=Condition.OFFLINE.value, text="no answer", at=offline.opened_at)
    offline = offline.model_copy(update={"candidate": offline.candidate.model_copy(update={"facts": (about,)})})
    drawn = lane(
        [offline, incident(0.0, status=IncidentStatus.REJECTED), incident(1.0, status=IncidentStatus.CONFIRMED)]
    )
    assert [(pin.left, pin.kind, len(pin.incidents)) for pin in drawn.pins] == [
        (pytest.approx(23.333), "confirmed", 2),
        (40.0, "condition", 1),
    ]
    assert (drawn.num_incidents, drawn.stops) == (3, (14, 24))


def test_gaps_are_drawn_with_their_reason() -> None:
    """At the site's time."""
    drawn = lane(blind=[Stretch(START, START + timedelta(minutes=6), "offline", "no answer")])
    (gap,) = drawn.gaps
    assert (gap.left, gap.width, gap.times) == (pytest.approx(23.333), pytest.approx(10), "22:14:00–22:20:00")
    assert (gap.reason, gap.detail, drawn.watched_share) == ("offline", "no answer", 14 / 20)


def test_near_misses_are_as_tall_as_they_were_near() -> None:
    """What was met and held up by something else is a whole one; side by side counts once."""
    half = count(Gate.DWELL, "dwell", max_value=1.0, threshold=2.0)
    after = [count(Gate.COOLDOWN, "cooldown", max_value=3.0, threshold=60.0) for _ in range(2)]
    later = [
        DecisionCount(
            **{name: getattr(each, name) for name in each.__slots__} | {"minute": START + timedelta(minutes=n)}
        )
        for n, each in enumerate(after, 1)
    ]
    drawn = lane(nears=[half, *later])
    assert [(near.cell, near.tall) for near in drawn.nears] == [(14, TALLEST // 2), (15, TALLEST), (16, TALLEST)]
    assert (drawn.num_nears, drawn.stops) == (1, (14,))


def test_what_was_told_is_no_near_miss() -> None:
    """A rule comes closer and closer until it tells; what a cooldown stops is another matter."""
    nears = [count(Gate.DWELL, "dwell"), count(Gate.COOLDOWN, "cooldown"), count(Gate.DWELL, "dwell", rule="entry")]
    assert lane([incident(30.0)], nears[:1]).nears == ()
    assert len(lane([incident(30.0)], nears[1:2]).nears) == 1
    assert len(lane([incident(30.0)], nears[2:]).nears) == 1


def test_a_camera_that_nobody_ever_told_of_has_no_share() -> None:
    """It is not 0 % of something."""
    (drawn,) = lanes(HOUR, [Account("yard", [Stretch(HOUR.start, START, "not running")], {}, None)], [], [])
    assert drawn.watched_share is None
