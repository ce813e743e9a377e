"""Points, lines and zones on the ground, metres."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.scenes.script import Point


def side(point: Point, ends: tuple[Point, Point]) -> float:
    """Positive on the left of someone walking from the first end to the second."""
    (ax, az), (bx, bz) = ends
    return (bx - ax) * (point[1] - az) - (bz - az) * (point[0] - ax)


def is_between(point: Point, ends: tuple[Point, Point]) -> bool:
    """Whether it lies beside the line, not beyond one of its ends."""
    return 0 <= _share_along(point, ends) <= 1


def _share_along(point: Point, ends: tuple[Point, Point]) -> float:
    (ax, az), (bx, bz) = ends
    length_squared = (bx - ax) ** 2 + (bz - az) ** 2
    return ((point[0] - ax) * (bx - ax) + (point[1] - az) * (bz - az)) / length_squared


def _sides(corners: tuple[Point, ...]) -> Iterator[tuple[Point, Point]]:
    return zip(corners, corners[1:] + corners[:1], strict=True)


def is_inside(point: Point, corners: tuple[Point, ...]) -> bool:
    """By counting the sides a ray to the right meets."""
    x, z = point
    inside = False
    for (ax, az), (bx, bz) in _sides(corners):
        if (az > z) != (bz > z) and x < ax + (z - az) / (bz - az) * (bx - ax):
            inside = not inside
    return inside


def distance_m(point: Point, corners: tuple[Point, ...]) -> float:
    """Metres to the nearest side."""
    nearest = math.inf
    for (ax, az), (bx, bz) in _sides(corners):
        share = min(max(_share_along(point, ((ax, az), (bx, bz))), 0.0), 1.0)
        nearest = min(nearest, math.dist(point, (ax + share * (bx - ax), az + share * (bz - az))))
    return nearest
