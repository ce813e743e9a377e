"""Zones and lines of one camera, in the pixels of its pictures.

In: normalised shapes of `contracts.rule`. Out: how deep a point lies in a zone and on which side of a line,
in pixels. Which point stands for a thing, and how much jitter to forgive, is left to the predicates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.contracts.camera import Camera
from pipeline.contracts.rule import Line, Polygon

_BORDER = 0.005
"""A corner this near to the picture's border (share of the picture) was meant to lie on it."""
_INWARD_PX = 0.01
"""Points are pulled inside the picture by this, so that a foot on its last row still lies in a zone there."""


class Point(NamedTuple):
    """A place, absolute pixels."""

    x: float
    y: float


class Area:
    """A zone. Its edges along the picture's border do not count: nothing can be seen beyond them."""

    def __init__(self, name: str, polygon: Polygon, width: int, height: int) -> None:
        self.name = name
        self._size = (width, height)
        self._corners = [Point(x * width, y * height) for x, y in polygon]
        pairs = list(zip(polygon, polygon[1:] + polygon[:1], strict=True))
        self._edges = [
            (Point(a[0] * width, a[1] * height), Point(b[0] * width, b[1] * height))
            for a, b in pairs
            if not _along_border(a, b)
        ]
        self.centre = Point(*(sum(axis) / len(polygon) for axis in zip(*self._corners, strict=True)))
        self.max_band_px = _half_of_inner_radius(self._corners)
        """A hysteresis band wider than this would leave nothing of a small zone."""

    def depth_px(self, x: float, y: float) -> float:
        """Distance of (x, y) to the zone's boundary: positive inside, negative outside."""
        width, height = self._size
        x = min(max(x, _INWARD_PX), width - _INWARD_PX)
        y = min(max(y, _INWARD_PX), height - _INWARD_PX)
        nearest = min((_distance_squared(x, y, a, b) for a, b in self._edges), default=math.inf)
        return math.sqrt(nearest) if self._holds(x, y) else -math.sqrt(nearest)

    def _holds(self, x: float, y: float) -> bool:
        """Even-odd rule: a ray to the right meets the boundary an odd number of times."""
        inside = False
        before = self._corners[-1]
        for corner in self._corners:
            if (corner.y > y) != (before.y > y):
                slope = (before.x - corner.x) / (before.y - corner.y)
                inside ^= x < corner.x + (y - corner.y) * slope
            before = corner
        return inside


class Edge:
    """A line with a left and a right: those of someone walking along it from its first to its second point."""

    def __init__(self, name: str, line: Line, width: int, height: int) -> None:
        (ax, ay), (bx, by) = line
        self.name = name
        self._start = Point(ax * width, ay * height)
        dx, dy = (bx - ax) * width, (by - ay) * height
        self._length = math.hypot(dx, dy)
        self._along = Point(dx / self._length, dy / self._length) if self._length > 0 else Point(0.0, 0.0)

    def left_px(self, x: float, y: float) -> float:
        """Distance of (x, y) to the endless line: positive on its left, negative on its right."""
        # The picture's y axis points down, so a walker to the right (1, 0) has (0, -1) on the left.
        return (x - self._start.x) * self._along.y - (y - self._start.y) * self._along.x

    def is_within_ends(self, x: float, y: float, slack_px: float) -> bool:
        """Whether the point beside (x, y) on the endless line lies between the ends, give or take."""
        along = (x - self._start.x) * self._along.x + (y - self._start.y) * self._along.y
        return -slack_px <= along <= self._length + slack_px and self._length > 0


class Shapes(NamedTuple):
    """All that is drawn on one camera's picture, for one size of it."""

    areas: Mapping[str, Area]
    edges: Mapping[str, Edge]


def shapes_of(camera: Camera, width: int, height: int) -> Shapes:
    """The camera's zones and lines in pixels of pictures of that size."""
    return Shapes(
        {name: Area(name, polygon, width, height) for name, polygon in camera.zones.items()},
        {name: Edge(name, line, width, height) for name, line in camera.lines.items()},
    )


def _along_border(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return any(max(abs(a[axis] - side), abs(b[axis] - side)) <= _BORDER for axis in (0, 1) for side in (0.0, 1.0))


def _half_of_inner_radius(corners: list[Point]) -> float:
    """Half of area over perimeter: never more than half of the largest circle's radius inside."""
    pairs = list(zip(corners, corners[1:] + corners[:1], strict=True))
    area = abs(sum(a.x * b.y - b.x * a.y for a, b in pairs)) / 2
    perimeter = sum(math.dist(a, b) for a, b in pairs)
    return area / perimeter / 2 if perimeter > 0 else 0.0


def _distance_squared(x: float, y: float, a: Point, b: Point) -> float:
    dx, dy = b.x - a.x, b.y - a.y
    length_squared = dx * dx + dy * dy
    if length_squared <= 0:
        return (x - a.x) ** 2 + (y - a.y) ** 2
    share = min(max(((x - a.x) * dx + (y - a.y) * dy) / length_squared, 0.0), 1.0)
    return (x - a.x - share * dx) ** 2 + (y - a.y - share * dy) ** 2
