"""Where in a place people can stand, pass and come from: points and paths drawn by the seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.script import Point
from pipeline.scenes.tracks import border_distances
from pipeline.scenes.view import View

_PERSON_M = 1.75
_HEIGHT_SHARES = (0.11, 0.62)
"""Of the picture's height, what a person must take up to be what a story is about."""
_EDGE_SHARE = 0.03
_MAX_TRIES = 60
_PATH_STEP_M = 0.25


class NoRoomError(Exception):
    """This place, as drawn, has no room for what was asked of it; the next draw may."""


class Terrain:
    """The walkable part of a place, as its camera sees it."""

    def __init__(
        self,
        view: View,
        walkable: Sequence[tuple[Point, ...]],
        zones: Mapping[str, tuple[Point, ...]],
        rng: np.random.Generator,
    ) -> None:
        """`walkable` are polygons on the ground."""
        self._view, self._zones, self._rng = view, zones, rng
        self._walkable = tuple(walkable)
        pool = np.concatenate([_scattered(corners, rng, 400) for corners in self._walkable])
        self._seen = pool[self._are_seen(pool)]
        if len(self._seen) < 8:
            raise NoRoomError("next to nothing of the ground is in view")
        self._borders = self._ways_in()

    def inside(self, zone: str, depth_m: float = 0.35) -> Point:
        """A point in view, in the zone, at least so far from its border."""
        pool = _scattered(self._zones[zone], self._rng, 200)
        deep = pool[(border_distances(pool, self._zones[zone]) < -depth_m) & self._are_seen(pool)]
        return self._one_of(deep, f"no room in {zone}")

    def outside(self, zone: str, nearest_m: float = 0.0, farthest_m: float = math.inf) -> Point:
        """A point in view, out of the zone, so far from its border."""
        apart = border_distances(self._seen, self._zones[zone])
        return self._one_of(self._seen[(apart >= nearest_m) & (apart <= farthest_m)], f"no room beside {zone}")

    def anywhere(self, avoid: Sequence[str] = (), margin_m: float = 0.7) -> Point:
        """A point in view, clear of the zones to avoid."""
        pool = self._seen
        for zone in avoid:
            pool = pool[border_distances(pool, self._zones[zone]) > margin_m]
        return self._one_of(pool, "nowhere to stand")

    def beside(self, point: Point, nearest_m: float, farthest_m: float, avoid: Sequence[str] = ()) -> Point:
        """A point in view so far from another."""
        pool = self._seen
        for zone in avoid:
            pool = pool[border_distances(pool, self._zones[zone]) > 0.5]
        apart = np.linalg.norm(pool - point, axis=1)
        return self._one_of(pool[(apart >= nearest_m) & (apart <= farthest_m)], "no room beside it")

    def way_in(self, to: Point, avoid: Sequence[str] = (), margin_m: float = 0.5) -> Point:
        """Where somebody comes from who is seen at `to`: at the walkable ground's border, out of view where that
        can be, with a straight way clear of the zones to avoid."""
        for _ in range(_MAX_TRIES):
            start = _point(self._borders[self._rng.integers(len(self._borders))])
            if math.dist(start, to) > 2.0 and self.is_clear(start, to, avoid, margin_m):
                return start
        raise NoRoomError("no clear way in")

    def is_clear(self, start: Point, end: Point, avoid: Sequence[str], margin_m: float = 0.5) -> bool:
        """Whether the straight way keeps so far from every zone to avoid."""
        shares = np.linspace(0, 1, max(round(math.dist(start, end) / _PATH_STEP_M), 2))[:, None]
        way = np.array(start) + shares * np.subtract(end, start)
        return all(bool((border_distances(way, self._zones[zone]) > margin_m).all()) for zone in avoid)

    def is_walkable(self, point: Point) -> bool:
        """Whether it lies on ground one can stand on."""
        return any(float(border_distances(np.array(point), corners)) <= 0 for corners in self._walkable)

    def is_seen(self, point: Point) -> bool:
        """Whether somebody who stands there is whole in the picture, neither tiny nor filling it."""
        return bool(self._are_seen(np.array([point]))[0])

    def _are_seen(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        feet, heads = self._projected(points, 0.0), self._projected(points, _PERSON_M)
        tall = feet[:, 2] * _PERSON_M / self._view.size[1]
        seen = (tall >= _HEIGHT_SHARES[0]) & (tall <= _HEIGHT_SHARES[1])
        for ends in (feet, heads):
            shares = ends[:, :2] / self._view.size
            seen &= ((shares > _EDGE_SHARE) & (shares < 1 - _EDGE_SHARE)).all(axis=1)
        return seen

    def _projected(self, points: NDArray[np.float64], up: float) -> NDArray[np.float64]:
        return self._view.project(np.column_stack([points[:, 0], np.full(len(points), up), points[:, 1]]))

    def _ways_in(self) -> NDArray[np.float64]:
        """Points around the walkable ground, those out of the picture where there are enough of them."""
        rims = np.concatenate([_rim(corners) for corners in self._walkable])
        shares = self._projected(rims, 0.0)[:, :2] / self._view.size
        out = ((shares < -0.02) | (shares > 1.02)).any(axis=1)
        return rims[out] if out.sum() >= 4 else rims

    def _one_of(self, pool: NDArray[np.float64], why: str) -> Point:
        if not len(pool):
            raise NoRoomError(why)
        return _point(pool[self._rng.integers(len(pool))])


def _point(row: NDArray[np.float64]) -> Point:
    return float(row[0]), float(row[1])


def _scattered(corners: tuple[Point, ...], rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Up to `count` points in a polygon."""
    box = np.array(corners, float)
    points = rng.uniform(box.min(axis=0), box.max(axis=0), (count, 2))
    return points[border_distances(points, corners) < 0]


def _rim(corners: tuple[Point, ...]) -> NDArray[np.float64]:
    """Points along a polygon's sides, about one a metre."""
    around = zip(corners, corners[1:] + corners[:1], strict=True)
    sides = [np.linspace(a, b, max(round(math.dist(a, b)), 2), endpoint=False) for a, b in around]
    return np.concatenate(sides)
