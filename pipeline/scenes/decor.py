"""Dresses a place: textured floors and walls, windows, doors, shelves, posters, boxes and lamps.

Everything is given in metres and drawn far to near by the caller, at twice the size; `photograph` halves it and
adds what a lens and the light do to a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.scenes.backdrop import Painter
from pipeline.scenes.draw import shade
from pipeline.scenes.materials import Material, any_colour, clouds, tinted
from pipeline.scenes.pixels import enlarged, lay
from pipeline.scenes.script import Colour, Point
from pipeline.scenes.view import View

Space = tuple[float, float, float]
_NEAR_M = 0.3
_FULL_AT_PX = 0.55
"""Pixels of the picture a tile's pixel must cover to be seen in full."""


class Decorator(Painter):
    """A painter with materials."""

    def __init__(self, view: View, rng: np.random.Generator, behind: Colour) -> None:
        super().__init__(view, behind, rng)
        self.rng = rng
        self.camera_m = view.height

    def surface(self, origin: Space, along: Space, up: Space, length: float, height: float, made_of: Material) -> None:
        """A rectangle of `length` along one unit vector and `height` along the other."""
        matrix = self._view.plane(origin, along, up)
        outline = _in_front(matrix, length, height)
        if len(outline) < 3:
            return
        per_metre = made_of.tile.shape[0] / made_of.metres
        shift = np.array([[per_metre, 0, 0], [0, per_metre, 0], [0, 0, 1]])
        to_tile = shift @ np.linalg.inv(matrix)
        points = np.array([_at(matrix, u, v) for u, v in outline])
        fade = per_metre * _FULL_AT_PX / self._view.focal_px
        lay(self._brush.pixels, np.clip(points, -9000, 9000), made_of.tile, to_tile, fade)

    def floor(self, left: float, right: float, near: float, far: float, made_of: Material, up: float = 0.0) -> None:
        """A horizontal rectangle; at `up` metres a ceiling or a table."""
        self.surface((left, up, near), (1, 0, 0), (0, 0, 1), right - left, far - near, made_of)

    def face(self, left: float, right: float, z: float, low: float, high: float, made_of: Material) -> None:
        """A wall facing the camera; its tiles begin at its top."""
        self.surface((left, high, z), (1, 0, 0), (0, -1, 0), right - left, high - low, made_of)

    def side(self, x: float, near: float, far: float, low: float, high: float, made_of: Material) -> None:
        """A wall along the way the camera looks."""
        self.surface((x, high, near), (0, 0, 1), (0, -1, 0), far - near, high - low, made_of)

    def block(
        self, left: float, right: float, near: float, far: float, low: float, high: float, colour: Colour
    ) -> None:
        """A box: the faces that can be seen, and where it stands a dark edge."""
        if low == 0:
            rim = 0.12
            corners = [
                (left - rim, 0, near - rim),
                (right + rim, 0, near - rim),
                (right + rim, 0, far),
                (left - rim, 0, far),
            ]
            self._brush.darken([self._view.project(np.array(corners))], [0.0], 0.72)
        for x, is_seen in ((left, left > 0), (right, right < 0)):
            if is_seen:
                self.patch(((x, low, near), (x, low, far), (x, high, far), (x, high, near)), shade(colour, 0.72))
        if high < self._view.height:
            self.patch(
                ((left, high, near), (right, high, near), (right, high, far), (left, high, far)), shade(colour, 1.15)
            )
        self.wall(left, right, near, low, high, shade(colour, 0.9))

    def shelves(self, left: float, right: float, z: float, high: float, rows: int) -> None:
        """Shelves facing the camera, full of goods."""
        self.wall(left, right, z, 0, high, tinted(self.rng, (88, 88, 90)))
        for row in range(rows):
            low = 0.12 + row * (high - 0.15) / rows
            for start, end, top, colour in self._goods(left, right, low, high / rows):
                self.wall(start, end, z - 0.02, low, top, colour)

    def side_shelves(self, x: float, near: float, far: float, high: float, rows: int) -> None:
        """Shelves along the way the camera looks, full of goods."""
        self.side_patch(x, near, far, 0, high, tinted(self.rng, (88, 88, 90)))
        inner = x - math.copysign(0.02, x)
        for row in range(rows):
            low = 0.12 + row * (high - 0.15) / rows
            for start, end, top, colour in self._goods(near, far, low, high / rows):
                self.side_patch(inner, start, end, low, top, colour)

    def side_patch(self, x: float, near: float, far: float, low: float, high: float, colour: Colour) -> None:
        """A plain rectangle along the way the camera looks."""
        self.patch(((x, low, near), (x, low, far), (x, high, far), (x, high, near)), colour)

    def _goods(self, start: float, end: float, low: float, room: float) -> Iterator[tuple[float, float, float, Colour]]:
        """Where each thing on a shelf begins and ends, its top and its colour."""
        at = start + 0.04
        colour = any_colour(self.rng, saturation=0.9)
        while at < end - 0.1:
            wide = float(self.rng.uniform(0.12, 0.5))
            if self.rng.uniform() < 0.6:
                colour = any_colour(self.rng, saturation=0.9)
            if self.rng.uniform() < 0.85:
                yield at, min(at + wide, end), low + room * float(self.rng.uniform(0.4, 0.85)), colour
            at += wide + 0.03

    def picture(self, left: float, right: float, z: float, low: float, high: float) -> None:
        """A poster, a screen or a shop window: something with many colours."""
        self.wall(left - 0.05, right + 0.05, z, low - 0.05, high + 0.05, any_colour(self.rng, saturation=0.2))
        material = Material(photo(self.rng), max(right - left, high - low))
        self.face(left, right, z - 0.01, low, high, material)

    def window(self, left: float, right: float, z: float, low: float, high: float) -> None:
        """A window with a frame and a reflection."""
        frame, glass = tinted(self.rng, (206, 204, 198)), tinted(self.rng, (70, 84, 98), 1.5)
        self.wall(left - 0.08, right + 0.08, z, low - 0.08, high + 0.08, frame)
        self.wall(left, right, z - 0.01, low, high, glass)
        share = float(self.rng.uniform(0.2, 0.9))
        top = low + (high - low) * share
        self.patch(((left, top, z - 0.02), (right, high, z - 0.02), (left, high, z - 0.02)), shade(glass, 1.35))
        middle = (left + right) / 2
        self.wall(middle - 0.03, middle + 0.03, z - 0.03, low, high, frame)

    def door(self, left: float, right: float, z: float, high: float, colour: Colour) -> None:
        """A door with its frame and handle."""
        self.wall(left - 0.1, right + 0.1, z, 0, high + 0.1, shade(colour, 0.6))
        self.wall(left, right, z - 0.01, 0, high, colour)
        self.wall(
            left + 0.15,
            right - 0.15,
            z - 0.02,
            high * 0.55,
            high * 0.9,
            shade(colour, float(self.rng.uniform(0.6, 1.3))),
        )
        self.wall(right - 0.2, right - 0.1, z - 0.02, high * 0.46, high * 0.5, (200, 200, 196))

    def side_door(self, x: float, near: float, far: float, high: float, colour: Colour) -> None:
        """A door in a wall along the way the camera looks."""
        inner = x - math.copysign(0.02, x)
        self.side_patch(inner, near - 0.1, far + 0.1, 0, high + 0.1, shade(colour, 0.6))
        self.side_patch(inner * 0.995, near, far, 0, high, colour)
        self.side_patch(inner * 0.99, near + 0.2, far - 0.2, high * 0.55, high * 0.9, shade(colour, 1.2))

    def lattice(self, left: float, right: float, z: float, high: float, colour: Colour, bar: float) -> None:
        """A fence of bars between posts."""
        for x in np.arange(left, right, float(self.rng.uniform(0.16, 0.34))):
            self.stroke((float(x), 0.1, z), (float(x), high - 0.08, z), bar, colour)
        for up in (0.2, high - 0.1, *((high * 0.55,) if self.rng.integers(2) else ())):
            self.stroke((left, up, z), (right, up, z), bar * 1.8, shade(colour, 0.85))
        for x in np.arange(left, right + 0.1, 2.5):
            self.stroke((float(x), 0, z), (float(x), high + 0.05, z), bar * 3, shade(colour, 0.7))

    def post(self, x: float, z: float, high: float, width: float, colour: Colour) -> None:
        """A lamp post, a bollard, a column."""
        self.stroke((x, 0, z), (x, high, z), width, colour)
        self.stroke((x - width * 0.3, 0, z), (x - width * 0.3, high, z), width * 0.25, shade(colour, 1.3))

    def bush(self, x: float, z: float, size: float) -> None:
        """Leaves close to the ground, or a plant in its pot."""
        green = tinted(self.rng, (66, 92, 50))
        for _ in range(40):
            angle, out = self.rng.uniform(0, 2 * math.pi), math.sqrt(self.rng.uniform()) * size / 2
            spot = np.array([(x + out * math.cos(angle), size * 0.5 + out * math.sin(angle) * 0.9, z)])
            at = self._view.project(spot)[0]
            self._brush.disc(at, size * 0.1 * at[2], shade(green, float(self.rng.uniform(0.6, 1.35))))

    def stains(self, left: float, right: float, near: float, far: float, count: int) -> None:
        """Oil, wear, gum, leaves and repairs on the ground."""
        for _ in range(count):
            x, z = self.rng.uniform(left, right), self.rng.uniform(near, far)
            around = np.linspace(0, 2 * math.pi, 12, endpoint=False)
            reach = self.rng.uniform(0.05, 0.9) * self.rng.uniform(0.7, 1.2, 12)
            edge = np.stack([x + reach * np.cos(around), np.zeros(12), z + reach * np.sin(around)], 1)
            self._brush.darken([self._view.project(edge)], [0.0], float(self.rng.choice([0.82, 0.9, 0.94, 1.06])))

    def cast(self, corners: tuple[Point, ...], factor: float) -> None:
        """The shadow of something outside the picture; convex."""
        self._brush.darken([self._view.project(np.array([(x, 0.0, z) for x, z in corners]))], [0.0], factor)

    def photograph(self, roughness: float = 2.0) -> Image:
        """The finished picture: light that falls off unevenly, a lens darker at its edges, its own colour cast."""
        pixels = self.finish(roughness).astype(np.float32)
        height, width = pixels.shape[:2]
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        light = 1 - float(self.rng.uniform(0, 0.16)) * (x * x + y * y)
        uneven = enlarged(clouds(self.rng, ((4, 1.0),), 4), (width, height))
        light += float(self.rng.uniform(0, 0.07)) * uneven + float(self.rng.normal(0, 0.05)) * x
        gamma, cast = float(self.rng.uniform(0.85, 1.2)), self.rng.normal(1, 0.035, 3).astype(np.float32)
        lit = np.clip(pixels * light[:, :, None] * cast / 255, 0, 1) ** gamma
        finished: Image = (lit * 255).astype(np.uint8)
        return finished


def photo(rng: np.random.Generator) -> Image:
    """(N, N, 3) uint8: what a poster may show: coloured clouds and bright shapes, nothing in particular."""
    tile = np.stack([clouds(rng, ((2, 1.0), (8, 0.6), (32, 0.4)), 64) for _ in range(3)], 2) * 38
    tile += np.array(any_colour(rng), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        left, top = rng.integers(0, 56, 2)
        wide, high = rng.integers(4, 40, 2)
        tile[top : top + high, left : left + wide] = any_colour(rng, saturation=1.0)
    pictured: Image = np.clip(tile, 0, 255).astype(np.uint8)
    return pictured


def _in_front(matrix: NDArray[np.float64], length: float, height: float) -> list[Point]:
    """The rectangle's part in front of the lens: corners (u, v)."""
    corners = [(0.0, 0.0), (length, 0.0), (length, height), (0.0, height)]
    kept: list[Point] = []
    for (au, av), (bu, bv) in zip(corners, corners[1:] + corners[:1], strict=True):
        a, b = (float(matrix[2] @ np.array([u, v, 1.0])) for u, v in ((au, av), (bu, bv)))
        if a >= _NEAR_M:
            kept.append((au, av))
        if (a >= _NEAR_M) != (b >= _NEAR_M):
            share = (_NEAR_M - a) / (b - a)
            kept.append((au + share * (bu - au), av + share * (bv - av)))
    return kept


def _at(matrix: NDArray[np.float64], u: float, v: float) -> tuple[float, float]:
    x, y, depth = matrix @ np.array([u, v, 1.0])
    return float(x / depth), float(y / depth)
