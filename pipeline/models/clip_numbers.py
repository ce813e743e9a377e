"""What a clip's boxes, times and zone say in numbers, beside what its pictures show.

In: a clip within its bounds (`clip.bounded`) and its pictures' own measures. Out: arrays, each number about -1..1.
Lengths are in the thing's own heights, so that near and far are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Image
from pipeline.models.clip import Clip, ClipFrame, ClipRegion, slot_of

Floats = NDArray[np.float32]

LABELS = (
    "person", "bicycle", "motorcycle", "car", "truck", "bus", "dog", "cat", "bird", "backpack", "suitcase", "handbag",
    "smoke", "moving", "other",
)  # fmt: skip
"""What a detector may call a thing; any other word is `other`."""
NUM_LABELS = len(LABELS)
NUM_FRAME_NUMBERS = 10
NUM_REGION_NUMBERS = 18
NUM_CLIP_NUMBERS = 8
_SMALL_SIDE_PX = 160
"""Pictures are measured at about this width: sharpness means the same for every camera."""
_CHANGED_LEVELS = 18
"""Grey levels from the background: above noise and compression, below what anybody wears."""
_GRID = (np.arange(5) + 0.5) / 5
_LONGEST_LOG = math.log1p(600.0)
_HEIGHTS = 4.0
"""Bound of lengths, own heights; of speeds, heights a second (a sprint makes about four)."""


def label_index(label: str) -> int:
    """Position in `LABELS`."""
    return LABELS.index(label) if label in LABELS else NUM_LABELS - 1


def frame_numbers(clip: Clip, background: Image) -> Floats:
    """(F, NUM_FRAME_NUMBERS): times, how many things, and the state of the picture.

    `background`: HWC uint8 RGB of any size, what the camera sees when nothing happens.
    """
    if not clip.frames:
        return np.zeros((0, NUM_FRAME_NUMBERS), np.float32)
    still = _small(background)
    states = np.array([_state(_small(frame.image), still) for frame in clip.frames])
    usual_sharpness = float(np.median(states[:, 2]))
    rows = []
    for index, frame in enumerate(clip.frames):
        before = clip.frames[index - 1].seconds if index else frame.seconds
        brightness, contrast, sharpness, changed, shift, colour = states[index]
        rows.append([
            _long(frame.seconds), _long(frame.seconds - before), brightness, contrast, sharpness,
            sharpness - usual_sharpness, changed, shift, colour, math.log1p(frame.num_things) / 3,
        ])  # fmt: skip
    return np.array(rows, np.float32)


def region_numbers(clip: Clip, slots: Mapping[int, int]) -> list[Floats]:
    """Of each frame (R, NUM_REGION_NUMBERS): where a thing is, how it moves, how it lies to the zone and others."""
    first: dict[int, tuple[float, ClipRegion]] = {}
    last: dict[int, tuple[float, ClipRegion]] = {}
    rows = []
    for frame in clip.frames:
        rows.append([[*_where(frame, region), *_in_zone(frame, region, clip.zone)] for region in frame.regions])
        for row, region in zip(rows[-1], frame.regions, strict=True):
            slot = slot_of(region.track_id, slots)
            now = (frame.seconds, region)
            row += _motion(last.get(slot, now), now) + _moved(first.get(slot, now), now) + _company(frame, region)
            if slot:
                first.setdefault(slot, now)
                last[slot] = now
    return [np.array(row, np.float32).reshape(-1, NUM_REGION_NUMBERS) for row in rows]


def clip_numbers(clip: Clip) -> Floats:
    """(NUM_CLIP_NUMBERS,)."""
    seconds = clip.frames[-1].seconds - clip.frames[0].seconds if clip.frames else 0.0
    height, width = clip.frames[0].image.shape[:2] if clip.frames else (1, 1)
    most = max((frame.num_things for frame in clip.frames), default=0)
    numbers = [
        len(clip.frames) / 8,
        _long(seconds),
        float(clip.zone is not None),
        _area(clip.zone) if clip.zone else 0.0,
        len(clip.facts) / 12,
        math.log1p(most) / 3,
        math.log(width / height) / 2,
        math.log(max(width, 16) / 384) / 3,
    ]
    return np.array(numbers, np.float32)


def is_inside(points: NDArray[np.float64], zone: Polygon) -> NDArray[np.bool_]:
    """(N, 2) → (N,), by the even-odd rule."""
    corners = np.asarray(zone, float)
    before = np.roll(corners, 1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (corners[:, 1] > y) != (before[:, 1] > y)
    rise = np.where(corners[:, 1] == before[:, 1], 1.0, before[:, 1] - corners[:, 1])
    crossing = corners[:, 0] + (y - corners[:, 1]) / rise * (before[:, 0] - corners[:, 0])
    inside: NDArray[np.bool_] = (spans & (x < crossing)).sum(axis=1) % 2 == 1
    return inside


def _small(image: Image) -> NDArray[np.float32]:
    """Every n-th pixel, HWC float32 RGB."""
    step = max(image.shape[1] // _SMALL_SIDE_PX, 1)
    return image[::step, ::step].astype(np.float32)


def _state(small: NDArray[np.float32], still: NDArray[np.float32]) -> tuple[float, ...]:
    """Brightness, contrast, sharpness, share changed, shift of the brightness, colour."""
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    grey = _grey(small)
    edges = np.abs(np.diff(grey, axis=1)).mean() if grey.shape[1] > 1 else 0.0
    changed, shift = 0.0, 0.0
    if small.shape == still.shape:
        difference = grey - _grey(still)
        changed, shift = float((np.abs(difference) > _CHANGED_LEVELS).mean()), float(difference.mean()) / 128
    colour = float(np.abs(red - green).mean() + np.abs(green - blue).mean()) / 64
    return (
        float(grey.mean()) / 128 - 1, float(grey.std()) / 64, math.log1p(float(edges)) / 3, changed, shift, colour
    )  # fmt: skip


def _grey(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the three colours, slice by slice: over the short last axis numpy is ten times slower."""
    grey: NDArray[np.float32] = (small[..., 0] + small[..., 1] + small[..., 2]) / np.float32(3)
    return grey


def _where(frame: ClipFrame, region: ClipRegion) -> list[float]:
    height, width = frame.image.shape[:2]
    box = region.box
    tall, wide = max(box.height, 1.0), max(box.width, 1.0)
    edges = [box.left / width, box.top / height, box.right / width, box.bottom / height]
    return [*edges, math.log(tall / height) / 4, math.log(wide / tall) / 2]


def _in_zone(frame: ClipFrame, region: ClipRegion, zone: Polygon | None) -> list[float]:
    """Foot inside, its depth in own heights (negative outside), share of the box inside."""
    if zone is None or len(zone) < 3:
        return [0.0, 0.0, 0.0]
    height, width = frame.image.shape[:2]
    box = region.box
    xs, ys = box.left + _GRID * box.width, box.top + _GRID * box.height
    points = [(x / width, y / height) for y in ys for x in xs] + [(box.foot[0] / width, (box.foot[1] - 0.01) / height)]
    inside = is_inside(np.array(points), zone)
    corners = np.asarray(zone, float) * (width, height)
    depth = _edge_distance(np.array(box.foot), corners) / max(box.height, 1.0)
    signed = depth if inside[-1] else -depth
    return [float(inside[-1]), _bounded(signed / 2), float(inside[:-1].mean())]


def _motion(before: tuple[float, ClipRegion], now: tuple[float, ClipRegion]) -> list[float]:
    """Since it was last seen: time, way, speed."""
    elapsed = max(now[0] - before[0], 0.0)
    x, y = _way(before[1], now[1])
    speed = math.hypot(x, y) / elapsed if elapsed > 0 else 0.0
    grown = math.log(max(now[1].box.height, 1.0) / max(before[1].box.height, 1.0))
    return [_long(elapsed), _bounded(x / _HEIGHTS), _bounded(y / _HEIGHTS), _bounded(speed / _HEIGHTS), _bounded(grown)]


def _moved(first: tuple[float, ClipRegion], now: tuple[float, ClipRegion]) -> list[float]:
    """Since it was first seen."""
    return [_long(now[0] - first[0]), _bounded(math.hypot(*_way(first[1], now[1])) / (2 * _HEIGHTS))]


def _way(before: ClipRegion, now: ClipRegion) -> tuple[float, float]:
    """Of the foot, own heights."""
    height = max(before.box.height, now.box.height, 1.0)
    return (now.box.foot[0] - before.box.foot[0]) / height, (now.box.foot[1] - before.box.foot[1]) / height


def _company(frame: ClipFrame, region: ClipRegion) -> list[float]:
    """How near the next thing is, own heights, and how much they overlap."""
    others = [other for other in frame.regions if other is not region]
    if not others:
        return [1.0, 0.0]
    height = max(region.box.height, 1.0)
    gap = min(math.dist(other.box.foot, region.box.foot) for other in others) / height
    return [_bounded(gap / _HEIGHTS), max(other.box.iou(region.box) for other in others)]


def _edge_distance(point: NDArray[np.float64], corners: NDArray[np.float64]) -> float:
    """To the nearest side."""
    start, way = corners, np.roll(corners, -1, axis=0) - corners
    length = np.maximum((way**2).sum(axis=1), 1e-9)
    share = np.clip(((point - start) * way).sum(axis=1) / length, 0, 1)
    return float(np.sqrt(((start + share[:, None] * way - point) ** 2).sum(axis=1)).min())


def _area(zone: Sequence[tuple[float, float]]) -> float:
    corners = np.asarray(zone, float)
    after = np.roll(corners, -1, axis=0)
    return _bounded(abs(float((corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]).sum())) / 2)


def _long(seconds: float) -> float:
    return math.log1p(min(max(seconds, 0.0), 3600.0)) / _LONGEST_LOG


def _bounded(number: float) -> float:
    return min(max(number, -1.0), 1.0)
