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

from pipeline.scenes.looks import Colour as Colour
from pipeline.scenes.looks import Look as Look
from pipeline.scenes.looks import Wardrobe

Point = tuple[float, float]
"""(x, z) on the ground, metres."""
Label = Literal[
    "person", "car", "truck", "bicycle", "motorcycle", "dog", "cat", "bird",
    "backpack", "suitcase", "handbag", "smoke", "chair",
]  # fmt: skip
BagLabel = Literal["backpack", "suitcase", "handbag"]

WALK_SPEED = 1.35
RUN_SPEED = 4.2
DRIVE_SPEED = 6.0
CYCLE_SPEED = 4.5
"""Metres a second: a usual walk, a run, a car in a yard, an easy ride."""
FALL_SECONDS = 0.9
"""From upright to the ground; real falls take 0.6 to 1.2 s."""
FENCE_M = 1.6
"""How high `climb` goes by default."""
_CLIMBED = (0.45, 0.62)
"""Shares of a climb at which the top is reached and left."""
_PLAIN = frozenset({"walk", "run", "stand", "put_down", "pick_up"})
"""What the plain figures of the first scenes can do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a screenplay: go somewhere, do something for a while, or handle the bag."""

    action: str
    to: Point | None = None
    speed: float = 0.0
    seconds: float = 0.0
    facing: Point | None = None
    """What it turns to; by default it looks where it went last."""
    how: str = ""
    """The variant of the action, where there are several; by default the actor's own."""
    height: float = 0.0
    """How high a climb goes, metres."""


def walk(x: float, z: float, speed: float = WALK_SPEED) -> Step:
    """Walk to a point."""
    return Step("walk", (x, z), speed)


def run(x: float, z: float, speed: float = RUN_SPEED) -> Step:
    """Run to a point."""
    return Step("run", (x, z), speed)


def drive(x: float, z: float, speed: float = DRIVE_SPEED) -> Step:
    """Drive to a point."""
    return Step("drive", (x, z), speed)


def stand(seconds: float, facing: Point | None = None) -> Step:
    """Stay."""
    return Step("stand", seconds=seconds, facing=facing)


def crouch(seconds: float, facing: Point | None = None) -> Step:
    """Squat."""
    return Step("crouch", seconds=seconds, facing=facing)


def bend(seconds: float, facing: Point | None = None, how: Literal["", "stoop", "kneel"] = "") -> Step:
    """Reach for a shoe: stooping or on one knee."""
    return Step("bend", seconds=seconds, facing=facing, how=how)


def sit(seconds: float, facing: Point | None = None, how: Literal["chair", "ground"] = "chair") -> Step:
    """Sit, on a chair that stands there all the while or on the ground."""
    return Step("sit", seconds=seconds, facing=facing, how=how)


def fall(seconds: float = FALL_SECONDS, how: Literal["", "front", "back", "left", "right"] = "") -> Step:
    """Fall to the ground; `lie` keeps it there."""
    return Step("fall", seconds=seconds, how=how)


def lie(seconds: float, how: Literal["", "front", "back", "left", "right"] = "") -> Step:
    """Lie on the ground."""
    return Step("lie", seconds=seconds, how=how)


def climb(to: Point, seconds: float, height: float = FENCE_M) -> Step:
    """Climb up `height` metres, over, and down at `to`."""
    return Step("climb", to, seconds=seconds, height=height)


def fight(seconds: float, facing: Point | None = None) -> Step:
    """Hit, shove and kick at whoever stands in front (about 0.8 m away)."""
    return Step("fight", seconds=seconds, facing=facing)


def greet(seconds: float, facing: Point | None = None, how: Literal["", "wave", "shake", "hug"] = "") -> Step:
    """Wave, shake hands with whoever stands in front (about 0.9 m away), or embrace them (about 0.4 m)."""
    return Step("greet", seconds=seconds, facing=facing, how=how)


def cycle(to: Point, speed: float = CYCLE_SPEED) -> Step:
    """Ride a bicycle to a point; the bicycle stands where the ride began before, and stays where it ended."""
    return Step("cycle", to, speed)


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
    seconds: float = 0.0
    """Since this action began."""
    left_seconds: float = 0.0
    """Until it ends."""
    before: str = ""
    """What it did before; empty when it appeared with this."""
    how: str = ""
    lift: float = 0.0
    """Metres above the ground, of who climbs."""
    doing: str = ""
    """Of a carried bag: what its bringer does."""


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
    before: str = ""
    how: str = ""
    height: float = 0.0
    doing: str = ""

    def pose(self, at_seconds: float) -> Pose:
        """Where the actor is during this leg."""
        length = self.end_seconds - self.start_seconds
        share = (at_seconds - self.start_seconds) / length if length > 0 else 0.0
        over = self._over(share) if self.action == "climb" or self.doing == "climb" else share
        x = self.start[0] + over * (self.end[0] - self.start[0])
        z = self.start[1] + over * (self.end[1] - self.start[1])
        travelled = self.travelled + share * math.dist(self.start, self.end)
        seconds, left_seconds = at_seconds - self.start_seconds, self.end_seconds - at_seconds
        return Pose(
            x, z, self.heading, travelled, self.action, seconds, left_seconds,
            self.before, self.how, self._lift(share), self.doing,
        )  # fmt: skip

    def _over(self, share: float) -> float:
        """How much of the way a climber has gone: none while going up, all of it while coming down."""
        up, down = _CLIMBED
        return min(max((share - up) / (down - up), 0.0), 1.0)

    def _lift(self, share: float) -> float:
        up, down = _CLIMBED
        return self.height * min(share / up, 1.0, max((1 - share) / (1 - down), 0.0)) if self.height else 0.0


@dataclass(frozen=True)
class Actor:
    """Somebody or something with a track. Present from its first leg's start to its last leg's end."""

    id: int
    label: Label
    legs: tuple[Leg, ...]
    look: Look
    bringer: int = 0
    """Of a bag: who carries it; of a bicycle: who rides it."""
    bearer: Look | None = None
    """Of a bag or vehicle with a varied look: the look of who carries or rides it."""
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
    """Collects actors as a screenplay names them, and dresses them by the seed.

    Every method that adds somebody or something gives its id; a bag and a bicycle follow their bringer's.
    """

    def __init__(self, rng: np.random.Generator, *, varied: bool = False) -> None:
        """`varied` draws looks, builds, clothes, textures and shading at random, as training needs; without it
        everybody is one of the few plain figures of the first scenes, and rendered byte for byte as ever."""
        self._wardrobe = Wardrobe(rng, varied=varied)
        self.actors: list[Actor] = []

    def person(
        self,
        at: float,
        start: Point,
        *steps: Step,
        bag: BagLabel | None = None,
        bag_until: float = math.inf,
    ) -> int:
        """Somebody who appears at `start`, with or without a bag, and is gone after the last step; a bag that
        was left stays until `bag_until`."""
        legs = _compile(at, start, steps)
        look = self._wardrobe.person(is_plain=all(step.action in _PLAIN for step in steps))
        owner = self._add("person", [_named(leg) for leg in legs], look)
        if bag is not None:
            bag_look = self._wardrobe.bag(bag, bearer=look)
            self._add(bag, _bag_legs(legs, bag_until), bag_look, owner, bearer=look if bag_look.style else None)
        if any(leg.action == "cycle" for leg in legs):
            self._add("bicycle", _cycle_legs(legs, bag_until), self._wardrobe.bicycle(), owner, bearer=look)
        for leg in legs:
            if leg.action == "sit" and leg.how == "chair":
                self._add("chair", [_lasting(leg)], self._wardrobe.chair())
        return owner

    def dog(self, at: float, start: Point, *steps: Step) -> int:
        """A dog."""
        return self._add("dog", _compile(at, start, steps), self._wardrobe.dog())

    def cat(self, at: float, start: Point, *steps: Step) -> int:
        """A cat."""
        return self._add("cat", _compile(at, start, steps), self._wardrobe.cat())

    def bird(self, at: float, start: Point, *steps: Step) -> int:
        """A bird; when it `run`s, it flies low."""
        return self._add("bird", _compile(at, start, steps), self._wardrobe.bird())

    def car(self, at: float, start: Point, *steps: Step) -> int:
        """A car."""
        return self._add("car", _compile(at, start, steps), self._wardrobe.car())

    def truck(self, at: float, start: Point, *steps: Step) -> int:
        """A lorry or a delivery van."""
        return self._add("truck", _compile(at, start, steps), self._wardrobe.truck())

    def bicycle(self, at: float, start: Point, *steps: Step) -> int:
        """A bicycle that nobody rides; for a rider, give a person a `cycle` step."""
        return self._add("bicycle", _compile(at, start, steps), self._wardrobe.bicycle())

    def motorcycle(self, at: float, start: Point, *steps: Step) -> int:
        """A motorcycle; while it drives, a person sits on it (the next id, when it drives at all)."""
        legs = _compile(at, start, steps)
        motorcycle = self._add("motorcycle", legs, self._wardrobe.motorcycle())
        ridden = [replace(leg, action="cycle", how="motorcycle") for leg in legs if leg.action == "drive"]
        if ridden:
            self._add("person", ridden, self._wardrobe.person(is_plain=False, hat="helmet"))
        return motorcycle

    def smoke(self, at: float, place: Point, seconds: float, spread: float = 1.0) -> int:
        """Smoke that rises from a place; `spread` 1 grows to about two metres' width and three of height."""
        legs = [Leg(at, at + seconds, place, place, 0.0, 0.0, "rise")]
        return self._add("smoke", legs, self._wardrobe.smoke(spread))

    def _add(self, label: Label, legs: list[Leg], look: Look, bringer: int = 0, bearer: Look | None = None) -> int:
        self.actors.append(Actor(len(self.actors) + 1, label, tuple(legs), look, bringer, bearer))
        return len(self.actors)


def _compile(at: float, start: Point, steps: tuple[Step, ...]) -> list[Leg]:
    legs: list[Leg] = []
    now, here, heading, travelled, before = at, start, 0.0, 0.0, ""
    for step in steps:
        there = step.to or here
        distance = math.dist(here, there)
        target = there if distance > 0 else step.facing or here
        if target != here:
            heading = math.atan2(target[1] - here[1], target[0] - here[0])
        until = now + (distance / step.speed if step.speed else step.seconds)
        legs.append(Leg(now, until, here, there, heading, travelled, step.action, before, step.how, step.height))
        now, here, travelled, before = until, there, travelled + distance, step.action
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
            replace(leg, action="carried", doing=leg.action)
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


def _cycle_legs(legs: list[Leg], until: float) -> list[Leg]:
    """The bicycle stands where the first ride begins, goes with its rider, and stays where the ride ends."""
    first = next(leg for leg in legs if leg.action == "cycle")
    ride = [replace(first, end_seconds=first.start_seconds, start_seconds=legs[0].start_seconds, end=first.start)]
    for leg in legs:
        if leg.action == "cycle":
            ride.append(replace(leg, action="drive"))
        elif leg.start_seconds >= first.start_seconds:
            end = ride[-1].end
            ride.append(replace(leg, start=end, end=end, heading=ride[-1].heading, action="parked", height=0.0))
    if legs[-1].action != "cycle" and until < math.inf:
        ride.append(replace(ride[-1], start_seconds=legs[-1].end_seconds, end_seconds=until))
    return [replace(ride[0], action="parked"), *ride[1:]]


def _lasting(leg: Leg) -> Leg:
    """Something that stands at a leg's place from before the beginning until after the end."""
    return replace(leg, start_seconds=-1e6, end_seconds=1e6, action="left")
