"""The brush: OpenCV's drawing on one picture, in pixels with fractions. The only file here that knows cv2."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.scenes.script import Colour

Pixel = Sequence[float] | NDArray[np.float64]
_SHIFT = 4
"""OpenCV's fixed point: 1/16 pixel, so that slow things move smoothly."""


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker colour."""
    return tuple(min(int(part * factor), 255) for part in colour)  # type: ignore[return-value]  # three in, three out


class Brush:
    """Draws on one RGB picture in place."""

    def __init__(self, pixels: Image) -> None:
        self.pixels = pixels

    def line(self, start: Pixel, end: Pixel, width_px: float, colour: Colour) -> None:
        """A line with round ends."""
        width = max(round(width_px), 1)
        cv2.line(self.pixels, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)

    def disc(self, centre: Pixel, radius_px: float, colour: Colour) -> None:
        """A filled circle."""
        radius = max(round(radius_px * 2**_SHIFT), 2**_SHIFT // 2)
        cv2.circle(self.pixels, _fixed(centre), radius, colour, -1, cv2.LINE_AA, _SHIFT)

    def polygon(self, points: NDArray[np.float64], colour: Colour) -> None:
        """A filled convex area."""
        fixed = np.rint(points[:, :2] * 2**_SHIFT).astype(np.int32)
        cv2.fillConvexPoly(self.pixels, fixed, colour, cv2.LINE_AA, _SHIFT)

    def darken(self, shapes: Sequence[NDArray[np.float64]], widths_px: Sequence[float], factor: float) -> None:
        """Multiply what lies under the strokes (polylines of the given widths; 0 fills) by `factor`, once."""
        height, width = self.pixels.shape[:2]
        reach = max(widths_px, default=0.0) + 1
        every = np.concatenate([shape[:, :2] for shape in shapes])
        left, top = np.maximum(np.floor(every.min(axis=0) - reach), 0).astype(int)
        right, bottom = np.minimum(np.ceil(every.max(axis=0) + reach), (width, height)).astype(int)
        if right <= left or bottom <= top:
            return
        area = self.pixels[top:bottom, left:right]
        mask = np.zeros(area.shape[:2], np.uint8)
        for shape, stroke in zip(shapes, widths_px, strict=True):
            points = np.rint((shape[:, :2] - (left, top)) * 2**_SHIFT).astype(np.int32)
            if stroke:
                cv2.polylines(mask, [points], False, (255,), max(round(stroke), 1), cv2.LINE_8, _SHIFT)
            else:
                cv2.fillConvexPoly(mask, points, (255,), cv2.LINE_8, _SHIFT)
        cv2.copyTo(cv2.convertScaleAbs(area, alpha=factor), mask, area)


def halved(pixels: Image) -> Image:
    """Half the size, each pixel the mean of four: how backdrops are smoothed."""
    size = pixels.shape[1] // 2, pixels.shape[0] // 2
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]  # uint8 as given


def exposed(pixels: Image, gain: float, grain: Image) -> Image:
    """A new picture: `pixels` times `gain` plus sensor noise (`grain`, uint8 around 128), saturated."""
    return cv2.addWeighted(pixels, gain, grain, 1.0, -128.0)  # type: ignore[return-value]  # uint8 as given


def texture(rng: np.random.Generator, size: tuple[int, int], strength: float) -> NDArray[np.float32]:
    """(H, W, 1) float32 around 0: patches of several sizes, as asphalt and concrete have."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    for cell_px, share in ((160, 0.8), (40, 0.6), (8, 0.5), (2, 0.7)):
        small = rng.normal(0, share, (height // cell_px + 2, width // cell_px + 2)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return (total * strength)[:, :, None]


def _fixed(point: Pixel) -> tuple[int, int]:
    return round(float(point[0]) * 2**_SHIFT), round(float(point[1]) * 2**_SHIFT)
