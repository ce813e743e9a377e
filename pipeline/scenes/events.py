"""What happens in a scene, worked out from its tracks, so that truth and picture cannot disagree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from pipeline.scenes.ground import distance_m, is_between, is_inside, side
from pipeline.scenes.script import Actor, Leg, Light, Point
from pipeline.scenes.truth import EventKind, TrueEvent

LOITERS_FROM_SECONDS = 15.0
"""So long in a zone is loitering."""
BRIEF_SECONDS = (2.0, 10.0)
"""So long in a zone is a near miss of it; screenplays keep clear of what lies between."""
ABANDONED_FROM_SECONDS = 10.0
AWAY_M = 3.0
"""A bag is left behind when its bringer is farther than this for as long as that."""
CLOSE_M = 2.2
"""Who comes so close to a zone without entering it passes it: a near miss."""
CROWD_FROM = 5
NEARLY_A_CROWD_FROM = 3
CROWD_SECONDS = 3.0
"""So many people in a zone for so long are a crowd, or nearly one."""
TAILGATES_SECONDS = 1.5
FOLLOWS_SECONDS = 6.0
"""Who crosses a line so soon after somebody else, the same way, tailgates; so much later, a near miss."""
WRONG_WAY_SECONDS = 1.0
"""So long against the way of the place is wrong."""
_AGAINST = -0.5
"""Cosine between a movement and the way: at most this is against it."""
_VEHICLES = frozenset({"car", "truck", "bicycle", "motorcycle"})
_NO_PLACE = frozenset({"dog", "cat", "bird", "chair", "smoke"})
"""What zones and lines do not mind."""
_ACTIONS: Mapping[str, tuple[EventKind, bool]] = {
    "run": ("runs", False), "parked": ("parks", False), "lie": ("lies", False), "climb": ("climbs", False),
    "fight": ("fights", False), "greet": ("greets", True), "sit": ("sits", True), "rise": ("smoke", False),
}  # fmt: skip
"""Action to the event it makes, and whether that is a near miss."""
_STEP_SECONDS = 0.1
_BISECTIONS = 6
"""Of a step: 0.1 s / 2^6 = 1.6 ms."""


class CameraFault(Protocol):
    """Something done to the camera, for some time."""

    @property
    def kind(self) -> str:
        """`covered`, `moved` or `defocused`; other kinds are no events."""

    @property
    def start_seconds(self) -> float:
        """From when."""

    @property
    def end_seconds(self) -> float:
        """Until when."""


def true_events(
    actors: Sequence[Actor],
    zones: Mapping[str, tuple[Point, ...]],
    lines: Mapping[str, tuple[Point, Point]],
    lights: Sequence[Light],
    duration_seconds: float,
    *,
    one_way: Point | None = None,
    faults: Sequence[CameraFault] = (),
) -> tuple[TrueEvent, ...]:
    """All events that begin before the end, in time order; cut off at the end.

    `one_way` is the direction (x, z) in which everybody should go, where there is one.
    """
    found = [event for actor in actors for event in _of_actor(actor, actors, zones, lines, duration_seconds)]
    found += [
        TrueEvent("light", 0, light.start_seconds, light.end_seconds + light.ramp_seconds, is_near_miss=True)
        for light in lights
    ]
    found += _crowds(actors, zones, duration_seconds)
    found += _tailgates([event for event in found if event.kind == "crosses"], actors)
    if one_way is not None:
        found += [event for actor in actors for event in _wrong_ways(actor, one_way, duration_seconds)]
    found += _faults(faults, duration_seconds)
    begun = (event for event in found if event.start_seconds < duration_seconds)
    return tuple(sorted(begun, key=lambda event: (event.start_seconds, event.who, event.kind)))


def _of_actor(
    actor: Actor,
    actors: Sequence[Actor],
    zones: Mapping[str, tuple[Point, ...]],
    lines: Mapping[str, tuple[Point, Point]],
    duration_seconds: float,
) -> Iterator[TrueEvent]:
    until = min(actor.end_seconds, duration_seconds)
    if actor.bringer and actor.label not in _VEHICLES:
        yield from _bag_events(actor, actors[actor.bringer - 1], until)
        return
    yield from _action_events(actor, until)
    if actor.label in _NO_PLACE or actor.bringer:
        return
    for name, corners in zones.items():
        yield from _zone_events(actor, name, corners, until)
    for name, ends in lines.items():
        yield from _line_events(actor, name, ends, until)


def _zone_events(actor: Actor, name: str, corners: tuple[Point, ...], until: float) -> Iterator[TrueEvent]:
    stays = list(_spans(lambda at: is_inside(_place(actor, at), corners), actor.start_seconds, until))
    for start, end in stays:
        if start > actor.start_seconds:
            yield TrueEvent("enters", actor.id, start, end, zone=name)
        is_brief = BRIEF_SECONDS[0] <= end - start <= BRIEF_SECONDS[1]
        if end - start >= LOITERS_FROM_SECONDS or is_brief:
            yield TrueEvent("loiters", actor.id, start, end, zone=name, is_near_miss=is_brief)
    if not stays:
        for start, end in _spans(
            lambda at: distance_m(_place(actor, at), corners) < CLOSE_M, actor.start_seconds, until
        ):
            yield TrueEvent("passes", actor.id, start, end, zone=name, is_near_miss=True)


def _line_events(actor: Actor, name: str, ends: tuple[Point, Point], until: float) -> Iterator[TrueEvent]:
    """Left and right are those of someone walking along the line; the ground's z is up in the picture."""
    for start, end in _spans(lambda at: side(_place(actor, at), ends) > 0, actor.start_seconds, until):
        if start > actor.start_seconds and is_between(_place(actor, start), ends):
            yield TrueEvent("crosses", actor.id, start, start, line=name, direction="right_to_left")
        if end < until and is_between(_place(actor, end), ends):
            yield TrueEvent("crosses", actor.id, end, end, line=name, direction="left_to_right")


def _action_events(actor: Actor, until: float) -> Iterator[TrueEvent]:
    for action, (kind, is_near_miss) in _ACTIONS.items():
        for start, end in _joined(actor.legs, action) if _is_of(actor, action) else ():
            yield TrueEvent(kind, actor.id, start, min(end, until), is_near_miss=is_near_miss)
    for start, end in _joined(actor.legs, "crouch", "bend"):
        yield TrueEvent("crouches", actor.id, start, min(end, until), is_near_miss=True)
    for start, end in _joined(actor.legs, "fall", "lie"):
        if any(leg.action == "fall" and leg.start_seconds == start for leg in actor.legs):
            yield TrueEvent("falls", actor.id, start, min(end, until))


def _is_of(actor: Actor, action: str) -> bool:
    """Animals that run and bicycles that stand are nothing to tell."""
    return actor.label not in ("dog", "cat", "bird", "bicycle") or action not in ("run", "parked")


def _crowds(
    actors: Sequence[Actor], zones: Mapping[str, tuple[Point, ...]], duration_seconds: float
) -> Iterator[TrueEvent]:
    """Spans in which enough people are in a zone, by its people's stays."""
    people = [actor for actor in actors if actor.label == "person"]
    for name, corners in zones.items():
        stays = [stay for person in people for stay in _stays(person, corners, duration_seconds)]
        full = [span for span in _at_once(stays, CROWD_FROM) if span[1] - span[0] >= CROWD_SECONDS]
        yield from (TrueEvent("crowd", 0, start, end, zone=name) for start, end in full)
        for start, end in _at_once(stays, NEARLY_A_CROWD_FROM):
            is_full = any(start <= crowd < end for crowd, _ in full)
            if end - start >= CROWD_SECONDS and not is_full:
                yield TrueEvent("crowd", 0, start, end, zone=name, is_near_miss=True)


def _stays(actor: Actor, corners: tuple[Point, ...], duration_seconds: float) -> Iterator[tuple[float, float]]:
    until = min(actor.end_seconds, duration_seconds)
    return _spans(lambda at: is_inside(_place(actor, at), corners), actor.start_seconds, until)


def _at_once(stays: Sequence[tuple[float, float]], count: int) -> Iterator[tuple[float, float]]:
    """The spans in which at least `count` stays overlap; at one moment, those who leave go first."""
    changes = sorted([(start, 1) for start, _ in stays] + [(end, -1) for _, end in stays])
    num_present, since = 0, 0.0
    for at, change in changes:
        num_present += change
        if change > 0 and num_present == count:
            since = at
        if change < 0 and num_present == count - 1:
            yield since, at


def _tailgates(crossings: Sequence[TrueEvent], actors: Sequence[Actor]) -> Iterator[TrueEvent]:
    """Of each crossing by a person, how soon after another person's it comes."""
    by_people = [event for event in crossings if actors[event.who - 1].label == "person"]
    in_order = sorted(by_people, key=lambda event: (event.line, event.direction, event.start_seconds))
    for first, second in itertools.pairwise(in_order):
        is_same = (first.line, first.direction) == (second.line, second.direction) and first.who != second.who
        gap = second.start_seconds - first.start_seconds
        if is_same and gap <= FOLLOWS_SECONDS:
            yield TrueEvent(
                "tailgates", second.who, second.start_seconds, second.start_seconds, line=second.line,
                direction=second.direction, is_near_miss=gap > TAILGATES_SECONDS,
            )  # fmt: skip


def _wrong_ways(actor: Actor, one_way: Point, duration_seconds: float) -> Iterator[TrueEvent]:
    if actor.bringer or actor.label in _NO_PLACE:
        return
    length = math.hypot(*one_way)
    ahead = one_way[0] / length, one_way[1] / length
    since: float | None = None
    for leg in (*actor.legs, None):
        is_against = leg is not None and leg.start != leg.end and _cosine(leg, ahead) <= _AGAINST
        if leg is not None and is_against and since is None:
            since = leg.start_seconds
        if not is_against and since is not None:
            end = min(leg.start_seconds if leg is not None else actor.end_seconds, duration_seconds)
            if end - since >= WRONG_WAY_SECONDS:
                yield TrueEvent("wrong_way", actor.id, since, end)
            since = None


def _cosine(leg: Leg, ahead: Point) -> float:
    across, along = leg.end[0] - leg.start[0], leg.end[1] - leg.start[1]
    return (across * ahead[0] + along * ahead[1]) / math.dist(leg.start, leg.end)


def _faults(faults: Sequence[CameraFault], duration_seconds: float) -> Iterator[TrueEvent]:
    kinds: tuple[EventKind, ...] = ("covered", "moved", "defocused")
    for fault in faults:
        for kind in kinds:
            if fault.kind == kind:
                yield TrueEvent(kind, 0, fault.start_seconds, min(fault.end_seconds, duration_seconds))


def _bag_events(bag: Actor, bringer: Actor, until: float) -> Iterator[TrueEvent]:
    for start, end in _joined(bag.legs, "left"):
        end = min(end, until)
        alone = _spans(lambda at: _is_away(bringer, bag, at), start, end) if end > start else ()
        longest = max((gone - left for left, gone in alone), default=0.0)
        yield TrueEvent("left_behind", bag.id, start, end, is_near_miss=longest < ABANDONED_FROM_SECONDS)


def _is_away(bringer: Actor, bag: Actor, at: float) -> bool:
    pose = bringer.pose(at)
    return pose is None or math.dist((pose.x, pose.z), _place(bag, at)) > AWAY_M


def _place(actor: Actor, at: float) -> Point:
    """Where it stands; at its very end, where it stood last."""
    pose = actor.pose(at) or actor.legs[-1].pose(actor.end_seconds)
    return pose.x, pose.z


def _spans(holds: Callable[[float], bool], start: float, end: float) -> Iterator[tuple[float, float]]:
    """The intervals in [start, end) in which `holds`, their borders found by bisection."""
    since = start if holds(start) else None
    num_steps = math.ceil((end - start) / _STEP_SECONDS)
    for step in range(num_steps):
        before, after = start + step * _STEP_SECONDS, min(start + (step + 1) * _STEP_SECONDS, end)
        if holds(after) == (since is not None):
            continue
        border = _border(holds, before, after)
        if since is None:
            since = border
        else:
            yield since, border
            since = None
    if since is not None:
        yield since, end


def _border(holds: Callable[[float], bool], before: float, after: float) -> float:
    held = holds(before)
    for _ in range(_BISECTIONS):
        middle = (before + after) / 2
        before, after = (middle, after) if holds(middle) == held else (before, middle)
    return after


def _joined(legs: Sequence[Leg], *actions: str) -> Iterator[tuple[float, float]]:
    """Spans of consecutive legs with one of these actions."""
    since: float | None = None
    for leg in legs:
        if leg.action in actions and since is None:
            since = leg.start_seconds
        if leg.action not in actions and since is not None:
            yield since, leg.start_seconds
            since = None
    if since is not None:
        yield since, legs[-1].end_seconds
