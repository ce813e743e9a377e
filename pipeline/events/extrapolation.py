"""Where a track may be in the next seconds: its recent motion carried on, with an uncertainty that grows.

In: the foot points of the last seconds. Out: a sheaf of possible paths, and which share of them enters a zone,
crosses a line, stays or leaves the picture. Everything is measured in the thing's own heights, so that near and far
count alike; social behaviour and the scene (walls, paths) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.forecast import Ahead
from pipeline.events.tracks import Track

Points = NDArray[np.float64]
_STEP_SECONDS = 0.25
LONGEST_SECONDS = 10.0
_NUM_STEPS = round(LONGEST_SECONDS / _STEP_SECONDS)
_NUM_PATHS = 400
"""A share of them is off by chance by at most 2.5 %."""
_MIN_RESIDUAL_FREEDOM = 4.0
"""The jitter that is usual counts as much as so many sightings of this track."""


@dataclass(frozen=True, slots=True)
class MotionModel:
    """How things move on, in own heights and seconds. `benchmarks/forecasts.py` says on what these were chosen."""

    window_seconds: float = 1.0
    """Sightings that speak for the motion of now."""
    jitter_heights: float = 0.05
    """Usual wander of a foot point: of a detector's lower edge some 5 % of the height (see `boundary.py`)."""
    usual_speed: float = 1.0
    """Spread of speeds before a track has shown its own, heights a second: a walker makes 0.8."""
    wander: float = 0.2
    """Spread of the change of speed in a second, heights a second: turns, stops, starts."""
    fading_seconds: float = 4.5
    """In so long a motion has fallen to a third of itself."""


@dataclass(frozen=True, slots=True)
class Motion:
    """One thing's motion now, pixels and seconds."""

    foot: tuple[float, float]
    velocity: tuple[float, float]
    velocity_spread: float
    """Standard deviation, along each axis."""
    height_px: float


def motion_of(track: Track, model: MotionModel) -> Motion:
    """From its recent sightings; of one that has too few, what is usual."""
    since = track.seen_seconds - model.window_seconds
    first = track.samples[0].seconds
    seen = [(step.seconds, *step.foot) for step in track.trail if since <= step.seconds < first]
    seen += [(sample.seconds, *sample.box.foot) for sample in track.samples if sample.seconds >= since]
    return motion_from(np.array(seen), tuple(track.foot), track.height_px, model)


def motion_from(seen: Points, foot: tuple[float, ...], height_px: float, model: MotionModel) -> Motion:
    """`seen`: (N, 3) of seconds, x, y. A straight line through them, drawn towards standing still the more it is
    uncertain: the mean of a normal prior around 0 and a normal likelihood."""
    centred = seen[:, 0] - seen[:, 0].mean()
    leverage = float(centred @ centred)
    place = (float(foot[0]), float(foot[1]))
    usual = (model.usual_speed * height_px) ** 2
    if leverage <= 0:
        return Motion(place, (0.0, 0.0), usual**0.5, height_px)
    slope = centred @ seen[:, 1:] / leverage
    residual = seen[:, 1:] - seen[:, 1:].mean(axis=0) - np.outer(centred, slope)
    freedom = _MIN_RESIDUAL_FREEDOM + max(len(seen) - 2, 0)
    squares = float((residual**2).sum()) / 2 + _MIN_RESIDUAL_FREEDOM * (model.jitter_heights * height_px) ** 2
    variance = squares / freedom / leverage
    weight = usual / (usual + variance)
    return Motion(place, (float(slope[0] * weight), float(slope[1] * weight)), (variance * weight) ** 0.5, height_px)


class Extrapolation:
    """Possible paths of things on one camera's pictures. The same motion always gives the same paths."""

    def __init__(self, width: int, height: int, model: MotionModel | None = None) -> None:
        self.model = model or MotionModel()
        self._size = np.array((width, height), dtype=float)
        draws = np.random.default_rng(20)
        half = draws.standard_normal((_NUM_PATHS // 2, _NUM_STEPS + 1, 2))
        self._noise = np.concatenate([half, -half])  # in pairs: what they share falls out of their mean

    def sheaf(self, motion: Motion) -> Sheaf:
        """The ways that the thing may take."""
        model, height = self.model, motion.height_px
        velocity = np.array(motion.velocity) + motion.velocity_spread * self._noise[:, 0]
        kick = model.wander * height * _STEP_SECONDS**0.5
        keeps = np.exp(-_STEP_SECONDS / model.fading_seconds)
        path = np.empty((_NUM_PATHS, _NUM_STEPS + 1, 2))
        path[:, 0] = motion.foot
        for step in range(1, _NUM_STEPS + 1):
            path[:, step] = path[:, step - 1] + velocity * _STEP_SECONDS
            velocity = velocity * keeps + kick * self._noise[:, step]
        return Sheaf(path, height, self._size)


class Sheaf:
    """Paths, (N, T, 2) foot points in pixels, the first where the thing stands, in steps of a quarter of a second."""

    def __init__(self, path: Points, height_px: float, size: Points) -> None:
        self._path = path
        middle = path - (0.0, height_px / 2)
        out = ((middle < 0) | (middle > size)).any(axis=2)
        self._is_gone = np.logical_or.accumulate(out, axis=1)
        """(N, T): once its middle has left the picture, nobody sees what it does."""

    def enters(self, corners: Points) -> NDArray[np.bool_]:
        """(N, T): it has been in the polygon by then; `corners` (K, 2) in pixels."""
        return np.logical_or.accumulate(is_inside(self._path, corners) & ~self._is_gone, axis=1)

    def stays(self, corners: Points) -> NDArray[np.bool_]:
        """(N, T): it has not left the polygon until then."""
        inside = is_inside(self._path, corners) & ~self._is_gone
        inside[:, 0] = True
        return np.logical_and.accumulate(inside, axis=1)

    def crosses(self, ends: Points) -> NDArray[np.bool_]:
        """(N, T): it has gone over the line between `ends`, (2, 2) pixels, by then."""
        over = np.zeros(self._is_gone.shape, dtype=bool)
        over[:, 1:] = _meets(self._path[:, :-1], self._path[:, 1:], ends) & ~self._is_gone[:, :-1]
        return np.logical_or.accumulate(over, axis=1)

    def leaves(self) -> NDArray[np.bool_]:
        """(N, T): it has left the picture by then."""
        return self._is_gone

    def course(self, every_seconds: float, until_seconds: float) -> tuple[Ahead, ...]:
        """The middle of the sheaf, and how wide it is."""
        steps = range(0, round(until_seconds / _STEP_SECONDS) + 1, round(every_seconds / _STEP_SECONDS))
        centre = self._path.mean(axis=0)
        # Of a normal spread in the plane two in three lie within 1.5 standard deviations of one axis.
        spread = 1.5 * np.sqrt(((self._path - centre) ** 2).mean(axis=(0, 2)))
        return tuple(
            Ahead(
                seconds=step * _STEP_SECONDS,
                x=round(float(centre[step, 0]), 1),
                y=round(float(centre[step, 1]), 1),
                spread_px=round(float(spread[step]), 1),
            )
            for step in steps
        )


def probabilities(happened: NDArray[np.bool_], horizons: Sequence[float]) -> list[float]:
    """The share of paths on which it has happened within each of so many seconds; never quite 0 or 1."""
    columns = [min(round(seconds / _STEP_SECONDS), happened.shape[1] - 1) for seconds in horizons]
    return [(float(happened[:, column].sum()) + 0.5) / (len(happened) + 1) for column in columns]


def is_inside(points: Points, corners: Points) -> NDArray[np.bool_]:
    """Even-odd rule for points (…, 2) and a polygon's corners (K, 2)."""
    x, y = points[..., 0], points[..., 1]
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        if ay != by:
            spans = (ay > y) != (by > y)
            inside ^= spans & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def _meets(start: Points, end: Points, ends: Points) -> NDArray[np.bool_]:
    """Whether the way from `start` to `end`, (…, 2), meets the line between `ends`."""
    first, last = ends
    side = _turn(first, last, start) * _turn(first, last, end) < 0
    between = _turn(start, end, first) * _turn(start, end, last) <= 0
    return side & between


def _turn(a: Points, b: Points, c: Points) -> Points:
    """Twice the signed area of the triangle."""
    area: Points = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    return area
