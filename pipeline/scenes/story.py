"""What a staged scene is about, and all of its truth that a picture alone does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.scenes.conditions import Fault
from pipeline.scenes.scene import Scene
from pipeline.scenes.script import Point
from pipeline.scenes.tracks import Tracks
from pipeline.scenes.wording_en import named_en
from pipeline.scenes.wording_zh import named_zh


@dataclass(frozen=True, slots=True)
class Crossing:
    """An actor's foot point passes a line."""

    line: str
    who: int
    at_seconds: float
    way: int
    """1 to the left of someone walking along the line, -1 to the right."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an actor is called by: its label and the colour that strikes the eye, "" where none can be told."""

    label: str
    colour: str = ""
    number: int = 0
    """1, 2, … among those of the same label and colour; 0 when it is the only one."""


@dataclass(frozen=True, slots=True)
class Story:
    """The situation, or its near miss, and the scene's exact truth."""

    situation: str
    is_near_miss: bool
    place: str
    light: str
    """`day`, `dusk` or `infrared`."""
    weather: str
    """`clear`, `rain` or `fog`."""
    zone: str
    """Name of the zone it is about, "" when it is about none."""
    line: str
    who: tuple[int, ...]
    """Ids of those it is about, the one who acts first."""
    start_seconds: float
    end_seconds: float
    names: Mapping[int, str]
    """Actor id to an English noun phrase, different for each."""
    near_miss: str = ""
    """What happens in place of the situation: `passes`, `brief`, `taken`, …; "" when it is none."""
    duration_seconds: float = 0.0
    """Of the scene."""
    looks: Mapping[int, Look] = field(default_factory=dict)
    crossings: tuple[Crossing, ...] = ()
    faults: tuple[Fault, ...] = ()
    has_light_change: bool = False
    one_way: Point | None = None
    """Direction on the ground everybody should move in, a unit vector."""
    tracks: Tracks = field(default=None, repr=False, compare=False)  # type: ignore[assignment]  # always given by stage()

    @property
    def is_real(self) -> bool:
        """Whether the situation itself takes place."""
        return self.situation != "ordinary" and not self.is_near_miss


@dataclass(frozen=True, slots=True)
class Staged:
    """A scene and what it is about."""

    scene: Scene
    story: Story


def names_of(looks: Mapping[int, Look], language: str = "en") -> dict[int, str]:
    """A noun phrase for every actor, different for each: `the second person in red`."""
    named = named_zh if language == "zh" else named_en
    return {actor: named(look.label, look.colour, look.number) for actor, look in looks.items()}


def key_times(story: Story, n: int, rng: np.random.Generator) -> tuple[float, ...]:
    """`n` moments, in order, that show what the story is about: most of them from its start to its end, one from
    before it and one from after where there is time."""
    last = max(story.duration_seconds - 0.05, 0.0)
    start, end = min(story.start_seconds, last), min(story.end_seconds, last)
    if n == 1:
        return (float(rng.uniform(start, max(end, start))),)
    margin = max(0.35 * (end - start), 1.0)
    low, high = max(start - margin * rng.uniform(0.2, 1.5), 0.0), min(end + margin * rng.uniform(0.2, 1.5), last)
    num_around = 2 if n >= 4 else 0
    inner = np.linspace(start, end, n - num_around)
    shifts = rng.uniform(-0.3, 0.3, len(inner)) * (end - start) / max(len(inner), 2)
    moments = np.concatenate([np.clip(inner + shifts, start, end), [low, high][:num_around]])
    return tuple(float(at) for at in np.sort(_apart(moments, last)))


def _apart(moments: np.ndarray, last: float) -> np.ndarray:
    """The same moments, at least 50 ms from each other where the scene is long enough."""
    ordered = np.sort(moments)
    gap = min(0.05, last / max(len(ordered), 1))
    for index in range(1, len(ordered)):
        ordered[index] = max(ordered[index], ordered[index - 1] + gap)
    overrun = max(float(ordered[-1]) - last, 0.0)
    return np.clip(ordered - overrun, 0.0, last)
