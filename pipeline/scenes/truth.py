"""What a scene says of itself: who is where in a frame, and what happens when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.values import Box

EventKind = Literal["enters", "loiters", "passes", "crosses", "runs", "left_behind", "parks", "light"]


@dataclass(frozen=True, slots=True)
class ActorTruth:
    """One thing in one frame."""

    id: int
    """The same in every frame of the scene; from 1."""
    label: str
    """`person`, `car`, `dog`, `backpack` or `suitcase`: COCO's words."""
    box: Box
    """Around what is drawn of it (without its shadow), cut at the picture's edge, absolute pixels. What hides
    behind something else is not taken off."""
    action: str
    """`walk`, `run`, `stand`; of a bag `carried` or `left`; of a car `drive` or `parked`."""


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """Everything in one frame, farthest first."""

    at_seconds: float
    actors: tuple[ActorTruth, ...]


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """Something that happens, by the foot point on the ground; times to about 2 ms.

    | kind | from … to |
    |---|---|
    | `enters` | a person or car, seen outside before, is inside `zone` |
    | `loiters` | inside `zone`: true from 15 s, a near miss from 2 to 10 s |
    | `passes` | near miss: close to `zone`, never inside |
    | `crosses` | the moment the foot point passes `line`, with `direction` |
    | `runs` | a person runs |
    | `left_behind` | a bag stands on the ground: true when its bringer is away for 10 s or more, else near miss |
    | `parks` | a car stands |
    | `light` | near miss: the light changes |
    """

    kind: EventKind
    who: int
    """Id of the actor; 0 for the light."""
    start_seconds: float
    end_seconds: float
    zone: str = ""
    line: str = ""
    direction: Literal["", "left_to_right", "right_to_left"] = ""
    is_near_miss: bool = False
    """It looks like something to report and is not: an alert on it is a false one."""
