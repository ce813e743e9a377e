"""Which frames tell the story of an event: the peak, the first and the last, and the most different ones.

Keeps summaries only (a thumbnail and the regions), never pictures, and a bounded number of them however long
the event lasts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import KeyFrame, SeenRegion
from pipeline.contracts.observation import Observation, Region

_BEFORE_SECONDS = 3.0
"""How far the story begins before the rule was met: what somebody did before they crossed."""
_SPACING_SECONDS = 0.2
"""Frames closer than this tell nothing new, the peak and the last one aside."""
_KEPT = 32
"""Glimpses of one event; when there are more, every second one goes."""
_SAME = 0.008
"""Root mean square difference of two thumbnails (0..1) under which nothing changed: two grey levels, about
what sensor noise leaves after scaling down. Somebody who crosses a picture makes several times that."""
_MAX_REGIONS = 40
_MIN_REGION_SCORE = 0.3
"""Weaker regions are shown only when the tracker holds them."""


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """What is remembered of one observation."""

    sequence: int
    captured_at: datetime
    seconds: float
    regions: tuple[Region, ...]
    thumbnail: NDArray[np.uint8]
    score: float = 0.0

    @classmethod
    def of(cls, observation: Observation, seconds: float, score: float = 0.0) -> Glimpse:
        """Without copying: observations are never written to."""
        return cls(
            observation.sequence, observation.captured_at, seconds, observation.regions, observation.thumbnail, score
        )


class Lookback:
    """The last seconds of one camera, shared by its rules."""

    def __init__(self) -> None:
        self._glimpses: deque[Glimpse] = deque()

    def add(self, glimpse: Glimpse) -> None:
        """Remember one observation and forget what is too old."""
        while self._glimpses and self._glimpses[0].seconds < glimpse.seconds - _BEFORE_SECONDS:
            self._glimpses.popleft()
        if not self._glimpses or glimpse.seconds - self._glimpses[-1].seconds >= _SPACING_SECONDS:
            self._glimpses.append(glimpse)

    def __iter__(self) -> Iterator[Glimpse]:
        return iter(self._glimpses)


class Album:
    """The glimpses of one event, thinned out as it grows."""

    def __init__(self, before: Lookback) -> None:
        self._glimpses = list(before)
        self._peak: Glimpse | None = None
        self._spacing_seconds = _SPACING_SECONDS

    @property
    def starts_seconds(self) -> float:
        """Time of the first glimpse."""
        return self._glimpses[0].seconds

    def add(self, glimpse: Glimpse) -> None:
        """Remember one observation of the event."""
        kept = self._glimpses
        if kept and kept[-1].sequence == glimpse.sequence:
            kept.pop()
        if len(kept) > 1 and kept[-1] is not self._peak:
            is_crowded = kept[-1].seconds - kept[-2].seconds < self._spacing_seconds * 0.99
            if is_crowded:
                kept.pop()
        kept.append(glimpse)
        if self._peak is None or glimpse.score > self._peak.score:
            self._peak = glimpse
        if len(kept) > _KEPT:
            self._thin()

    def key_frames(self, limit: int) -> tuple[KeyFrame, ...]:
        """At most `limit` frames in time order: the peak before all, then the ends, then what differs most."""
        glimpses = self._glimpses
        peak = next(index for index, glimpse in enumerate(glimpses) if glimpse is self._peak)
        roles: dict[int, Literal["peak", "different", "first", "last"]] = {peak: "peak"}
        if limit > 1:
            roles.setdefault(0, "first")
        if limit > 2:
            roles.setdefault(len(glimpses) - 1, "last")
        for index in _most_different(glimpses, list(roles), limit - len(roles)):
            roles[index] = "different"
        return tuple(_key_frame(glimpses[index], roles[index]) for index in sorted(roles))

    def _thin(self) -> None:
        last = len(self._glimpses) - 1
        self._glimpses = [
            glimpse
            for index, glimpse in enumerate(self._glimpses)
            if index % 2 == 0 or index == last or glimpse is self._peak
        ]
        self._spacing_seconds *= 2


def _most_different(glimpses: list[Glimpse], chosen: list[int], count: int) -> list[int]:
    """Farthest-point choice: again and again the one least like all chosen so far, while one differs at all."""
    pictures = np.stack([glimpse.thumbnail.ravel() for glimpse in glimpses]).astype(np.float32) / np.float32(255)
    nearest = np.min([_distances(pictures, index) for index in chosen], axis=0)
    found: list[int] = []
    while len(found) < count and float(nearest.max()) > _SAME:
        index = int(nearest.argmax())
        found.append(index)
        nearest = np.minimum(nearest, _distances(pictures, index))
    return found


def _distances(pictures: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """(N,) root mean square difference of each picture from one of them."""
    distances: NDArray[np.float32] = np.sqrt(np.mean((pictures - pictures[index]) ** 2, axis=1))
    return distances


def _key_frame(glimpse: Glimpse, role: Literal["peak", "different", "first", "last"]) -> KeyFrame:
    shown = [region for region in glimpse.regions if region.track_id is not None or region.score >= _MIN_REGION_SCORE]
    shown.sort(key=lambda region: (region.track_id is None, -region.score))
    return KeyFrame(
        sequence=glimpse.sequence,
        captured_at=glimpse.captured_at,
        role=role,
        score=min(glimpse.score, 1.0),
        regions=tuple(_seen(region) for region in shown[:_MAX_REGIONS]),
    )


def _seen(region: Region) -> SeenRegion:
    box = region.box
    return SeenRegion(
        box=(box.left, box.top, box.right, box.bottom),
        label=region.label,
        score=region.score,
        track_id=region.track_id,
    )
