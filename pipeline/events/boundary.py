"""Passing a boundary: told once a track was clearly on both sides of it, with the place and time in between.

Serves zones (inside and outside) and lines (left and right) alike: both give a signed distance in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pipeline.contracts.observation import MOVING
from pipeline.contracts.values import Box
from pipeline.events.tracks import Track
from pipeline.events.zones import Area, Point

_BAND_HEIGHTS = 0.1
"""Half the width of the band around a boundary in which jitter decides nothing, in the thing's own heights: a
detector's lower edge wanders by some 5 % of the height on a walker, so twice that."""
_MIN_BAND_PX = 1.0


class Passage(NamedTuple):
    """A track went over a boundary."""

    track: Track
    seconds: float
    place: Point
    """Foot point where it passed, between two sightings."""
    is_positive: bool
    """Towards the positive side: into a zone, to the left of a line."""


class _Standing:
    """Where one track stands to the boundary."""

    __slots__ = ("distance_px", "foot", "over", "seconds", "side")

    def __init__(self) -> None:
        self.side = 0
        """1 or -1: the side it was last clearly on; 0 until then."""
        self.seconds = 0.0
        self.distance_px = 0.0
        self.foot = Point(0.0, 0.0)
        self.over: tuple[float, Point] | None = None
        """When and where it last passed the boundary itself."""

    def move(self, seconds: float, foot: Point, distance_px: float) -> None:
        """Note where it is now, and the point between now and before at which it passed."""
        if self.distance_px * distance_px < 0:
            share = self.distance_px / (self.distance_px - distance_px)
            place = Point(*(a + share * (b - a) for a, b in zip(self.foot, foot, strict=True)))
            self.over = (self.seconds + share * (seconds - self.seconds), place)
        if distance_px != 0:
            self.seconds, self.distance_px, self.foot = seconds, distance_px, foot


class Boundary:
    """Follows every track of a camera across one zone's or line's boundary."""

    def __init__(
        self,
        distance_px: Callable[[float, float], float],
        max_band_px: float = math.inf,
        centre: Point | None = None,
    ) -> None:
        """`centre` is a zone's: of a region that only moves, the part nearest to it counts, for nobody knows where
        in it anything stands; of all else the foot."""
        self._distance_px = distance_px
        self._max_band_px = max_band_px
        self._centre = centre
        self._standings: dict[int, _Standing] = {}

    def band_px(self, track: Track) -> float:
        """Half the width of the band that decides nothing for this track."""
        return min(max(_BAND_HEIGHTS * track.height_px, _MIN_BAND_PX), self._max_band_px)

    def update(self, visible: Iterable[Track], forgotten: Iterable[int]) -> list[Passage]:
        """Take in the tracks just seen; the passages that became certain with them."""
        for key in forgotten:
            self._standings.pop(key, None)
        passages = (self._follow(track) for track in visible)
        return [passage for passage in passages if passage is not None]

    def is_positive(self, track: Track) -> bool:
        """Whether the track is on the positive side; in the band, the side it came from."""
        standing = self._standings.get(track.key)
        return standing is not None and (standing.side or standing.distance_px) > 0

    def _follow(self, track: Track) -> Passage | None:
        standing = self._standings.get(track.key)
        if standing is None:
            standing = self._standings[track.key] = _Standing()
            first = track.samples[0]
            self._move(standing, track, first.seconds, self._place(track, first.box, Point(*first.box.foot)))
        place = self._place(track, track.box, track.foot)
        if not self._move(standing, track, track.foot_seconds, place) or standing.over is None:
            return None
        return Passage(track, *standing.over, is_positive=standing.side > 0)

    def _place(self, track: Track, box: Box, foot: Point) -> Point:
        if self._centre is None or track.label != MOVING:
            return foot
        return Point(
            min(max(self._centre.x, box.left), box.right),
            min(max(self._centre.y, box.top), box.bottom),
        )

    def _move(self, standing: _Standing, track: Track, seconds: float, foot: Point) -> bool:
        """Note where the track is now; whether it is thereby clearly on the other side than it was."""
        distance = self._distance_px(*foot)
        standing.move(seconds, foot, distance)
        if abs(distance) < self.band_px(track):
            return False
        before, standing.side = standing.side, 1 if distance > 0 else -1
        return before == -standing.side


def boundary_of(area: Area, *, by_overlap: bool = False) -> Boundary:
    """A zone's boundary, positive inside; `by_overlap` for regions of which only motion is known."""
    return Boundary(area.depth_px, area.max_band_px, area.centre if by_overlap else None)
