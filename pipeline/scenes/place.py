"""What a place is: where the camera hangs, what it looks at, and what an operator would mark in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.scenes.backdrop import Tree
from pipeline.scenes.script import Point
from pipeline.scenes.view import View

_HEADROOM_M = 2.3
"""What stands so high at the far end is still in the picture."""

Paint = Callable[[View, np.random.Generator], Image]


class Area(NamedTuple):
    """A rectangle on the ground, metres, in the order of `Painter.ground`."""

    left: float
    right: float
    near: float
    far: float

    @property
    def corners(self) -> tuple[Point, ...]:
        """Counted from near left, as a zone has them."""
        return (self.left, self.near), (self.right, self.near), (self.right, self.far), (self.left, self.far)

    @property
    def centre(self) -> Point:
        """The middle."""
        return (self.left + self.right) / 2, (self.near + self.far) / 2


@dataclass(frozen=True, slots=True)
class Occluder:
    """Something of the backdrop that hides who walks behind it."""

    mask: NDArray[np.bool_]
    """(H, W): its pixels."""
    z: float
    """How far it stands: it hides what is farther, metres."""


@dataclass(frozen=True, slots=True)
class Match:
    """How drawn figures are made to look like the picture they stand in."""

    softness_px: float = 0.0
    """Sigma of the blur that makes their outlines as soft as the picture's."""
    black: float = 0.0
    white: float = 255.0
    """The picture's darkest and lightest: what a figure's 0 and 255 become."""
    saturation: float = 1.0
    """0 in a grey picture."""
    noise: float = 0.0
    """Standard deviation of the picture's noise, grey levels."""


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to stage a scene. Nothing painted in it hides anybody who stays on `walkable`, but `occluders`."""

    name: str
    view: View
    paint: Paint
    walkable: tuple[Area, ...]
    """Where people may go, beyond the picture's edges too: that is where they come from."""
    zones: Mapping[str, tuple[Point, ...]]
    """Named as operators would, corners on the ground, metres."""
    lines: Mapping[str, tuple[Point, Point]]
    drivable: tuple[Area, ...] = ()
    """Where vehicles belong."""
    fence: tuple[tuple[Point, Point], float] | None = None
    """Its line on the ground and its height, metres."""
    has_sun: bool = True
    indoor: bool = False
    one_way: Point | None = None
    """The direction everybody should go, a unit vector on the ground."""
    trees: tuple[Tree, ...] = ()
    match: Match | None = None
    """How figures are fitted into a real picture."""
    occluders: tuple[Occluder, ...] = ()


def aimed(
    rng: np.random.Generator, size: tuple[int, int], height: float, field: float, near: float, far: float
) -> View:
    """A camera whose picture begins `near` metres ahead at its lower edge, turned a little to either side; its field
    is widened where somebody at `far` would not be in it."""
    down_near, down_far = math.atan(height / near), math.atan((height - _HEADROOM_M) / far)
    half = max(math.atan(9 / 16 * math.tan(math.radians(field) / 2)), (down_near - down_far) / 2)
    wide = 2 * math.degrees(math.atan(16 / 9 * math.tan(half)))
    return View(size, height, math.degrees(down_near - half), wide, yaw_degrees=float(rng.uniform(-5, 5)))


def mirrored(place: Place) -> Place:
    """The same place with left and right exchanged."""
    paint, view = place.paint, replace(place.view, yaw_degrees=-place.view.yaw_degrees)

    def painted(_: View, rng: np.random.Generator) -> Image:
        return np.ascontiguousarray(paint(place.view, rng)[:, ::-1])

    return replace(
        place,
        view=view,
        paint=painted,
        walkable=tuple(_swapped(area) for area in place.walkable),
        drivable=tuple(_swapped(area) for area in place.drivable),
        zones={name: tuple((-x, z) for x, z in reversed(corners)) for name, corners in place.zones.items()},
        lines={name: _flipped(line) for name, line in place.lines.items()},
        fence=(_flipped(place.fence[0]), place.fence[1]) if place.fence else None,
        one_way=(-place.one_way[0], place.one_way[1]) if place.one_way else None,
        trees=tuple(replace(tree, x=-tree.x) for tree in place.trees),
        occluders=tuple(replace(each, mask=np.ascontiguousarray(each.mask[:, ::-1])) for each in place.occluders),
    )


def _swapped(area: Area) -> Area:
    return Area(-area.right, -area.left, area.near, area.far)


def _flipped(line: tuple[Point, Point]) -> tuple[Point, Point]:
    (ax, az), (bx, bz) = line
    return (-bx, bz), (-ax, az)


def reach(view: View, z: float) -> float:
    """How far to either side, metres, the ground is seen at `z`, whichever way the camera is turned."""
    pitch, yaw = math.radians(view.pitch_degrees), abs(math.radians(view.yaw_degrees))
    depth = z * math.cos(pitch) + view.height * math.sin(pitch)
    return max(depth * math.tan(math.radians(view.field_degrees) / 2) * 0.94 - z * math.tan(yaw), 1.0)


def across(view: View, near: float, far: float) -> tuple[Point, ...]:
    """Corners of a strip of ground over the whole width of the picture."""
    (a, b), (c, d) = line_at(view, near), line_at(view, far)
    return a, b, d, c


def line_at(view: View, z: float) -> tuple[Point, Point]:
    """A line over the whole width of the picture."""
    wide = reach(view, z)
    return (-wide, z), (wide, z)
