"""The screenplay of each situation and of its near misses, for any place that has what it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.scenes.conditions import Fault, FaultKind
from pipeline.scenes.place import Place
from pipeline.scenes.script import (
    BagLabel,
    Cast,
    Light,
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
    pick_up,
    put_down,
    run,
    sit,
    stand,
    walk,
)
from pipeline.scenes.terrain import NoRoomError, Terrain

FOOTPATHS = frozenset({"footpath", "platform", "lawn"})
"""Zones in which no vehicle belongs."""
_MAX_TRIES = 60
_FAR_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Act:
    """What was put on the stage."""

    who: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    near_miss: str = ""
    """What happens instead; "" for the situation itself."""
    zone: str = ""
    line: str = ""
    max_extras: int = 4
    lights: tuple[Light, ...] = ()
    faults: tuple[Fault, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    """What of the conditions must be as said here."""


class Stage:
    """A place being filled: who is cast, where there is room, and the seed's draws."""

    def __init__(self, place: Place, rng: np.random.Generator) -> None:
        self.place, self.rng = place, rng
        self.cast = Cast(rng, varied=True)
        self.terrain = Terrain(place.view, [area.corners for area in place.walkable], place.zones, rng)
        self.at = self.between(2.0, 5.0)
        """Seconds at which the act begins."""
        self.one_way = place.one_way or _any_way(rng)
        """The direction everybody should go."""

    def between(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Whether it happens this time."""
        return bool(self.rng.random() < share)

    def one_of(self, *options: str) -> str:
        """One of the words."""
        return options[int(self.rng.integers(len(options)))]

    def zone(self, names: frozenset[str] | None = None) -> str:
        """A zone of the place, of these names where given."""
        fitting = [name for name in self.place.zones if names is None or name in names]
        if not fitting:
            raise NoRoomError(f"{self.place.name} has no such zone")
        return self.one_of(*fitting)

    def comes(self, to: Point, *steps: Step, avoid: tuple[str, ...] = (), bag: BagLabel | None = None) -> int:
        """Somebody who reaches `to` when the act begins, does the steps there and, after them, goes."""
        start = self.terrain.way_in(to, avoid)
        end = self.terrain.way_in(_last(to, steps), avoid)
        speed = self.between(1.0, 1.6)
        return self.cast.person(
            self.at - math.dist(start, to) / speed, start, walk(*to, speed), *steps, walk(*end, speed),
            bag=bag, bag_until=_FAR_SECONDS,
        )  # fmt: skip

    def pause(self, low: float, high: float) -> Step:
        """Something quiet to do on the spot."""
        seconds = self.between(low, high)
        return stand(seconds) if self.chance(0.7) else bend(seconds) if self.chance(0.5) else crouch(seconds)

    def road(self) -> tuple[Point, Point]:
        """The two ends of the ground where vehicles belong."""
        if not self.place.drivable:
            raise NoRoomError(f"{self.place.name} has no road")
        area = self.place.drivable[int(self.rng.integers(len(self.place.drivable)))]
        return _along(area.corners)

    def bag(self) -> BagLabel:
        """Some bag."""
        bags: tuple[BagLabel, ...] = ("backpack", "suitcase", "handbag")
        return bags[int(self.rng.integers(3))]


def _any_way(rng: np.random.Generator) -> Point:
    """Along the picture, or towards or away from the camera, for places that do not say."""
    ways = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    return ways[int(rng.integers(4))]


def _last(start: Point, steps: tuple[Step, ...]) -> Point:
    return next((step.to for step in reversed(steps) if step.to), start)


def _intrusion(stage: Stage, near: bool) -> Act:
    zone = stage.zone()
    if near:
        return _animal(stage, zone) if stage.chance(0.15) else _passes(stage, zone)
    to = stage.terrain.inside(zone)
    pause = stage.pause(0.5, 5.0)
    bag = stage.bag() if stage.chance(0.25) else None
    who = stage.comes(to, pause, bag=bag)
    return Act((who,), stage.at - 1.5, stage.at + pause.seconds + 1.0, zone=zone)


def _passes(stage: Stage, zone: str) -> Act:
    """Along the zone, or waits beside it, and is never in it."""
    beside = stage.terrain.outside(zone, 0.6, 2.4)
    bag = stage.bag() if stage.chance(0.25) else None
    if stage.chance(0.35):
        pause = stage.pause(1.0, 6.0)
        who = stage.comes(beside, pause, avoid=(zone,), bag=bag)
        return Act((who,), stage.at - 1.5, stage.at + pause.seconds + 1.5, "beside", zone)
    for _ in range(_MAX_TRIES):
        on = stage.terrain.outside(zone, 0.6, 3.0)
        if math.dist(on, beside) > 1.5 and stage.terrain.is_clear(beside, on, (zone,)):
            who = stage.comes(beside, walk(*on), avoid=(zone,), bag=bag)
            return Act((who,), stage.at - 0.5, stage.at + math.dist(on, beside) / 1.35 + 0.5, "passes", zone)
    raise NoRoomError("no way past the zone")


def _animal(stage: Stage, zone: str) -> Act:
    """It is in the zone, and it is nobody."""
    to = stage.terrain.inside(zone)
    start, end = stage.terrain.way_in(to), stage.terrain.way_in(to)
    add = stage.cast.dog if stage.chance(0.5) else stage.cast.cat
    stay = stage.between(1.0, 4.0)
    who = add(stage.at - math.dist(start, to), start, walk(*to, 1.0), stand(stay), walk(*end, 1.2))
    return Act((who,), stage.at - 1.0, stage.at + stay + 0.8, "animal", zone)


def _loitering(stage: Stage, near: bool) -> Act:
    zone = stage.zone()
    stay = stage.between(3.0, 8.0) if near else stage.between(16.0, 38.0)
    here = stage.terrain.inside(zone, 0.5)
    steps: list[Step] = []
    left = stay
    at = here
    while left > 0.5:
        pause = stage.pause(2.0, min(9.0, max(left, 2.1)))
        on = stage.terrain.inside(zone, 0.5)
        gone = math.dist(at, on) / 0.8
        steps += [pause] if near or left - pause.seconds < gone else [pause, walk(*on, 0.8)]
        at = at if len(steps) and steps[-1] is pause else on
        left -= pause.seconds + (gone if steps[-1] is not pause else 0.0)
    who = stage.comes(here, *steps)
    return Act((who,), stage.at - 1.0, stage.at + stay + 1.0, "brief" if near else "", zone)


def _left_bag(stage: Stage, near: bool) -> Act:
    to, bag = stage.terrain.anywhere(), stage.bag()
    if not near:
        rest = stage.between(0.5, 3.0)
        who = stage.comes(to, put_down(), stand(rest), bag=bag)
        return Act((who, who + 1), stage.at, stage.at + 1.2 + rest + stage.between(13.0, 22.0))
    if stage.chance(0.5):
        rest = stage.between(3.0, 12.0)
        who = stage.comes(to, put_down(), stand(rest), pick_up(), bag=bag)
        return Act((who, who + 1), stage.at, stage.at + 2.4 + rest, "taken")
    rest = stage.between(14.0, 24.0)
    who = stage.comes(to, put_down(), stand(rest), pick_up(), bag=bag)
    return Act((who, who + 1), stage.at, stage.at + 1.2 + rest, "attended")


def _fall(stage: Stage, near: bool) -> Act:
    to = stage.terrain.anywhere()
    if near:
        what = stage.one_of("sits", "ties", "crouches", "sits_on_ground")
        seconds = stage.between(2.5, 9.0)
        step = {
            "sits": sit(seconds),
            "sits_on_ground": sit(seconds, how="ground"),
            "ties": bend(seconds),
            "crouches": crouch(seconds),
        }[what]
        who = stage.comes(to, step)
        return Act((who,), stage.at - 0.8, stage.at + seconds + 0.8, what)
    tumble, down = stage.between(0.6, 1.2), stage.between(4.0, 14.0)
    start = stage.terrain.way_in(to)
    speed = stage.between(0.9, 1.7)
    who = stage.cast.person(
        stage.at - math.dist(start, to) / speed, start, walk(*to, speed), fall(tumble), lie(_FAR_SECONDS)
    )
    return Act((who,), stage.at, stage.at + tumble + down)


def _meet(stage: Stage, apart_m: float) -> tuple[Point, Point]:
    """Two places to stand, so far from each other."""
    here = stage.terrain.anywhere()
    for _ in range(_MAX_TRIES):
        angle = stage.between(0, 2 * math.pi)
        there = here[0] + apart_m * math.cos(angle), here[1] + apart_m * math.sin(angle)
        if stage.terrain.is_walkable(there) and stage.terrain.is_seen(there):
            return here, there
    raise NoRoomError("no room for two")


def _fight(stage: Stage, near: bool) -> Act:
    seconds = stage.between(2.0, 5.0) if near else stage.between(3.0, 11.0)
    how = stage.one_of("shake", "hug", "wave", "talk")
    here, there = _meet(stage, 0.8 if not near else {"shake": 0.9, "hug": 0.45, "wave": 1.8, "talk": 0.9}[how])
    pair = []
    for one, other in ((here, there), (there, here)):
        met: Step = fight(seconds, other)
        if near and how == "talk":
            met = stand(seconds + 3.0, other)
        elif near:
            met = greet(seconds, other, "shake" if how == "shake" else "hug" if how == "hug" else "wave")
        after = [stand(stage.between(1.0, 5.0), other)] if near and stage.chance(0.5) else []
        pair.append(stage.comes(one, met, *after))
    end = stage.at + seconds + (3.0 if near and how == "talk" else 0.0)
    return Act(tuple(pair), stage.at, end, ("talks" if how == "talk" else "greets") if near else "")


def _stretch(stage: Stage, length_m: float, way: Point | None = None) -> tuple[Point, Point]:
    """Two places in view at least so far apart, the second in a direction from the first where one is given."""
    for _ in range(4 * _MAX_TRIES):
        start, end = stage.terrain.anywhere(), stage.terrain.anywhere()
        apart = math.dist(start, end)
        along = (end[0] - start[0]) * way[0] + (end[1] - start[1]) * way[1] if way else apart
        if apart >= length_m and along > 0.9 * apart:
            return start, end
    raise NoRoomError("no stretch so long")


def _running(stage: Stage, near: bool) -> Act:
    start, end = _stretch(stage, 4.5)
    speed = stage.between(1.75, 2.1) if near else stage.between(3.4, 5.2)
    lead = 0.5 * speed * stage.between(0.0, 1.0)
    if near and stage.chance(0.25):
        who = stage.cast.person(stage.at - 1.0, start, cycle(end, stage.between(3.0, 5.0)))
        return Act((who,), stage.at - 1.0, stage.at + math.dist(start, end) / 4.0, "cycles")
    steps = [walk(*end, speed)] if near else [run(*end, speed)]
    on = stage.terrain.way_in(end)
    who = stage.cast.person(stage.at - lead / speed, start, *steps, walk(*on, speed if near else 1.5))
    duration = math.dist(start, end) / speed
    return Act((who,), stage.at, stage.at + duration, "walks_fast" if near else "")


def _wrong_way(stage: Stage, near: bool) -> Act:
    way = stage.one_way if near else (-stage.one_way[0], -stage.one_way[1])
    start, end = _stretch(stage, 3.5, way)
    speed = stage.between(1.0, 1.7)
    before = stage.between(0.5, 2.5)
    who = stage.cast.person(stage.at - before, start, walk(*end, speed), stand(stage.between(1.0, 4.0)))
    start_seconds, end_seconds = stage.at - before, stage.at - before + math.dist(start, end) / speed
    for _ in range(int(stage.rng.integers(4))):
        begin, on = _stretch(stage, 3.0, stage.one_way)
        stage.cast.person(stage.at + stage.between(-6.0, 6.0), begin, walk(*on, stage.between(1.0, 1.7)))
    return Act((who,), start_seconds, end_seconds, "right_way" if near else "")


def _crowd(stage: Stage, near: bool) -> Act:
    num = int(stage.rng.integers(2, 4)) if near else int(stage.rng.integers(6, 10))
    centre = stage.terrain.anywhere()
    stay = stage.between(5.0, 12.0)
    who = []
    for _ in range(num):
        place = stage.terrain.beside(centre, 0.0, 3.5)
        step = greet(stay, centre) if stage.chance(0.15) else stand(stay, centre)
        who.append(stage.comes(place, step))
    return Act(tuple(who), stage.at, stage.at + stay, "few" if near else "", max_extras=1)


def _tailgating(stage: Stage, near: bool) -> Act:
    line = stage.one_of(*stage.place.lines) if stage.place.lines else ""
    if not line:
        raise NoRoomError(f"{stage.place.name} has no line")
    before, after = _across(stage, stage.place.lines[line])
    speed = stage.between(1.0, 1.5)
    gap = stage.between(4.5, 8.0) if near else stage.between(0.7, 1.4)
    to_line = math.dist(before, after) / 2 / speed
    leads, follows = (
        stage.cast.person(
            stage.at - to_line + late, before, walk(*after, speed), *([stand(4.0)] if late == 0.0 and near else [])
        )
        for late in (0.0, gap)
    )
    return Act((follows, leads), stage.at - 1.0, stage.at + gap + 1.0, "apart" if near else "", line=line, max_extras=2)


def _across(stage: Stage, ends: tuple[Point, Point]) -> tuple[Point, Point]:
    """Places on either side of a line with a walk across it between them."""
    (ax, az), (bx, bz) = ends
    length = math.dist(*ends)
    normal = (az - bz) / length, (bx - ax) / length
    for _ in range(_MAX_TRIES):
        share, side = stage.between(0.2, 0.8), 1.0 if stage.chance(0.5) else -1.0
        on = ax + share * (bx - ax), az + share * (bz - az)
        sides = []
        for sign in (side, -side):
            reach = sign * stage.between(1.2, 3.0)
            sides.append((on[0] + reach * normal[0], on[1] + reach * normal[1]))
        if stage.terrain.is_seen(sides[0]) and all(stage.terrain.is_walkable(each) for each in sides):
            return sides[0], sides[1]
    raise NoRoomError("no way across the line")


def _vehicle(stage: Stage, near: bool) -> Act:
    zone = stage.zone(FOOTPATHS)
    road = stage.road()
    speed = stage.between(2.0, 5.0)
    if near:
        start, end = road
        label = "road"
    else:
        start, end = _along(stage.place.zones[zone])
        label = ""
    if stage.chance(0.5):
        start, end = end, start
    add = {"car": stage.cast.car, "truck": stage.cast.truck, "motorcycle": stage.cast.motorcycle}
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    stay = stage.between(1.0, 5.0) if stage.chance(0.3) else 0.0
    began = stage.at - math.dist(start, middle) / speed
    steps = [drive(*middle, speed), *([park(stay)] if stay else []), drive(*end, speed)]
    who = add[stage.one_of("car", "car", "truck", "motorcycle")](began, start, *steps)
    return Act((who,), began + 0.2, stage.at + stay + math.dist(middle, end) / speed - 0.2, label, zone)


def _along(corners: tuple[Point, ...]) -> tuple[Point, Point]:
    """The middle line of an area, along its longer way."""
    points = np.array(corners, float)
    centre = points.mean(axis=0)
    axes = np.linalg.svd(points - centre, full_matrices=False)[2]
    reach = float(np.abs((points - centre) @ axes[0]).max()) * 0.9
    start, end = centre - reach * axes[0], centre + reach * axes[0]
    return (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))


def _climbing(stage: Stage, near: bool) -> Act:
    if stage.place.fence is None:
        raise NoRoomError(f"{stage.place.name} has no fence")
    ends, height = stage.place.fence
    here, over = _at_fence(stage, ends, 0.45 if not near else stage.between(0.5, 0.9))
    if not near:
        seconds = stage.between(3.5, 7.0)
        start = stage.terrain.way_in(here)
        began = stage.at - math.dist(start, here) / 1.4
        after = stage.pause(1.5, 4.0)
        who = stage.cast.person(began, start, walk(*here, 1.4), climb(over, seconds, height), after)
        return Act((who,), stage.at, stage.at + seconds)
    if stage.chance(0.4):
        pause = stand(stage.between(2.0, 6.0), over)
        who = stage.comes(here, pause)
        return Act((who,), stage.at - 0.5, stage.at + pause.seconds + 0.5, "stands_at_fence")
    on, _ = _at_fence(stage, ends, stage.between(0.5, 1.1))
    who = stage.comes(here, walk(*on))
    return Act((who,), stage.at - 0.5, stage.at + math.dist(here, on) / 1.35 + 0.5, "walks_along_fence")


def _at_fence(stage: Stage, ends: tuple[Point, Point], apart_m: float) -> tuple[Point, Point]:
    """A place in view in front of the fence, and the one over against it."""
    (ax, az), (bx, bz) = ends
    length = math.dist(*ends)
    for _ in range(2 * _MAX_TRIES):
        share, sign = stage.between(0.05, 0.95), 1.0 if stage.chance(0.5) else -1.0
        x, z = ax + share * (bx - ax), az + share * (bz - az)
        aside = sign * apart_m * (az - bz) / length, sign * apart_m * (bx - ax) / length
        here, over = (x + aside[0], z + aside[1]), (x - aside[0], z - aside[1])
        if stage.terrain.is_seen(here) and stage.terrain.is_walkable(here):
            return here, over
    raise NoRoomError("no way up to the fence")


def _smoke(stage: Stage, near: bool) -> Act:
    end = stage.at + stage.between(6.0, 15.0)
    if near:
        if stage.place.indoor:
            return Act((), stage.at, end, "flat", seen={"contrast": stage.between(0.45, 0.6)})
        return Act((), stage.at, end, "fog", seen={"weather": "fog"})
    who = stage.cast.smoke(stage.at, stage.terrain.anywhere(), _FAR_SECONDS, stage.between(0.6, 1.8))
    return Act((who,), stage.at, end)


def _fault(kind: FaultKind) -> Callable[[Stage, bool], Act]:
    def act(stage: Stage, near: bool) -> Act:
        start = stage.at + stage.between(0.0, 3.0)
        end = start + stage.between(5.0, 12.0)
        if not near:
            return Act((), start, end, faults=(Fault(kind, start, _FAR_SECONDS),), max_extras=5)
        if kind == "covered":
            light = Light(start, end, stage.between(0.3, 0.5), stage.between(0.05, 2.0))
            return Act((), start, end, "light_change", lights=(light,))
        if kind == "moved":
            return Act((), start, end, "shake", seen={"shake_px": stage.between(1.5, 4.0)})
        if stage.place.indoor or stage.chance(0.5):
            return Act((), start, end, "soft", seen={"defocus_px": stage.between(0.9, 1.5)})
        return Act((), start, end, "rain", seen={"weather": "rain"})

    return act


def _ordinary(stage: Stage, near: bool) -> Act:
    return Act((), stage.at, stage.at + stage.between(5.0, 20.0), "ordinary" if near else "", max_extras=6)


ACTS: dict[str, Callable[[Stage, bool], Act]] = {
    "intrusion": _intrusion,
    "loitering": _loitering,
    "left_bag": _left_bag,
    "fall": _fall,
    "fight": _fight,
    "running": _running,
    "wrong_way": _wrong_way,
    "crowd": _crowd,
    "tailgating": _tailgating,
    "vehicle_on_footpath": _vehicle,
    "climbing": _climbing,
    "smoke": _smoke,
    "covered": _fault("covered"),
    "moved": _fault("moved"),
    "defocused": _fault("defocused"),
    "ordinary": _ordinary,
}
