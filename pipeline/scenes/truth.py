"""What a scene says of itself: who is where in a frame, and what happens when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.values import Box

EventKind = Literal[
    "enters", "loiters", "passes", "crosses", "runs", "left_behind", "parks", "light",
    "falls", "lies", "climbs", "fights", "greets", "crouches", "sits",
    "crowd", "tailgates", "wrong_way", "smoke", "covered", "moved", "defocused",
]  # fmt: skip
Posture = Literal["", "upright", "crouched", "sitting", "lying"]


@dataclass(frozen=True, slots=True)
class ActorTruth:
    """One thing in one frame."""

    id: int
    """The same in every frame of the scene; from 1."""
    label: str
    """COCO's words (`person`, `bicycle`, `motorcycle`, `car`, `truck`, `dog`, `cat`, `bird`, `backpack`, `suitcase`,
    `handbag`), and `smoke`."""
    box: Box
    """Around what is drawn of it (without its shadow), cut at the picture's edge, absolute pixels. What hides
    behind something else is not taken off."""
    action: str
    """Of a person `stand`, `walk`, `run`, `crouch`, `bend`, `climb`, `lie`, `sit`, `fall`, `fight`, `greet`, `cycle`;
    of an animal `stand`, `walk`, `run`; of a vehicle `drive` or `parked`; of a bag `carried` or `left`; of smoke
    `rise`."""
    pose: Posture = ""
    """Of a person; of anything else empty."""
    carrying: tuple[str, ...] = ()
    """Labels of the bags this person carries now."""
    visible: float = 1.0
    """Share of what is drawn of it that nothing drawn later hides, 0 to 1; the picture's edge does not count."""


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
    | `falls` | from the first tumbling to getting up again, or to the end |
    | `lies` | a person lies, fallen or lain down |
    | `climbs`, `fights` | a person does so |
    | `greets`, `crouches`, `sits` | near misses of fights and falls; tying a shoe counts as crouching |
    | `crowd` | 5 or more people are in `zone` for 3 s or more; with 3 or 4 a near miss |
    | `tailgates` | crosses `line` within 1.5 s after somebody else, the same way; within 6 s a near miss |
    | `wrong_way` | moves against the way of the place for 1 s or more |
    | `smoke` | smoke rises |
    | `covered`, `moved`, `defocused` | the camera is |
    """

    kind: EventKind
    who: int
    """Id of the actor; 0 for the light, a crowd and the camera."""
    start_seconds: float
    end_seconds: float
    zone: str = ""
    line: str = ""
    direction: Literal["", "left_to_right", "right_to_left"] = ""
    is_near_miss: bool = False
    """It looks like something to report and is not: an alert on it is a false one."""
