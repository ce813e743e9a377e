"""The motion gate: says of every frame of one camera where something is that was not there before.

In: frames, as pixels or as JPEG, of which only a fraction is decoded. Out: `Motion` in pixels of the full frame,
and the small thumbnail by which frames are compared later. Decisions about sampling are left to the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import EncodedFrame, Frame, Motion
from pipeline.contracts.values import Box
from pipeline.jpeg import luma_of
from pipeline.sampling.background import BackgroundModel, Luma, Mask
from pipeline.settings import SamplingSettings

_THUMBNAIL_SIZE_PX = (64, 36)
_GLOBAL_SHARE = 0.5
"""More of the picture changed than this: not a thing in the scene but the light, the exposure or the camera."""
_JUMP_LUMA = 15
"""The same when so much of it became brighter or darker by so many grey levels from one frame to the next …"""
_LOST_SHARE = 0.05
"""… and if that changed the contrast of so much of it too, what was learnt is of no use any more."""
_SETTLE_SECONDS = 1.0
"""After that, how long a camera's exposure may take to come to rest; the picture is learnt anew meanwhile."""
_SPECK_PX = 3
_BRIDGE_PX = (5, 9)
"""Width and height of the gaps that are closed: parts of one thing mostly stand above each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the gate made of one frame."""

    motion: Motion
    thumbnail: NDArray[np.uint8]
    """Luma, shape (36, 64), uint8."""


class MotionGate:
    """The gate of one camera; keeps its background. Not thread-safe."""

    def __init__(self, settings: SamplingSettings) -> None:
        self._settings = settings
        self._model: BackgroundModel | None = None
        self._last_luma: Luma = np.zeros((1, 1), np.uint8)
        self._last_at: datetime | None = None
        self._unsettled_seconds = 0.0

    def look(self, frame: Frame | EncodedFrame) -> Look:
        """Compare a frame with the background and learn from it; `captured_at` must not go back.

        `InvalidMessage`, and nothing learnt, for a JPEG that cannot be decoded.
        """
        return self.look_at(luma_of(frame), frame.captured_at, frame.width, frame.height)

    def look_at(self, luma: Luma, captured_at: datetime, width_px: int, height_px: int) -> Look:
        """The same for reduced luma, with the size of the full frame."""
        step = (captured_at - self._last_at).total_seconds() if self._last_at else 0.0
        motion = self._compare(luma, step, (width_px, height_px))
        self._last_at, self._last_luma = captured_at, luma
        return Look(motion, cv2.resize(luma, _THUMBNAIL_SIZE_PX, interpolation=cv2.INTER_AREA).astype(np.uint8))

    def _compare(self, luma: Luma, step_seconds: float, full_size_px: tuple[int, int]) -> Motion:
        if self._model is None or self._model.shape != luma.shape:
            self._model = BackgroundModel(luma, self._settings.sensitivity)
            return Motion((), 0.0, is_global=False)
        mask = self._model.look(luma, step_seconds)
        changed_fraction = float(mask.mean())
        self._unsettled_seconds = max(self._unsettled_seconds - step_seconds, 0.0)
        is_global = changed_fraction > _GLOBAL_SHARE or self._jumped(luma)
        if is_global and changed_fraction > _LOST_SHARE:
            self._unsettled_seconds = _SETTLE_SECONDS
        if self._unsettled_seconds > 0:
            self._model.restart(luma)
        if is_global or self._unsettled_seconds > 0:
            return Motion((), changed_fraction, is_global=True)
        return Motion(self._regions(mask, full_size_px), changed_fraction, is_global=False)

    def _jumped(self, luma: Luma) -> bool:
        difference = np.asarray(cv2.absdiff(luma, self._last_luma))
        return float(np.mean(difference > _JUMP_LUMA)) > _GLOBAL_SHARE

    def _regions(self, mask: Mask, full_size_px: tuple[int, int]) -> tuple[Box, ...]:
        """Boxes in full pixels around what hangs together and is large enough, largest first."""
        min_pixels = self._settings.min_area * mask.size
        if np.count_nonzero(mask) < min_pixels:
            return ()
        clean = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((_SPECK_PX, _SPECK_PX), np.uint8))
        whole = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, np.ones(_BRIDGE_PX[::-1], np.uint8))
        outlines, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        scale_x, scale_y = full_size_px[0] / mask.shape[1], full_size_px[1] / mask.shape[0]
        boxes = (
            Box(x * scale_x, y * scale_y, (x + width) * scale_x, (y + height) * scale_y)
            for outline in outlines
            if _num_pixels(outline) >= min_pixels
            for x, y, width, height in [cv2.boundingRect(outline)]
        )
        return tuple(sorted(merge_overlapping(boxes), key=lambda box: box.area, reverse=True))


def merge_overlapping(boxes: Iterable[Box]) -> list[Box]:
    """Join boxes that overlap, until none do."""
    merged: list[Box] = []
    for box in boxes:
        joined = box
        while touching := [other for other in merged if joined.iou(other) > 0]:
            merged = [other for other in merged if other not in touching]
            joined = _around((joined, *touching))
        merged.append(joined)
    return merged


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _num_pixels(outline: cv2.typing.MatLike) -> float:
    """Pixels on and inside an outline through pixel centres (Pick's theorem); holes count as inside."""
    return cv2.contourArea(outline) + cv2.arcLength(outline, closed=True) / 2 + 1
