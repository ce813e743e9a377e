"""Bystanders: the ordinary life around what a story is about."""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.scenes.acts import Act, Stage
from pipeline.scenes.script import bend, crouch, cycle, drive, greet, park, run, sit, stand, walk
from pipeline.scenes.terrain import NoRoomError

_SPREAD_SECONDS = 14.0
"""Bystanders turn up so long before the act begins to so long after."""
_LASTING_SECONDS = 90.0


def add_extras(stage: Stage, act: Act, situation: str) -> None:
    """Cast up to `act.max_extras` of them, clear of the zone, each at something ordinary."""
    kinds = [kind for kind, unfit in _UNFIT.items() if situation not in unfit]
    for _ in range(int(stage.rng.integers(act.max_extras + 1))):
        began, stage.at = stage.at, stage.at + stage.between(-_SPREAD_SECONDS, _SPREAD_SECONDS)
        try:
            kinds[int(stage.rng.integers(len(kinds)))](stage, (act.zone,) if act.zone else ())
        except NoRoomError:
            continue
        finally:
            stage.at = began


def _walker(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Walks through, some with a bag."""
    stage.comes(
        stage.terrain.anywhere(avoid), *([stage.pause(0.5, 4.0)] if stage.chance(0.3) else []),
        avoid=avoid, bag=stage.bag() if stage.chance(0.35) else None,
    )  # fmt: skip


def _waiting(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Stands around."""
    stage.comes(stage.terrain.anywhere(avoid), stand(stage.between(5.0, 25.0)), avoid=avoid)


def _pair(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Two who talk."""
    here = stage.terrain.anywhere(avoid)
    there = stage.terrain.beside(here, 0.6, 1.3, avoid)
    seconds = stage.between(4.0, 15.0)
    stage.comes(here, stand(seconds, there), avoid=avoid)
    stage.comes(there, stand(seconds, here), avoid=avoid)


def _greeting(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Waves to somebody."""
    stage.comes(stage.terrain.anywhere(avoid), greet(stage.between(1.5, 4.0), how="wave"), avoid=avoid)


def _low(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Ties a shoe or squats."""
    seconds = stage.between(2.0, 7.0)
    stage.comes(stage.terrain.anywhere(avoid), bend(seconds) if stage.chance(0.5) else crouch(seconds), avoid=avoid)


def _sitter(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Sits all the while."""
    stage.cast.person(-1.0, stage.terrain.anywhere(avoid, 1.0), sit(_LASTING_SECONDS))


def _runner(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Jogs through."""
    to = stage.terrain.anywhere(avoid)
    start, end = stage.terrain.way_in(to, avoid), stage.terrain.way_in(to, avoid)
    stage.cast.person(stage.at, start, run(*to, 3.4), run(*end, 3.4))


def _cyclist(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Rides through."""
    if stage.place.indoor:
        raise NoRoomError("nobody cycles indoors")
    to = stage.terrain.anywhere(avoid)
    start, end = stage.terrain.way_in(to, avoid), stage.terrain.way_in(to, avoid)
    stage.cast.person(stage.at, start, cycle(to, stage.between(3.0, 5.0)), cycle(end, stage.between(3.0, 5.0)))


def _animal(stage: Stage, avoid: tuple[str, ...]) -> None:
    """A dog, a cat or a bird goes its way."""
    to = stage.terrain.anywhere(avoid)
    start, end = stage.terrain.way_in(to, avoid), stage.terrain.way_in(to, avoid)
    adds = (stage.cast.dog, stage.cast.cat, stage.cast.bird)
    add = adds[int(stage.rng.integers(3))]
    began = stage.at - math.dist(start, to)
    add(began, start, walk(*to, 1.0), stand(stage.between(1.0, 6.0)), walk(*end, 1.2))


def _parked(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Something stands where vehicles belong."""
    start, end = stage.road()
    share = stage.between(0.1, 0.9)
    place = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
    if avoid and not stage.terrain.is_clear(place, place, avoid, 2.0):
        raise NoRoomError("the zone is there")
    add = (stage.cast.car, stage.cast.truck, stage.cast.bicycle)[int(stage.rng.integers(3))]
    toward = place[0] + (end[0] - start[0]) * 1e-3, place[1] + (end[1] - start[1]) * 1e-3
    add(-2.0, place, drive(*toward, 1.0), park(_LASTING_SECONDS))


def _driver(stage: Stage, avoid: tuple[str, ...]) -> None:
    """Something drives by."""
    start, end = stage.road()
    if not stage.terrain.is_clear(start, end, avoid, 1.0):
        raise NoRoomError("the zone is in the way")
    add = (stage.cast.car, stage.cast.truck, stage.cast.motorcycle)[int(stage.rng.integers(3))]
    add(stage.at, start, drive(*end, stage.between(4.0, 7.0)))


_UNFIT: dict[Callable[[Stage, tuple[str, ...]], None], frozenset[str]] = {
    _walker: frozenset({"wrong_way", "tailgating"}),
    _waiting: frozenset({"wrong_way", "tailgating"}),
    _pair: frozenset({"wrong_way", "tailgating"}),
    _greeting: frozenset({"wrong_way", "tailgating"}),
    _low: frozenset({"wrong_way", "tailgating"}),
    _sitter: frozenset(),
    _runner: frozenset({"running", "wrong_way", "tailgating", "ordinary"}),
    _cyclist: frozenset({"wrong_way", "tailgating"}),
    _animal: frozenset(),
    _parked: frozenset(),
    _driver: frozenset({"wrong_way", "vehicle_on_footpath"}),
}
"""What ordinary people do, and the situations in which it would be the thing itself, or come close to it."""
