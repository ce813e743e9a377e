"""What happens in a scene, worked out from its tracks, so that truth and picture cannot disagree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.scenes.script import Actor, Leg, Light, Point
from pipeline.scenes.truth import TrueEvent

LOITERS_FROM_SECONDS = 15.0
"""So long in a zone is loitering."""
BRIEF_SECONDS = (2.0, 10.0)
"""So long in a zone is a near miss of it; screenplays keep clear of what lies between."""
ABANDONED_FROM_SECONDS = 10.0
AWAY_M = 3.0
"""A bag is left behind when its bringer is farther than this for as long as that."""
CLOSE_M = 2.2
"""Who comes so close to a zone without entering it passes it: a near miss."""
_STEP_SECONDS = 0.1
_BISECTIONS = 6
"""Of a step: 0.1 s / 2^6 = 1.6 ms."""


def true_events(
    actors: Sequence[Actor],
    zones: Mapping[str, tuple[Point, ...]],
    lines: Mapping[str, tuple[Point, Point]],
    lights: Sequence[Light],
    duration_seconds: float,
) -> tuple[TrueEvent, ...]:
    """All events that begin before the end, in time order; cut off at the end."""
    found = [event for actor in actors for event in _of_actor(actor, actors, zones, lines, duration_seconds)]
    found += [
        TrueEvent("light", 0, light.start_seconds, light.end_seconds + light.ramp_seconds, is_near_miss=True)
        for light in lights
    ]
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
    if actor.bringer:
        yield from _bag_events(actor, actors[actor.bringer - 1], until)
        return
    yield from _action_events(actor, until)
    if actor.label == "dog":
        return
    for name, corners in zones.items():
        yield from _zone_events(actor, name, corners, until)
    for name, ends in lines.items():
        yield from _line_events(actor, name, ends, until)


def _zone_events(actor: Actor, name: str, corners: tuple[Point, ...], until: float) -> Iterator[TrueEvent]:
    stays = list(_spans(lambda at: _is_inside(_place(actor, at), corners), actor.start_seconds, until))
    for start, end in stays:
        if start > actor.start_seconds:
            yield TrueEvent("enters", actor.id, start, end, zone=name)
        is_brief = BRIEF_SECONDS[0] <= end - start <= BRIEF_SECONDS[1]
        if end - start >= LOITERS_FROM_SECONDS or is_brief:
            yield TrueEvent("loiters", actor.id, start, end, zone=name, is_near_miss=is_brief)
    if not stays:
        for start, end in _spans(
            lambda at: _distance(_place(actor, at), corners) < CLOSE_M, actor.start_seconds, until
        ):
            yield TrueEvent("passes", actor.id, start, end, zone=name, is_near_miss=True)


def _line_events(actor: Actor, name: str, ends: tuple[Point, Point], until: float) -> Iterator[TrueEvent]:
    """Left and right are those of someone walking along the line; the ground's z is up in the picture."""
    for start, end in _spans(lambda at: _side(_place(actor, at), ends) > 0, actor.start_seconds, until):
        if start > actor.start_seconds and _is_between(_place(actor, start), ends):
            yield TrueEvent("crosses", actor.id, start, start, line=name, direction="right_to_left")
        if end < until and _is_between(_place(actor, end), ends):
            yield TrueEvent("crosses", actor.id, end, end, line=name, direction="left_to_right")


def _action_events(actor: Actor, until: float) -> Iterator[TrueEvent]:
    for start, end in _joined(actor.legs, "run"):
        yield TrueEvent("runs", actor.id, start, min(end, until))
    for start, end in _joined(actor.legs, "parked"):
        yield TrueEvent("parks", actor.id, start, min(end, until))


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


def _joined(legs: Sequence[Leg], action: str) -> Iterator[tuple[float, float]]:
    """Spans of consecutive legs with this action."""
    since: float | None = None
    for leg in legs:
        if leg.action == action and since is None:
            since = leg.start_seconds
        if leg.action != action and since is not None:
            yield since, leg.start_seconds
            since = None
    if since is not None:
        yield since, legs[-1].end_seconds


def _side(point: Point, ends: tuple[Point, Point]) -> float:
    """Positive on the left of someone walking from the first end to the second."""
    (ax, az), (bx, bz) = ends
    return (bx - ax) * (point[1] - az) - (bz - az) * (point[0] - ax)


def _is_between(point: Point, ends: tuple[Point, Point]) -> bool:
    return 0 <= _share_along(point, ends) <= 1


def _share_along(point: Point, ends: tuple[Point, Point]) -> float:
    (ax, az), (bx, bz) = ends
    length_squared = (bx - ax) ** 2 + (bz - az) ** 2
    return ((point[0] - ax) * (bx - ax) + (point[1] - az) * (bz - az)) / length_squared


def _sides(corners: tuple[Point, ...]) -> Iterator[tuple[Point, Point]]:
    return zip(corners, corners[1:] + corners[:1], strict=True)


def _is_inside(point: Point, corners: tuple[Point, ...]) -> bool:
    """By counting the sides a ray to the right meets."""
    x, z = point
    inside = False
    for (ax, az), (bx, bz) in _sides(corners):
        if (az > z) != (bz > z) and x < ax + (z - az) / (bz - az) * (bx - ax):
            inside = not inside
    return inside


def _distance(point: Point, corners: tuple[Point, ...]) -> float:
    """Metres to the nearest side."""
    nearest = math.inf
    for (ax, az), (bx, bz) in _sides(corners):
        share = min(max(_share_along(point, ((ax, az), (bx, bz))), 0.0), 1.0)
        nearest = min(nearest, math.dist(point, (ax + share * (bx - ax), az + share * (bz - az))))
    return nearest
