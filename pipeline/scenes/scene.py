"""A scene: any moment of it as a picture with its truth, and all that happens in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.contracts.values import Box, Image, NormalisedPoint
from pipeline.scenes.backdrop import Tree
from pipeline.scenes.draw import Brush, exposed
from pipeline.scenes.events import true_events
from pipeline.scenes.figures import draw_actor
from pipeline.scenes.script import Actor, Light, Point, Pose
from pipeline.scenes.truth import ActorTruth, FrameTruth, TrueEvent
from pipeline.scenes.view import View

_GRAIN_SLACK_PX = 64
_GRAIN_SIGMA = 2.2
"""Standard deviation of the sensor's noise, grey levels; a clean CCTV picture by day."""
_SMALLEST_PX = 2.0
"""A sliver at the picture's edge that is thinner than this does not count as in the frame."""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that makes a scene, before it has a size and a seed's noise."""

    name: str
    duration_seconds: float
    view: View
    paint: Callable[[View, np.random.Generator], Image]
    actors: tuple[Actor, ...] = ()
    zones: Mapping[str, tuple[Point, ...]] | None = None
    """Name to corners on the ground, metres."""
    lines: Mapping[str, tuple[Point, Point]] | None = None
    lights: tuple[Light, ...] = ()
    trees: tuple[Tree, ...] = ()
    has_sun: bool = True


class Scene:
    """Pure in script, seed and time: the same moment gives the same bytes, in any order."""

    def __init__(self, script: Script, seed: int) -> None:
        self.name = script.name
        self.duration_seconds = script.duration_seconds
        self.zones: dict[str, tuple[NormalisedPoint, ...]] = {
            name: script.view.normalised(corners) for name, corners in (script.zones or {}).items()
        }
        self.lines: dict[str, tuple[NormalisedPoint, NormalisedPoint]] = {
            name: _line(script.view, ends) for name, ends in (script.lines or {}).items()
        }
        self._script = script
        self._seed = seed
        rng = np.random.default_rng((seed, 7))
        self._backdrop = script.paint(script.view, rng)
        self._trees = [tree.sway(script.view, seed) for tree in script.trees]
        self._grain = self._make_grain(rng)

    @functools.cached_property
    def events(self) -> tuple[TrueEvent, ...]:
        """What happens, in time order."""
        script = self._script
        return true_events(
            script.actors, script.zones or {}, script.lines or {}, script.lights, script.duration_seconds
        )

    def render(self, at_seconds: float) -> tuple[Image, FrameTruth]:
        """The picture at a moment (HWC uint8 RGB, the caller's own) and what is in it."""
        pixels = self._backdrop.copy()
        brush = Brush(pixels)
        for sway in self._trees:
            sway(brush, at_seconds)
        truths = []
        for actor, pose in self._present(at_seconds):
            box = draw_actor(brush, self._script.view, actor, pose, has_sun=self._script.has_sun)
            seen = _cut(box, self._script.view.size)
            if seen is not None:
                truths.append(ActorTruth(actor.id, actor.label, seen, pose.action))
        gain = math.prod(light.factor(at_seconds) for light in self._script.lights)
        return exposed(pixels, gain, self._grain_at(at_seconds)), FrameTruth(at_seconds, tuple(truths))

    def _present(self, at_seconds: float) -> list[tuple[Actor, Pose]]:
        """Who is there, farthest first."""
        poses = [(actor, pose) for actor in self._script.actors if (pose := actor.pose(at_seconds)) is not None]
        return sorted(poses, key=lambda present: -_depth(*present))

    def _make_grain(self, rng: np.random.Generator) -> Image:
        width, height = self._script.view.size
        shape = (height + _GRAIN_SLACK_PX, width + _GRAIN_SLACK_PX, 3)
        return np.clip(np.rint(rng.normal(128, _GRAIN_SIGMA, shape)), 0, 255).astype(np.uint8)

    def _grain_at(self, at_seconds: float) -> Image:
        """A window into a larger field of noise, elsewhere at every millisecond: drawing it anew each time
        would take several times longer than all the rest."""
        width, height = self._script.view.size
        spot = np.random.default_rng((self._seed, round(at_seconds * 1000) + 2**32))
        left, top = (int(offset) for offset in spot.integers(_GRAIN_SLACK_PX, size=2))
        return self._grain[top : top + height, left : left + width]


def _depth(actor: Actor, pose: Pose) -> float:
    """Metres away, for painting far to near; a carried bag hides its bringer or is hidden by them."""
    if pose.action != "carried":
        return pose.z
    return pose.z - (0.3 * math.cos(pose.heading) if actor.label == "suitcase" else 0.2 * math.sin(pose.heading))


def _line(view: View, ends: tuple[Point, Point]) -> tuple[NormalisedPoint, NormalisedPoint]:
    first, second = view.normalised(ends)
    return first, second


def _cut(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box inside the picture."""
    seen = Box(max(box.left, 0.0), max(box.top, 0.0), min(box.right, size[0]), min(box.bottom, size[1]))
    return seen if seen.width >= _SMALLEST_PX and seen.height >= _SMALLEST_PX else None
