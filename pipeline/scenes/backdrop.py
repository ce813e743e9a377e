"""What does not move in a scene, painted once, and the tree, which does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.contracts.values import Image
from pipeline.scenes.draw import Brush, halved, shade, texture
from pipeline.scenes.script import Colour, Point
from pipeline.scenes.view import View

_CONCRETE: Colour = (150, 148, 142)
_STEEL: Colour = (92, 98, 104)


class Painter:
    """Paints surfaces given in metres, at twice the size; `finish` halves it, which smooths every edge."""

    def __init__(self, view: View, ground: Colour, rng: np.random.Generator) -> None:
        width, height = view.size
        self._view = replace(view, size=(width * 2, height * 2))
        self._rng = rng
        pixels = np.empty((height * 2, width * 2, 3), np.uint8)
        pixels[:] = ground
        self._brush = Brush(pixels)

    def patch(self, corners: tuple[tuple[float, float, float], ...], colour: Colour) -> None:
        """A flat convex area of (x, up, z) corners."""
        self._brush.polygon(self._view.project(np.array(corners)), colour)

    def ground(self, left: float, right: float, near: float, far: float, colour: Colour) -> None:
        """A rectangle on the ground."""
        self.patch(((left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)), colour)

    def wall(self, left: float, right: float, z: float, low: float, high: float, colour: Colour) -> None:
        """A rectangle facing the camera."""
        self.patch(((left, low, z), (right, low, z), (right, high, z), (left, high, z)), colour)

    def stroke(
        self, start: tuple[float, float, float], end: tuple[float, float, float], width: float, colour: Colour
    ) -> None:
        """A bar of `width` metres between two points."""
        a, b = self._view.project(np.array([start, end]))
        self._brush.line(a, b, width * float(a[2] + b[2]) / 2, colour)

    def outline(self, polygon: tuple[Point, ...], width: float, colour: Colour) -> None:
        """A painted line around a ground area."""
        for (x, z), (next_x, next_z) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            self.stroke((x, 0, z), (next_x, 0, next_z), width, colour)

    def finish(self, roughness: float) -> Image:
        """The picture, with the texture of its materials."""
        pixels = halved(self._brush.pixels)
        height, width = pixels.shape[:2]
        rough = pixels + texture(self._rng, (width, height), roughness)
        finished: Image = np.clip(rough, 0, 255).astype(np.uint8)
        return finished


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree in the wind: leaves that each swing on their own."""

    x: float
    z: float
    height: float = 5.5
    num_leaves: int = 70

    def sway(self, view: View, seed: int) -> Callable[[Brush, float], None]:
        """Grow it from the seed; what is returned draws it at a moment."""
        rng = np.random.default_rng((seed, 77))
        angle = rng.uniform(0, 2 * math.pi, self.num_leaves)
        out = np.sqrt(rng.uniform(0, 1, self.num_leaves)) * self.height * 0.32
        leaves = np.stack(
            [self.x + out * np.cos(angle), self.height * 0.72 + 0.9 * out * np.sin(angle), np.full_like(out, self.z)], 1
        )
        phases = rng.uniform(0, 2 * math.pi, self.num_leaves)
        radii = rng.uniform(0.3, 0.55, self.num_leaves)
        green = [shade((64, 96, 48), float(tone)) for tone in rng.uniform(0.7, 1.25, self.num_leaves)]
        trunk = view.project(np.array([(self.x, 0.0, self.z), (self.x, self.height * 0.7, self.z)]))

        def draw(brush: Brush, at_seconds: float) -> None:
            swung = leaves.copy()
            gust = 0.6 + 0.4 * math.sin(at_seconds * 0.45)
            swung[:, 0] += gust * (
                0.16 * np.sin(at_seconds * 1.9 + 0.3 * phases) + 0.07 * np.sin(at_seconds * 5.3 + phases)
            )
            brush.line(trunk[0], trunk[1], 0.3 * float(trunk[0, 2]), (74, 58, 44))
            for (x, y, scale), radius, colour in zip(view.project(swung), radii, green, strict=True):
                brush.disc((x, y), radius * scale, colour)

        return draw


def paint_yard(view: View, rng: np.random.Generator) -> Image:
    """A depot yard: pavement and kerb in front, parking bays, a fence on the left, a hall with a gate behind."""
    painter = Painter(view, (112, 112, 114), rng)
    painter.wall(-24, 24, 30, 0, 9, (136, 142, 146))
    for x in np.arange(-24, 24, 0.8):
        painter.wall(float(x), float(x) + 0.3, 29.99, 0.3, 9, (122, 128, 133))
    painter.wall(-24, 24, 29.98, 0, 0.5, _CONCRETE)
    painter.wall(5.2, 8.8, 29.97, 0, 3.6, (70, 74, 80))
    painter.wall(5.5, 8.5, 29.96, 0, 3.3, (38, 40, 44))
    for up in np.arange(1.9, 3.3, 0.28):
        painter.wall(5.5, 8.5, 29.95, float(up), float(up) + 0.2, (156, 92, 40))
    for x in (-4.0, -0.5, 11.5):
        painter.wall(x, x + 1.8, 29.95, 2.0, 3.4, (74, 92, 108))
        painter.wall(x + 0.86, x + 0.94, 29.94, 2.0, 3.4, (206, 208, 208))
    painter.ground(-24, 24, 0, 11.2, (146, 140, 132))
    for x in np.arange(-14, 14, 1.0):
        painter.stroke((float(x), 0, 6.5), (float(x), 0, 11.2), 0.035, (128, 122, 115))
    for z in (7.6, 8.8, 10.0):
        painter.stroke((-14, 0, z), (14, 0, z), 0.03, (128, 122, 115))
    painter.ground(-24, 24, 11.2, 11.5, (196, 192, 184))
    for x in (3.2, 6.2, 9.2, 12.2):
        painter.stroke((x, 0, 14.2), (x, 0, 19.0), 0.12, (206, 206, 200))
    painter.outline(((5.2, 23.0), (8.8, 23.0), (8.8, 27.8), (5.2, 27.8)), 0.14, (212, 176, 60))
    _paint_fence(painter, -16.0, -1.0, 24.2)
    painter.outline(((-10.5, 17.5), (-1.5, 17.5), (-1.5, 23.6), (-10.5, 23.6)), 0.14, (212, 176, 60))
    return painter.finish(5.0)


def paint_street(view: View, rng: np.random.Generator) -> Image:
    """A road between two pavements, a zebra crossing in the middle, houses behind."""
    painter = Painter(view, (104, 104, 107), rng)
    painter.wall(-30, 30, 27, 0, 12, (150, 120, 100))
    for x in np.arange(-21, 21, 3.5):
        painter.wall(float(x) + 0.8, float(x) + 2.2, 26.9, 1.0, 2.9, (66, 80, 94))
        painter.wall(float(x) + 0.7, float(x) + 2.3, 26.9, 0.85, 1.0, (206, 200, 190))
    painter.ground(-30, 30, 21.5, 27, _CONCRETE)
    painter.ground(-30, 30, 0, 11.5, _CONCRETE)
    for x in np.arange(-15, 15, 1.2):
        painter.stroke((float(x), 0, 6), (float(x), 0, 11.4), 0.03, (132, 130, 124))
    for z in (11.5, 21.3):
        painter.ground(-30, 30, z, z + 0.25, (190, 188, 182))
    for x in np.arange(-24, 24, 3.0):
        if abs(x + 0.75) > 3.5:
            painter.ground(float(x), float(x) + 1.5, 16.4, 16.6, (210, 210, 204))
    for z in np.arange(12.1, 21.0, 1.1):
        painter.ground(-1.8, 1.8, float(z), float(z) + 0.55, (206, 206, 202))
    return painter.finish(4.5)


def paint_corridor(view: View, rng: np.random.Generator) -> Image:
    """Indoors: a long corridor with doors, lamps in the ceiling, a mark across the floor."""
    painter = Painter(view, (44, 46, 50), rng)
    painter.patch(((-2, 0, 1), (2, 0, 1), (2, 0, 22), (-2, 0, 22)), (128, 122, 112))
    painter.patch(((-2, 3, 1), (2, 3, 1), (2, 3, 22), (-2, 3, 22)), (206, 206, 200))
    for wall, tone in ((-2, (176, 180, 176)), (2, (190, 192, 186))):
        painter.patch(((wall, 0, 1), (wall, 3, 1), (wall, 3, 22), (wall, 0, 22)), tone)
        painter.patch(((wall, 0, 1), (wall, 0.15, 1), (wall, 0.15, 22), (wall, 0, 22)), (84, 82, 80))
    painter.wall(-2, 2, 22, 0, 3, (150, 156, 160))
    painter.wall(-0.8, 0.8, 21.95, 0, 2.2, (92, 104, 112))
    for side, z in ((-1.99, 6.5), (-1.99, 14.0), (1.99, 9.0), (1.99, 16.5)):
        painter.patch(((side, 0, z), (side, 2.1, z), (side, 2.1, z + 1.2), (side, 0, z + 1.2)), (120, 84, 56))
    for z in (4.0, 8.0, 12.0, 16.0):
        painter.patch(((-0.5, 2.99, z), (0.5, 2.99, z), (0.5, 2.99, z + 1.6), (-0.5, 2.99, z + 1.6)), (250, 250, 242))
    painter.ground(-2, 2, 7.95, 8.05, (196, 168, 60))
    return painter.finish(3.0)


def _paint_fence(painter: Painter, left: float, right: float, z: float) -> None:
    """Posts, two rails and thin bars."""
    for x in np.arange(left, right, 0.3):
        painter.stroke((float(x), 0.1, z), (float(x), 1.9, z), 0.03, (120, 126, 130))
    for up in (0.2, 1.0, 1.85):
        painter.stroke((left, up, z), (right, up, z), 0.06, _STEEL)
    for x in np.arange(left, right + 0.1, 2.5):
        painter.stroke((float(x), 0, z), (float(x), 2.1, z), 0.12, (70, 76, 82))
