"""A scene: any moment of it as a picture with its truth, and all that happens in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image, NormalisedPoint
from pipeline.scenes.backdrop import Tree
from pipeline.scenes.conditions import Conditions, Lens
from pipeline.scenes.draw import Brush, exposed
from pipeline.scenes.events import true_events
from pipeline.scenes.pixels import fitted, paste, scaled
from pipeline.scenes.place import Match, Occluder
from pipeline.scenes.script import Actor, Light, Point
from pipeline.scenes.staging import draw_actors, present_at
from pipeline.scenes.truth import ActorTruth, FrameTruth, TrueEvent
from pipeline.scenes.view import View

_GRAIN_SLACK_PX = 64
_GRAIN_SIGMA = 2.2
"""Standard deviation of the sensor's noise, grey levels; a clean CCTV picture by day."""


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
    conditions: Conditions | None = None
    """How the camera sees; None: as a clean one by day."""
    match: Match | None = None
    """How figures are fitted into a real picture; None: they are drawn as they are."""
    occluders: tuple[Occluder, ...] = ()
    one_way: Point | None = None
    """The direction everybody should go, where there is one."""


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
        self._lens = Lens(script.conditions, seed, script.view.size) if script.conditions is not None else None
        self._grain_rng = rng
        farthest_first = sorted(script.occluders, key=lambda each: -each.z)
        self._hiding = [(each.z, each.mask.astype(np.uint8) * 255) for each in farthest_first]

    @functools.cached_property
    def events(self) -> tuple[TrueEvent, ...]:
        """What happens, in time order."""
        script = self._script
        return true_events(
            script.actors,
            script.zones or {},
            script.lines or {},
            script.lights,
            script.duration_seconds,
            one_way=script.one_way,
            faults=script.conditions.faults if script.conditions is not None else (),
        )

    def render(self, at_seconds: float) -> tuple[Image, FrameTruth]:
        """The picture at a moment (HWC uint8 RGB, the caller's own) and what is in it."""
        pixels = self._backdrop.copy()
        brush = Brush(pixels)
        for sway in self._trees:
            sway(brush, at_seconds)
        standing = pixels.copy() if self._script.match or self._hiding else pixels
        truths = self._draw(brush, standing, at_seconds)
        if self._script.match is not None:
            fitted(pixels, standing, self._script.match)
        gain = math.prod(light.factor(at_seconds) for light in self._script.lights)
        if self._lens is None:
            return exposed(pixels, gain, self._grain_at(at_seconds)), FrameTruth(at_seconds, truths)
        seen = self._lens.apply(pixels if gain == 1 else scaled(pixels, gain), at_seconds)
        return seen, FrameTruth(at_seconds, self._lens.truths(truths, at_seconds))

    def _draw(self, brush: Brush, standing: Image, at_seconds: float) -> tuple[ActorTruth, ...]:
        """Everybody, far to near; what stands before somebody is put back over them."""
        view, has_sun = self._script.view, self._script.has_sun
        present, truths = present_at(self._script.actors, at_seconds), []
        for z, mask in self._hiding:
            behind = [(actor, pose) for actor, pose in present if pose.z >= z]
            present = [(actor, pose) for actor, pose in present if pose.z < z]
            truths += [_partly(seen, mask) for seen in draw_actors(brush, view, behind, has_sun=has_sun)]
            paste(brush.pixels, standing, mask)
        return (*truths, *draw_actors(brush, view, present, has_sun=has_sun))

    @functools.cached_property
    def _grain(self) -> Image:
        """Made when first asked for: a scene with conditions has noise of its own."""
        width, height = self._script.view.size
        shape = (height + _GRAIN_SLACK_PX, width + _GRAIN_SLACK_PX, 3)
        return np.clip(np.rint(self._grain_rng.normal(128, _GRAIN_SIGMA, shape)), 0, 255).astype(np.uint8)

    def _grain_at(self, at_seconds: float) -> Image:
        """A window into a larger field of noise, elsewhere at every millisecond: drawing it anew each time
        would take several times longer than all the rest."""
        width, height = self._script.view.size
        spot = np.random.default_rng((self._seed, round(at_seconds * 1000) + 2**32))
        left, top = (int(offset) for offset in spot.integers(_GRAIN_SLACK_PX, size=2))
        return self._grain[top : top + height, left : left + width]


def _line(view: View, ends: tuple[Point, Point]) -> tuple[NormalisedPoint, NormalisedPoint]:
    first, second = view.normalised(ends)
    return first, second


def _partly(seen: ActorTruth, mask: NDArray[np.uint8]) -> ActorTruth:
    """What the mask hides of somebody, by its share of their box."""
    box = seen.box
    area = mask[int(box.top) : math.ceil(box.bottom), int(box.left) : math.ceil(box.right)]
    return replace(seen, visible=round(seen.visible * (1 - float(area.mean()) / 255), 3))
