"""Which region of this frame is which region of the last: ByteTrack, one tracker a camera.

In: the regions of one camera's sampled frames, in time order, whatever the time between them. Out: the same
regions with track ids (from 1, unique for the life of the tracker) and the label each track has had mostly.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker
from trackers.utils.iou import BIoU
from trackers.utils.state_representations import XYXYStateEstimator

from pipeline.contracts.observation import Region
from pipeline.settings import PerceptionSettings

_VEHICLES = frozenset({"bicycle", "bus", "car", "motorcycle", "train", "truck"})
_WEAK_SHARE = 0.7
"""Detections under this share of `track_start` are left out: of YOLOX-nano's, three in four are nothing."""
_SHADOW_IOU = 0.4
"""A weak detection that overlaps a strong one of its kind so much is that one seen twice."""
_SAME_THING_IOU = 0.5
"""Two labels of one kind (car, truck) that overlap so much are one thing."""

_REACH = 0.5
_MIN_OVERLAP = 0.3
"""Boxes are grown by half their size on each side and must then overlap so much: a new track, whose speed is
not known, may move by its own width between two frames. Buffered IoU: Yang et al., WACV 2023."""
_BOX_NOISE = 0.1
_FIRST_SPEED = 2.0
_ACCELERATION = 1.0
"""The filter's belief in sizes (square root of the box's area): deviation of a detector's edges; of a new
thing's speed, a second; of its change of speed, a second each second. A walk is about 1 size a second."""
_LONGEST_STEP_SECONDS = 1.0
"""A longer silence between two frames ages tracks no more than this. Where nothing moves a camera is looked at every
few seconds, and whoever stands still must not become another one each time."""
_KIND_SPACING_PX = 20_000.0
"""Kinds of things are tracked this far apart, so that a bag never takes over its bearer's track."""


class _MetricFilter(XYXYStateEstimator):  # type: ignore[misc]  # trackers ships no types we follow
    """A Kalman filter whose unit of time is the second and whose noise goes with the size of the box.

    The package's own noise is in pixels and frames, and so right for one resolution at one frame rate:
    on PETS at 10 and 5 frames a second its IDF1 is .66 and .62, with this one .77 and .75.
    """

    def set_kf_covariances(self, *_: Any, **__: Any) -> None:
        """Called once by the tracker for a new track, with noise in pixels and frames: replaced."""
        left, top, right, bottom = self.kf.state[:4, 0]
        size = max(float((right - left) * (bottom - top)), 1.0) ** 0.5
        corners, zeros = np.eye(4), np.zeros((4, 4))
        change = (_ACCELERATION * size) ** 2 * corners
        super().set_kf_covariances(
            measurement_noise=(_BOX_NOISE * size) ** 2 * corners,
            process_noise=np.block([[change / 4, change / 2], [change / 2, change]]),
            state_covariance=np.block(
                [[(_BOX_NOISE * size) ** 2 * corners, zeros], [zeros, (_FIRST_SPEED * size) ** 2 * corners]]
            ),
        )


class CameraTracker:
    """The tracks of one camera. Not thread-safe."""

    def __init__(self, settings: PerceptionSettings) -> None:
        self._settings = settings
        self._kinds: dict[str, int] = {}
        self._labels: dict[int, Counter[str]] = {}
        self._last_seen: dict[int, float] = {}
        self._last_at: datetime | None = None
        self._seconds = 0.0
        """The tracks' own time: the camera's, without long silences."""
        self._last_id = 0
        self._restart()

    def update(self, regions: Sequence[Region], captured_at: datetime) -> tuple[Region, ...]:
        """Regions worth keeping with their track ids; None for what was seen only once.

        Weak detections are given only where they carry a track on. A frame that is not later than the last
        one starts new tracks, never old ids.
        """
        if self._last_at is not None and captured_at <= self._last_at:
            self._restart()
        step = (captured_at - self._last_at).total_seconds() if self._last_at is not None else 0.0
        self._seconds += min(step, _LONGEST_STEP_SECONDS)
        self._last_at = captured_at
        kept = self._without_doubles(regions)
        ids = self._associate(kept, self._seconds)
        self._forget_labels()
        return tuple(
            self._named(region, track_id)
            for region, track_id in zip(kept, ids, strict=True)
            if track_id is not None or region.score >= self._settings.track_start
        )

    def _restart(self) -> None:
        """Begin with no tracks; ids go on from the last one given."""
        self._id_offset = self._last_id + 1
        self._labels.clear()
        self._last_seen.clear()
        self._last_at, self._seconds = None, 0.0
        self._tracker = ByteTrackTracker(
            # The package counts its memory in thirtieths of a second.
            lost_track_buffer=math.ceil(self._settings.track_memory * 30),
            frame_rate=1.0,
            track_activation_threshold=self._settings.track_start,
            high_conf_det_threshold=self._settings.track_start,
            minimum_iou_threshold=_MIN_OVERLAP,
            iou=BIoU(_REACH),
            state_estimator_class=_MetricFilter,
        )

    def _without_doubles(self, regions: Sequence[Region]) -> list[Region]:
        """Strongest first, without what is too weak and what is another one seen twice."""
        strong = self._settings.track_start
        kept: list[Region] = []
        for region in sorted(regions, key=lambda region: region.score, reverse=True):
            if region.score < strong * _WEAK_SHARE:
                break
            rivals = [other for other in kept if other.score >= strong and _kind(other) == _kind(region)]
            is_shadow = region.score < strong and any(region.box.iou(other.box) > _SHADOW_IOU for other in rivals)
            is_double = any(
                other.label != region.label and region.box.iou(other.box) > _SAME_THING_IOU for other in rivals
            )
            if not is_shadow and not is_double:
                kept.append(region)
        return kept

    def _associate(self, regions: Sequence[Region], at_seconds: float) -> list[int | None]:
        """The track id of each region, in order."""
        if not regions and not self._tracker.tracks:
            return []  # as most frames of most cameras; the package takes 50 µs to find nothing
        edges = [(r.box.left, r.box.top, r.box.right, r.box.bottom) for r in regions]
        shift = [_KIND_SPACING_PX * self._kinds.setdefault(_kind(r), len(self._kinds)) for r in regions]
        boxes = np.array(edges, np.float64).reshape(-1, 4)
        boxes[:, ::2] += np.array(shift, np.float64).reshape(-1, 1)
        tracked = self._tracker.update(
            sv.Detections(
                xyxy=boxes,
                confidence=np.array([r.score for r in regions], np.float64),
                class_id=np.arange(len(regions)),  # carries the order, which the tracker does not keep
            ),
            timestamp=at_seconds,
        )
        ids: list[int | None] = [None] * len(regions)
        if len(tracked):
            for index, track_id in zip(tracked.class_id, tracked.tracker_id, strict=True):
                ids[index] = int(track_id) + self._id_offset if track_id >= 0 else None
        self._last_id = max([self._last_id, *(track_id for track_id in ids if track_id is not None)])
        return ids

    def _named(self, region: Region, track_id: int | None) -> Region:
        """The region under its track's id and most frequent label."""
        if track_id is None:
            return region
        self._last_seen[track_id] = self._seconds
        labels = self._labels.setdefault(track_id, Counter())
        labels[region.label] += 1
        return replace(region, track_id=track_id, label=labels.most_common(1)[0][0])

    def _forget_labels(self) -> None:
        """Of tracks that can no longer come back."""
        horizon = self._seconds - self._settings.track_memory - 1
        for track_id in [track_id for track_id, seen in self._last_seen.items() if seen < horizon]:
            del self._last_seen[track_id], self._labels[track_id]


def _kind(region: Region) -> str:
    """Labels a detector may take for one another belong to one kind."""
    return "vehicle" if region.label in _VEHICLES else region.label
