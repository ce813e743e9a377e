"""Screenplays: who walks where and when, in metres on the ground and seconds.

The ground's x runs to the right of the picture, its z away from the camera. A screenplay is written as steps
(`walk`, `stand`, `run`, `put_down`, …) and compiled into tracks that can be asked for any moment.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Point = tuple[float, float]
"""(x, z) on the ground, metres."""
Colour = tuple[int, int, int]
Label = Literal["person", "car", "dog", "backpack", "suitcase"]

WALK_SPEED = 1.35
RUN_SPEED = 4.2
DRIVE_SPEED = 6.0
"""Metres a second: a usual walk, a run, a car in a yard."""

_SHIRTS: tuple[Colour, ...] = (
    (176, 52, 48),
    (52, 84, 150),
    (222, 222, 214),
    (60, 116, 70),
    (212, 168, 52),
    (70, 62, 88),
)
_TROUSERS: tuple[Colour, ...] = ((42, 48, 66), (62, 56, 50), (34, 34, 38), (104, 96, 82))
_SKINS: tuple[Colour, ...] = ((232, 190, 160), (198, 146, 110), (134, 92, 66), (92, 62, 46))
_HAIRS: tuple[Colour, ...] = ((36, 28, 24), (84, 58, 36), (150, 142, 136), (168, 122, 66))
_CARS: tuple[Colour, ...] = ((150, 34, 36), (48, 74, 128), (196, 198, 200), (44, 46, 50))
_BAGS: dict[str, Colour] = {"suitcase": (150, 62, 40), "backpack": (38, 82, 92)}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a screenplay: go somewhere, stand for a while, or handle the bag."""

    action: str
    to: Point | None = None
    speed: float = 0.0
    seconds: float = 0.0


def walk(x: float, z: float, speed: float = WALK_SPEED) -> Step:
    """Walk to a point."""
    return Step("walk", (x, z), speed)


def run(x: float, z: float, speed: float = RUN_SPEED) -> Step:
    """Run to a point."""
    return Step("run", (x, z), speed)


def drive(x: float, z: float, speed: float = DRIVE_SPEED) -> Step:
    """Drive to a point."""
    return Step("drive", (x, z), speed)


def stand(seconds: float) -> Step:
    """Stay."""
    return Step("stand", seconds=seconds)


def park(seconds: float) -> Step:
    """Stay, as a car does."""
    return Step("parked", seconds=seconds)


def put_down() -> Step:
    """Put the bag on the ground, which takes a moment."""
    return Step("put_down", seconds=1.2)


def pick_up() -> Step:
    """Take the bag again."""
    return Step("pick_up", seconds=1.2)


@dataclass(frozen=True, slots=True)
class Pose:
    """An actor at one moment."""

    x: float
    z: float
    heading: float
    """Radians from the x axis towards z: where it faces."""
    travelled: float
    """Metres gone since it appeared: the phase of its gait."""
    action: str


@dataclass(frozen=True, slots=True)
class Leg:
    """A straight piece of a track, at constant speed."""

    start_seconds: float
    end_seconds: float
    start: Point
    end: Point
    heading: float
    travelled: float
    action: str

    def pose(self, at_seconds: float) -> Pose:
        """Where the actor is during this leg."""
        length = self.end_seconds - self.start_seconds
        share = (at_seconds - self.start_seconds) / length if length > 0 else 0.0
        x = self.start[0] + share * (self.end[0] - self.start[0])
        z = self.start[1] + share * (self.end[1] - self.start[1])
        travelled = self.travelled + share * math.dist(self.start, self.end)
        return Pose(x, z, self.heading, travelled, self.action)


@dataclass(frozen=True, slots=True)
class Look:
    """How an actor is drawn."""

    height: float
    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour


@dataclass(frozen=True)
class Actor:
    """Somebody or something with a track. Present from its first leg's start to its last leg's end."""

    id: int
    label: Label
    legs: tuple[Leg, ...]
    look: Look
    bringer: int = 0
    """Of a bag: who carries it."""
    _starts: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_starts", tuple(leg.start_seconds for leg in self.legs))

    @property
    def start_seconds(self) -> float:
        """When it appears."""
        return self.legs[0].start_seconds

    @property
    def end_seconds(self) -> float:
        """When it is gone."""
        return self.legs[-1].end_seconds

    def pose(self, at_seconds: float) -> Pose | None:
        """Where it is; None when it is not there."""
        if not self.start_seconds <= at_seconds < self.end_seconds:
            return None
        return self.legs[bisect_right(self._starts, at_seconds) - 1].pose(at_seconds)


@dataclass(frozen=True, slots=True)
class Light:
    """A change of the light: over `ramp_seconds` to `gain`, and back over as long from `end_seconds`."""

    start_seconds: float
    end_seconds: float
    gain: float
    ramp_seconds: float

    def factor(self, at_seconds: float) -> float:
        """What every pixel is multiplied with."""
        ramp = max(self.ramp_seconds, 1e-6)
        gone = min(max((at_seconds - self.start_seconds) / ramp, 0.0), 1.0)
        back = min(max((at_seconds - self.end_seconds) / ramp, 0.0), 1.0)
        return 1 + (self.gain - 1) * (gone - back)


class Cast:
    """Collects actors as a screenplay names them, and dresses them by the seed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.actors: list[Actor] = []

    def person(
        self,
        at: float,
        start: Point,
        *steps: Step,
        bag: Literal["backpack", "suitcase"] | None = None,
        bag_until: float = math.inf,
    ) -> None:
        """Somebody who appears at `start`, with or without a bag, and is gone after the last step; a bag that
        was left stays until `bag_until`."""
        legs = _compile(at, start, steps)
        owner = self._add("person", [_named(leg) for leg in legs], self._dressed())
        if bag is not None:
            colour = _BAGS[bag]
            look = Look(0.62 if bag == "suitcase" else 0.45, colour, colour, colour, colour)
            self._add(bag, _bag_legs(legs, bag_until), look, bringer=owner)

    def dog(self, at: float, start: Point, *steps: Step) -> None:
        """A dog."""
        coat = self._pick(_HAIRS)
        self._add("dog", _compile(at, start, steps), Look(0.55, coat, coat, coat, coat))

    def car(self, at: float, start: Point, *steps: Step) -> None:
        """A car."""
        paint = self._pick(_CARS)
        self._add("car", _compile(at, start, steps), Look(1.45, paint, paint, paint, paint))

    def _dressed(self) -> Look:
        height = float(self._rng.uniform(1.62, 1.90))
        return Look(height, self._pick(_SHIRTS), self._pick(_TROUSERS), self._pick(_SKINS), self._pick(_HAIRS))

    def _pick(self, colours: tuple[Colour, ...]) -> Colour:
        return colours[int(self._rng.integers(len(colours)))]

    def _add(self, label: Label, legs: list[Leg], look: Look, bringer: int = 0) -> int:
        self.actors.append(Actor(len(self.actors) + 1, label, tuple(legs), look, bringer))
        return len(self.actors)


def _compile(at: float, start: Point, steps: tuple[Step, ...]) -> list[Leg]:
    legs: list[Leg] = []
    now, here, heading, travelled = at, start, 0.0, 0.0
    for step in steps:
        there = step.to or here
        distance = math.dist(here, there)
        if distance > 0:
            heading = math.atan2(there[1] - here[1], there[0] - here[0])
        until = now + (distance / step.speed if step.to else step.seconds)
        legs.append(Leg(now, until, here, there, heading, travelled, step.action))
        now, here, travelled = until, there, travelled + distance
    return legs


def _named(leg: Leg) -> Leg:
    """A person's leg: handling a bag is standing."""
    return replace(leg, action="stand") if leg.action in ("put_down", "pick_up") else leg


def _bag_legs(legs: list[Leg], until: float) -> list[Leg]:
    """The bag goes with its bringer, stands between `put_down` and `pick_up`, and stays if never taken."""
    bag: list[Leg] = []
    put_down: Leg | None = None
    for leg in legs:
        put_down = leg if leg.action == "put_down" else put_down
        bag.append(
            replace(leg, action="carried")
            if put_down is None
            else _standing(put_down, leg.start_seconds, leg.end_seconds)
        )
        put_down = None if leg.action == "pick_up" else put_down
    if put_down is not None:
        bag.append(_standing(put_down, legs[-1].end_seconds, until))
    return bag


def _standing(put_down: Leg, start_seconds: float, end_seconds: float) -> Leg:
    """A bag where and as it was put down."""
    return replace(put_down, start_seconds=start_seconds, end_seconds=end_seconds, action="left")
