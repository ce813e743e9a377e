"""What is known of the things on one camera: their recent boxes, their paths, and who is who.

In: observations whose regions carry the tracker's ids. Out: `Track`s that outlive a dropout and, when the
tracker gives a thing a new id where it just lost the old one, an id switch. Times are seconds of event time.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline.contracts.observation import MOVING, Observation, Region
from pipeline.contracts.values import Box
from pipeline.events.zones import Point

PRESENT_SECONDS = 0.5
"""A thing unseen for less than this still counts as there: detectors blink."""
_HISTORY_SECONDS = 1.0
"""Boxes kept for speed: enough to average out jitter, short enough to follow a turn."""
_TINY_SECONDS = 1e-3
"""Frame times are rounded to milliseconds on their way."""
_FOOT_SECONDS = 0.3
"""Sightings whose median is where a thing stands: two boxes taken for one, or one cut in two, last less."""
_SAME_IOU = 0.2
"""Overlap of two sightings in a row that makes them one thing, while the tracker is not sure yet."""
_SPEED_SECONDS = 0.2 - _TINY_SECONDS
"""Boxes of a shorter time give no speed: 3 px of jitter between two frames at 25 a second look like a run."""
_FIRST_SIGHT_SECONDS = 1.0
"""What is there from the start is found within this: detectors blink, and trackers wait for a second sighting."""
_TRAIL_EVERY_SECONDS = 1.0
_TRAIL_LENGTH = 40
_JOIN_HEIGHTS = 0.4
_JOIN_HEIGHTS_PER_SECOND = 0.5
_JOIN_MAX_HEIGHTS = 0.8
"""How far from where a lost track should be by now a new one may start and be the same thing. A walker makes
about 0.8 of their own heights a second: half of it covers a stop or a turn, and a whole second of it is as far
as one may guess."""
_JOIN_SIZE_RATIO = 1.6


class Sample(NamedTuple):
    """One sighting."""

    seconds: float
    box: Box


class Step(NamedTuple):
    """One point of a path, about one a second."""

    seconds: float
    foot: Point


class Track:
    """One thing, as long as it is remembered."""

    __slots__ = (
        "_votes",
        "foot",
        "foot_seconds",
        "height_px",
        "key",
        "label",
        "samples",
        "since_seconds",
        "track_id",
        "trail",
    )

    def __init__(self, key: int, track_id: int, seconds: float, region: Region) -> None:
        self.key = key
        """Its name in here; stays when the tracker's id changes."""
        self.since_seconds = seconds
        self.samples: deque[Sample] = deque()
        self.trail: list[Step] = []
        self._votes: dict[str, float] = {}
        self.height_px = max(region.box.height, 1.0)
        self.see(track_id, seconds, region)

    def see(self, track_id: int, seconds: float, region: Region) -> None:
        """Take in one more sighting."""
        self.track_id = track_id
        """The tracker's latest id for it."""
        self._votes[region.label] = self._votes.get(region.label, 0.0) + region.score
        self.label = max(self._votes, key=lambda label: self._votes[label])
        self.samples.append(Sample(seconds, region.box))
        # Two older boxes stay however old, so that slow sampling still has a speed.
        while len(self.samples) > 3 and self.samples[0].seconds < seconds - _HISTORY_SECONDS:
            self.samples.popleft()
        self.height_px = max(statistics.median(sample.box.height for sample in self.samples), 1.0)
        recent = [sample for sample in self.samples if sample.seconds >= seconds - _FOOT_SECONDS - _TINY_SECONDS]
        self.foot = Point(*(statistics.median(axis) for axis in zip(*(s.box.foot for s in recent), strict=True)))
        self.foot_seconds = statistics.median(sample.seconds for sample in recent)
        self._extend_trail(seconds)

    @property
    def seen_seconds(self) -> float:
        """When it was last seen."""
        return self.samples[-1].seconds

    @property
    def box(self) -> Box:
        """Its last box."""
        return self.samples[-1].box

    @property
    def name(self) -> str:
        """For a person: `person 7`, or `something` when only its motion is known."""
        return "something" if self.label == MOVING else f"{self.label} {self.track_id}"

    def velocity_px(self) -> Point:
        """Pixels a second, from medians of the older and the newer half of its recent boxes.

        Of two opposite edges the one that moved less counts: a box that is cut off (something in front, the
        picture's border) or that breathes moves one edge, a thing that moves takes both along.
        """
        samples = list(self.samples)
        if samples[-1].seconds - samples[0].seconds < _SPEED_SECONDS:
            return Point(0.0, 0.0)
        half = len(samples) // 2
        older, newer = samples[:half], samples[-half:]
        elapsed = _middle(newer, "seconds") - _middle(older, "seconds")
        left, top, right, bottom = (
            (_middle(newer, side) - _middle(older, side)) / elapsed for side in ("left", "top", "right", "bottom")
        )
        return Point(_shared(left, right), _shared(top, bottom))

    def speed_heights(self) -> float:
        """Own heights a second."""
        return math.hypot(*self.velocity_px()) / self.height_px

    def _extend_trail(self, seconds: float) -> None:
        if self.trail and seconds - self.trail[-1].seconds < _TRAIL_EVERY_SECONDS:
            return
        if len(self.trail) >= _TRAIL_LENGTH:
            del self.trail[1:-1:2]
        self.trail.append(Step(seconds, self.foot))


class TrackBook:
    """All tracks of one camera. One observation at a time, in order of time."""

    def __init__(self, memory_seconds: float) -> None:
        self._memory_seconds = memory_seconds
        self._tracks: dict[int, Track] = {}
        self._by_id: dict[int, Track] = {}
        self._next_key = 0
        self._before_seconds = -math.inf
        self._first_seconds = math.inf
        self.at = datetime.min.replace(tzinfo=UTC)
        self.seconds = -math.inf
        self._loose: list[Region] = []
        self.visible: list[Track] = []
        """Seen in the last observation."""
        self.present: list[Track] = []
        """Seen in it, or so shortly before that a blink of the detector explains it."""
        self.forgotten: list[int] = []
        """Keys of tracks that were let go with the last observation."""

    def update(self, observation: Observation, seconds: float) -> None:
        """Take in one observation; `seconds` is its `captured_at`."""
        self._first_seconds = min(self._first_seconds, seconds)
        self.at, self._before_seconds, self.seconds = observation.captured_at, self.seconds, seconds
        regions = {region.track_id: region for region in observation.regions if region.track_id is not None}
        self.visible = [self._by_id[track_id] for track_id in regions if track_id in self._by_id]
        for track in self.visible:
            track.see(track.track_id, seconds, regions[track.track_id])
        self._start({track_id: region for track_id, region in regions.items() if track_id not in self._by_id})
        self._loose = [region for region in observation.regions if region.track_id is None]
        self._forget()
        self.present = [track for track in self._tracks.values() if seconds - track.seen_seconds < PRESENT_SECONDS]

    def was_there(self, track: Track) -> bool:
        """Whether it was there from the first observation on: nobody knows for how long."""
        return track.since_seconds <= self._first_seconds + _FIRST_SIGHT_SECONDS

    def remembered(self) -> list[Track]:
        """Every track that is not forgotten yet, oldest first."""
        return list(self._tracks.values())

    def _start(self, newcomers: dict[int, Region]) -> None:
        """Join each new id to the lost track it continues best, if any; else begin a track."""
        for track_id, region in newcomers.items():
            track = min(
                (lost for lost in self._tracks.values() if self._continues(lost, region)),
                key=lambda lost: self._distance_heights(lost, region),
                default=None,
            )
            if track is None:
                track = self._begin(track_id, region)
                self._tracks[track.key] = track
                self._next_key += 1
            else:
                self._by_id.pop(track.track_id, None)
                track.see(track_id, self.seconds, region)
            self._by_id[track_id] = track
            self.visible.append(track)

    def _begin(self, track_id: int, region: Region) -> Track:
        """A new track, with the sighting just before it, when the tracker was not yet sure of it."""
        first = max(
            (loose for loose in self._loose if loose.label == region.label and loose.box.iou(region.box) > _SAME_IOU),
            key=lambda loose: loose.box.iou(region.box),
            default=None,
        )
        if first is None:
            return Track(self._next_key, track_id, self.seconds, region)
        track = Track(self._next_key, track_id, self._before_seconds, first)
        track.see(track_id, self.seconds, region)
        return track

    def _continues(self, lost: Track, region: Region) -> bool:
        unseen = self.seconds - lost.seen_seconds
        if unseen <= 0 or lost.label != region.label:
            return False
        ratio = lost.height_px / max(region.box.height, 1.0)
        reach = min(_JOIN_HEIGHTS + _JOIN_HEIGHTS_PER_SECOND * unseen, _JOIN_MAX_HEIGHTS)
        return 1 / _JOIN_SIZE_RATIO < ratio < _JOIN_SIZE_RATIO and self._distance_heights(lost, region) < reach

    def _distance_heights(self, lost: Track, region: Region) -> float:
        """From where `lost` should be by now to where `region` is, in heights."""
        unseen = self.seconds - lost.seen_seconds
        velocity = lost.velocity_px()
        expected = (lost.foot.x + velocity.x * unseen, lost.foot.y + velocity.y * unseen)
        return math.dist(expected, region.box.foot) / lost.height_px

    def _forget(self) -> None:
        """Let go of what is unseen for longer than memory; the time nobody looked does not count as unseen."""
        horizon = min(self.seconds - self._memory_seconds, self._before_seconds)
        self.forgotten = [key for key, track in self._tracks.items() if track.seen_seconds < horizon]
        for key in self.forgotten:
            self._by_id.pop(self._tracks.pop(key).track_id, None)


def _middle(samples: list[Sample], what: str) -> float:
    return statistics.median(sample.seconds if what == "seconds" else getattr(sample.box, what) for sample in samples)


def _shared(one: float, other: float) -> float:
    """The smaller of two motions in one direction; none when they are opposed."""
    return 0.0 if one * other <= 0 else min(one, other, key=abs)
