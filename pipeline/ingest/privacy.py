"""Privacy masks: what lies inside them is black before anybody sees a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import Frame, VideoSource
from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Image


class PrivacyMask:
    """Polygons burnt in; drawn once for each frame size. Pixels that an edge touches are black too."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = [np.array(polygon) for polygon in polygons]
        self._kept: NDArray[np.uint8] = np.empty((0, 0), np.uint8)

    def apply(self, pixels: Image) -> Image:
        """A copy of `pixels` with the polygons black, read-only."""
        if self._kept.shape != pixels.shape[:2]:
            self._kept = self._draw(*pixels.shape[:2])
        masked: Image = cv2.bitwise_and(pixels, pixels, mask=self._kept)  # type: ignore[assignment]  # uint8 as given
        masked.setflags(write=False)
        return masked

    def _draw(self, height: int, width: int) -> NDArray[np.uint8]:
        kept = np.full((height, width), 255, np.uint8)
        for polygon in self._polygons:
            cv2.fillPoly(kept, [np.rint(polygon * (width, height)).astype(np.int32)], (0,))
        return kept


class MaskedSource:
    """A `VideoSource` whose frames are masked."""

    def __init__(self, source: VideoSource, mask: PrivacyMask) -> None:
        self._source = source
        self._mask = mask
        self.is_live = source.is_live
        self.expected_frames = source.expected_frames

    def read(self) -> Frame | None:
        """The inner source's next frame, masked."""
        frame = self._source.read()
        return None if frame is None else replace(frame, pixels=self._mask.apply(frame.pixels))

    def close(self) -> None:
        """Close the inner source."""
        self._source.close()
