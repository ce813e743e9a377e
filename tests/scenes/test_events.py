"""Events from tracks and actions: what is told is what was played."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.scenes.events import true_events
from pipeline.scenes.script import (
    Cast,
    Point,
    Step,
    bend,
    climb,
    crouch,
    cycle,
    drive,
    fall,
    fight,
    greet,
    lie,
    park,
    run,
    sit,
    stand,
    walk,
)
from pipeline.scenes.truth import TrueEvent

SQUARE: tuple[Point, ...] = ((-2.0, 8.0), (2.0, 8.0), (2.0, 12.0), (-2.0, 12.0))
DOOR: tuple[Point, Point] = ((0.0, 5.0), (0.0, 15.0))


def cast_of(*plays: tuple[Step, ...], at: tuple[float, ...] = ()) -> Cast:
    cast = Cast(np.random.default_rng(1), varied=True)
    for number, steps in enumerate(plays):
        cast.person(at[number] if at else 0.0, (-4.0, 10.0), *steps)
    return cast


def told(
    cast: Cast, kind: str, *, one_way: Point | None = None, lines: Mapping[str, tuple[Point, Point]] | None = None
) -> list[TrueEvent]:
    events = true_events(cast.actors, {"square": SQUARE}, lines or {}, (), 60.0, one_way=one_way)
    return [event for event in events if event.kind == kind]


@pytest.mark.parametrize(
    ("step", "kind", "is_near_miss"),
    [
        (lie(3), "lies", False),
        (climb((-4.0, 11.0), 3), "climbs", False),
        (fight(3), "fights", False),
        (greet(3), "greets", True),
        (crouch(3), "crouches", True),
        (bend(3), "crouches", True),
        (sit(3), "sits", True),
    ],
)
def test_actions_make_events(step: Step, kind: str, is_near_miss: bool) -> None:
    """From the moment the action begins to the moment it ends."""
    (event,) = told(cast_of((stand(2), step, stand(2))), kind)

    assert (event.who, event.start_seconds, event.end_seconds) == (1, 2.0, 5.0)
    assert event.is_near_miss == is_near_miss


def test_a_fall_lasts_until_getting_up_and_lying_down_is_none() -> None:
    """The fall and the lying after it are one fall; lying alone is only that."""
    (event,) = told(cast_of((stand(1), fall(1.0), lie(4), stand(2))), "falls")

    assert (event.start_seconds, event.end_seconds) == (1.0, 6.0)
    assert told(cast_of((stand(1), lie(4), stand(2))), "falls") == []


@pytest.mark.parametrize(("count", "expected"), [(2, []), (3, [True]), (4, [True]), (5, [False]), (7, [False])])
def test_five_in_a_zone_are_a_crowd_and_three_nearly_one(count: int, expected: list[bool]) -> None:
    """For three seconds or more, counted by foot points."""
    events = told(cast_of(*[(walk(0.0, 10.0), stand(6), walk(-4.0, 10.0))] * count), "crowd")

    assert [event.is_near_miss for event in events] == expected
    assert all(event.zone == "square" and event.end_seconds - event.start_seconds > 6 for event in events)


def test_passing_through_at_once_is_no_crowd() -> None:
    """Five who are in the zone together for a moment only."""
    assert told(cast_of(*[(run(4.0, 10.0, 4.0),)] * 5), "crowd") == []


@pytest.mark.parametrize(("gap", "expected"), [(1.0, [False]), (4.0, [True]), (9.0, [])])
def test_who_follows_closely_through_a_line_tailgates(gap: float, expected: list[bool]) -> None:
    """The second one does, at its crossing; later it is a near miss, still later nothing."""
    cast = cast_of((walk(4.0, 10.0),), (walk(4.0, 10.0),), at=(0.0, gap))
    events = told(cast, "tailgates", lines={"door": DOOR})

    assert [event.is_near_miss for event in events] == expected
    assert all(event.who == 2 and event.line == "door" for event in events)


def test_meeting_at_a_line_is_not_tailgating() -> None:
    """Two who cross at once in opposite directions."""
    cast = cast_of((walk(4.0, 10.0),))
    cast.person(0.0, (4.0, 10.0), walk(-4.0, 10.0))

    assert told(cast, "tailgates", lines={"door": DOOR}) == []


def test_going_against_the_way_is_told_of_people_and_vehicles() -> None:
    """With it, across it, or for less than a second against it is not."""
    cast = cast_of((walk(4.0, 10.0),), (walk(-4.0, 14.0),))
    cast.car(0.0, (6.0, 10.0), drive(0.0, 10.0), park(3))
    cast.person(0.0, (4.0, 10.0), walk(3.5, 10.0), stand(3))
    rider = cast.person(0.0, (4.0, 9.0), cycle((-4.0, 9.0), 4.0))
    events = told(cast, "wrong_way", one_way=(2.0, 0.0))

    assert [(event.who, event.start_seconds, event.end_seconds) for event in events] == [
        (3, 0.0, 1.0),
        (rider, 0.0, 2.0),
    ]


def test_smoke_and_faults_of_the_camera_are_told() -> None:
    """Smoke while it rises; what is done to the camera until the end at most; other faults are no events."""
    cast = Cast(np.random.default_rng(1))
    cast.smoke(3.0, (0.0, 10.0), 8.0)
    faults = [SimpleNamespace(kind=kind, start_seconds=5.0, end_seconds=1e9) for kind in ("covered", "dirt")]
    events = true_events(cast.actors, {"square": SQUARE}, {}, (), 20.0, faults=faults)

    assert [(event.kind, event.who, event.start_seconds, event.end_seconds) for event in events] == [
        ("smoke", 1, 3.0, 11.0),
        ("covered", 0, 5.0, 20.0),
    ]


def test_animals_and_chairs_enter_nothing() -> None:
    """A cat in the zone and a chair in it are no events; a bicycle's rider is told once."""
    cast = Cast(np.random.default_rng(1))
    cast.cat(0.0, (-4.0, 10.0), run(4.0, 10.0))
    cast.bird(0.0, (-4.0, 10.0), run(4.0, 10.0))
    cast.person(0.0, (-6.0, 10.0), cycle((6.0, 10.0)), sit(2))
    events = true_events(cast.actors, {"square": SQUARE}, {}, (), 20.0)

    assert [(event.kind, event.who) for event in events] == [("enters", 3), ("sits", 3)]
