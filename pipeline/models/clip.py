"""What the clip model is asked: key frames with what was seen in them, a rule's words, a zone, measured facts.

In: plain values of any backend. Out: the same, within the model's bounds. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Box, Image

MAX_FRAMES = 8
MAX_REGIONS = 4
"""Of a frame; the things seen longest and largest come first."""
MAX_FACTS = 12
MAX_SLOTS = 8
"""Tracks that are told apart; those beyond are things without a name."""


@dataclass(frozen=True, slots=True)
class ClipRegion:
    """A thing in one frame."""

    box: Box
    """Absolute pixels of the frame."""
    label: str
    """As the detector says: COCO's words, `moving` when it knows no more."""
    track_id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One key frame."""

    image: Image
    """HWC uint8 RGB of any size, nothing drawn into it."""
    seconds: float
    """From the first frame of the clip."""
    regions: tuple[ClipRegion, ...] = ()
    num_seen: int | None = None
    """How many things were in it before the least of them were left out; None for all of `regions`."""

    @property
    def num_things(self) -> int:
        """How many things were in it."""
        return len(self.regions) if self.num_seen is None else self.num_seen


@dataclass(frozen=True, slots=True)
class ClipFact:
    """Something measured on tracks; see `facts.FACT_KINDS`."""

    kind: str
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    track_id: int | None = None
    place: str = ""
    """The zone or line it is about, where it names one."""
    text: str = ""
    """For a person; not read by the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A question about a few seconds of one camera."""

    frames: tuple[ClipFrame, ...]
    """In time order."""
    rule: str
    """The operator's words, English or Chinese."""
    language: str = "en"
    """For the report: `en` or `zh`; any other is answered in English."""
    zone: Polygon | None = None
    zone_name: str = ""
    facts: tuple[ClipFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict3:
    """Probabilities that add up to 1."""

    yes: float
    no: float
    cannot_tell: float


CANNOT_TELL = Verdict3(0.05, 0.05, 0.90)
"""Where there is nothing to judge by."""


def kept_frames(num_frames: int) -> tuple[int, ...]:
    """Indices of at most `MAX_FRAMES` frames, first and last among them, evenly spread."""
    if num_frames <= MAX_FRAMES:
        return tuple(range(num_frames))
    return tuple(round(step * (num_frames - 1) / (MAX_FRAMES - 1)) for step in range(MAX_FRAMES))


def track_slots(frames: Sequence[ClipFrame]) -> dict[int, int]:
    """Track id → slot, from 1: those seen most often, then largest, first."""
    seen: Counter[int] = Counter()
    largest: dict[int, float] = {}
    for frame in frames:
        for region in frame.regions:
            if region.track_id is not None:
                seen[region.track_id] += 1
                largest[region.track_id] = max(largest.get(region.track_id, 0.0), region.box.area)
    ordered = sorted(seen, key=lambda track_id: (-seen[track_id], -largest[track_id], track_id))
    return {track_id: slot for slot, track_id in enumerate(ordered[:MAX_SLOTS], start=1)}


def slot_of(track_id: int | None, slots: Mapping[int, int]) -> int:
    """The slot of a track; 0 for none."""
    return 0 if track_id is None else slots.get(track_id, 0)


def bounded(clip: Clip) -> Clip:
    """The clip within the model's bounds: few frames, in each the regions that matter most, finite boxes."""
    frames = tuple(clip.frames[index] for index in kept_frames(len(clip.frames)))
    slots = track_slots(frames)
    return replace(
        clip,
        frames=tuple(
            replace(frame, regions=_kept_regions(frame, slots), num_seen=frame.num_things) for frame in frames
        ),
        facts=clip.facts[:MAX_FACTS],
    )


def _kept_regions(frame: ClipFrame, slots: Mapping[int, int]) -> tuple[ClipRegion, ...]:
    """Tracked things by slot, then the largest of the rest; what lies outside the picture is left out."""
    height, width = frame.image.shape[:2]
    cut = (replace(region, box=_cut(region.box, width, height)) for region in frame.regions if _is_finite(region.box))
    inside = [region for region in cut if region.box.width >= 1 and region.box.height >= 1]
    inside.sort(key=lambda region: (slot_of(region.track_id, slots) or MAX_SLOTS + 1, -region.box.area))
    return tuple(inside[:MAX_REGIONS])


def _is_finite(box: Box) -> bool:
    return all(math.isfinite(side) for side in (box.left, box.top, box.right, box.bottom))


def _cut(box: Box, width: int, height: int) -> Box:
    return Box(max(box.left, 0.0), max(box.top, 0.0), min(box.right, float(width)), min(box.bottom, float(height)))
