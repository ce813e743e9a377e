"""Scenes made for cut-outs alone: a place that each second is full of other people and things, each kind as often.

Staged situations show mostly people who walk; here every label, pose and action comes up, in every build, dress,
light and distance, for a tenth of the rendering. There is no story in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from pipeline.scenes.acts import Stage
from pipeline.scenes.conditions import draw_conditions
from pipeline.scenes.place import Match, Place
from pipeline.scenes.scene import Scene, Script
from pipeline.scenes.script import (
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
    put_down,
    run,
    sit,
    stand,
    walk,
)
from pipeline.scenes.terrain import NoRoomError

_AT_ONCE = (5, 9)
"""Of people and things, least and most."""
_WITH_BAG = 0.4
_SHOWN = 0.5
"""When within its second a moment is looked at."""

_SETTLING = 1.2
"""Seconds that going into a pose takes at most."""

Add = Callable[[Stage, float], None]


def gallery(rng: np.random.Generator, place: Place, seconds: int) -> Scene:
    """A scene to be looked at half-way through each second; `NoRoomError` where next to no ground is in view."""
    setting = Stage(place, rng)
    for second in range(seconds):
        for _ in range(int(rng.integers(*_AT_ONCE))):
            _add_one(setting, float(second))
    script = Script(
        name=place.name,
        duration_seconds=float(seconds),
        view=place.view,
        paint=place.paint,
        actors=tuple(setting.cast.actors),
        trees=place.trees,
        has_sun=place.has_sun,
        conditions=draw_conditions(rng, place),
        match=None if place.match == Match() else place.match,
        occluders=place.occluders,
    )
    return Scene(script, int(rng.integers(2**31)))


def looked_at(seconds: int) -> tuple[float, ...]:
    """The moments to render."""
    return tuple(second + _SHOWN for second in range(seconds))


def _add_one(setting: Stage, second: float) -> None:
    kinds = tuple(_KINDS.values())
    try:
        kinds[int(setting.rng.integers(len(kinds)))](setting, second)
    except NoRoomError:
        return


def _staying(step: Callable[[float], Step], *first: Step) -> Add:
    """Somebody who does one thing on the spot, looking anywhere."""

    def add(setting: Stage, second: float) -> None:
        here = setting.terrain.anywhere()
        turn = walk(*_aside(setting, here, 0.02))
        bag = setting.bag() if setting.chance(_WITH_BAG / 2) else None
        setting.cast.person(
            second - _SETTLING, here, turn, *first, step(1.0 + _SETTLING), bag=bag, bag_until=second + 1
        )

    return add


def _going(step: Callable[[Point], Step], with_bag: float) -> Add:
    """Somebody on the way from anywhere to anywhere, at any phase of the gait."""

    def add(setting: Stage, second: float) -> None:
        here = setting.terrain.anywhere()
        bag = setting.bag() if setting.chance(with_bag) else None
        setting.cast.person(second, here, step(_aside(setting, here, 6.0)), bag=bag, bag_until=second + 1)

    return add


def _falls(setting: Stage, second: float) -> None:
    """Seen at any point of the fall."""
    here = setting.terrain.anywhere()
    began = second + _SHOWN - 0.2 - setting.between(0.15, 0.75)
    setting.cast.person(began, here, walk(*_aside(setting, here, 0.2), 1.0), fall())


def _climbs(setting: Stage, second: float) -> None:
    """Over the place's own fence, at any height."""
    if setting.place.fence is None:
        raise NoRoomError("no fence")
    ((ax, az), (bx, bz)), height = setting.place.fence
    share = setting.between(0.05, 0.95)
    here = ax + share * (bx - ax), az + share * (bz - az)
    across = -(bz - az), bx - ax
    length = math.hypot(*across)
    start = here[0] - across[0] / length * 0.4, here[1] - across[1] / length * 0.4
    end = here[0] + across[0] / length * 0.4, here[1] + across[1] / length * 0.4
    seconds = 4.0
    setting.cast.person(second + _SHOWN - setting.between(0.4, 3.6), start, climb(end, seconds, height))


def _two(step: Callable[[float, Point], Step], nearest_m: float, farthest_m: float) -> Add:
    """Two who have to do with each other."""

    def add(setting: Stage, second: float) -> None:
        here = setting.terrain.anywhere()
        there = setting.terrain.beside(here, nearest_m, farthest_m)
        setting.cast.person(second - 1, here, step(2.0, there))
        setting.cast.person(second - 1, there, step(2.0, here))

    return add


def _left_bag(setting: Stage, second: float) -> None:
    """A bag on the ground whose bringer is gone."""
    here = setting.terrain.anywhere()
    turn = walk(*_aside(setting, here, 0.02))
    setting.cast.person(second - 1.3, here, turn, put_down(), bag=setting.bag(), bag_until=second + 1)


def _vehicle(name: str) -> Add:
    """Parked or driving, seen from any side, where vehicles belong or else out of doors."""

    def add(setting: Stage, second: float) -> None:
        if setting.place.indoor and name in ("car", "truck"):
            raise NoRoomError("indoors")
        here = setting.terrain.anywhere()
        there = _aside(setting, here, 6.0)
        if setting.place.drivable and setting.chance(0.6):
            (ax, az), (bx, bz) = setting.road()
            share = setting.between(0.1, 0.9)
            here, there = (ax + share * (bx - ax), az + share * (bz - az)), (bx, bz)
        nearly = here[0] + (there[0] - here[0]) * 1e-3, here[1] + (there[1] - here[1]) * 1e-3
        steps = (drive(*there),) if setting.chance(0.4) and name != "bicycle" else (drive(*nearly), park(1.0))
        getattr(setting.cast, name)(second, here, *steps)

    return add


def _animal(name: str) -> Add:
    def add(setting: Stage, second: float) -> None:
        here = setting.terrain.anywhere()
        step = (walk, run)[int(setting.rng.integers(2))](*_aside(setting, here, 5.0))
        turn = walk(*_aside(setting, here, 0.02))
        getattr(setting.cast, name)(second, here, *((turn, stand(1.0)) if setting.chance(0.3) else (step,)))

    return add


def _smokes(setting: Stage, second: float) -> None:
    age = setting.between(1.0, 12.0)
    setting.cast.smoke(second - age, setting.terrain.anywhere(), age + 1.0, setting.between(0.4, 1.5))


def _aside(setting: Stage, point: Point, metres: float) -> Point:
    angle = setting.between(0, 2 * math.pi)
    return point[0] + metres * math.cos(angle), point[1] + metres * math.sin(angle)


_KINDS: Mapping[str, Add] = {
    "stand": _staying(stand),
    "walk": _going(lambda to: walk(*to), _WITH_BAG),
    "run": _going(lambda to: run(*to), _WITH_BAG / 2),
    "crouch": _staying(crouch),
    "bend": _staying(bend),
    "climb": _climbs,
    "lie": _staying(lie, fall(0.05)),
    "sit on a chair": _staying(sit),
    "sit on the ground": _staying(lambda seconds: sit(seconds, how="ground")),
    "fall": _falls,
    "fall again": _falls,
    "fight": _two(fight, 0.5, 0.9),
    "greet": _two(greet, 0.6, 1.2),
    "wave": _staying(lambda seconds: greet(seconds, how="wave")),
    "cycle": _going(cycle, _WITH_BAG / 2),
    "car": _vehicle("car"),
    "truck": _vehicle("truck"),
    "bicycle": _vehicle("bicycle"),
    "motorcycle": _vehicle("motorcycle"),
    "dog": _animal("dog"),
    "cat": _animal("cat"),
    "bird": _animal("bird"),
    "bag": _left_bag,
    "another bag": _left_bag,
    "smoke": _smokes,
}
