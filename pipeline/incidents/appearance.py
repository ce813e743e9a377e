"""What a thing looks like, without a model: a handful of numbers by which it is known again on another camera.

In: a picture and the box of the thing in it. Out: a vector; two vectors of one thing point the same way. It is the
classic start of person re-identification: colour histograms of the upper and the lower half, near the middle more
than at the edges, where the background is (Farenzena et al., "Person Re-Identification by Symmetry-Driven Accumulation
of Local Features", CVPR 2010: HSV, 16 × 16 × 4 bins, weights by a Gaussian around the axis), compared by the
Bhattacharyya coefficient. That cameras and hours have their own light is met halfway: the picture is made grey on
average first (the grey-world assumption, Buchsbaum 1980), and brightness counts by its rank within the thing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box

Appearance = NDArray[np.float32]
"""(72,), unit length, not negative: square roots of the histograms' shares."""

_MIN_SIDE_PX = 8
"""A smaller thing has no colours of its own: JPEG keeps colour in blocks of 16 pixels."""
_SIZE_PX = (32, 64)
"""(width, height) to which a thing is brought first, so that its size does not matter."""
_BINS = (16, 16, 4)
"""Of hue, saturation and value."""
_AXIS_SHARE = 0.25
"""Standard deviation of the weight around the upright axis, as a share of the width: the outer quarters, mostly
background, count little."""
_MAX_GAIN = 2.0
"""A picture that is all of one colour is not made grey: that colour is no light."""


def describe(picture: NDArray[np.uint8], box: Box) -> Appearance | None:
    """The thing in `box` (absolute pixels) of a picture (HWC uint8 BGR); None when it is too small to tell."""
    height, width = picture.shape[:2]
    left, top = max(int(box.left), 0), max(int(box.top), 0)
    right, bottom = min(int(np.ceil(box.right)), width), min(int(np.ceil(box.bottom)), height)
    if right - left < _MIN_SIDE_PX or bottom - top < _MIN_SIDE_PX:
        return None
    means = np.maximum(picture.reshape(-1, 3).mean(axis=0), 1.0)
    gains = np.clip(means.mean() / means, 1 / _MAX_GAIN, _MAX_GAIN)
    thing = cv2.resize(picture[top:bottom, left:right], _SIZE_PX, interpolation=cv2.INTER_AREA)
    even = np.clip(thing.astype(np.float32) * gains, 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(even, cv2.COLOR_BGR2HSV)
    hsv[..., 2] = cv2.equalizeHist(hsv[..., 2])
    half = _SIZE_PX[1] // 2
    shares = np.concatenate([_histograms(hsv[:half]), _histograms(hsv[half:])])
    look: Appearance = np.sqrt(shares / shares.sum()).astype(np.float32)
    return look


def likeness(one: Appearance, other: Appearance) -> float | None:
    """0..1, the Bhattacharyya coefficient; None for vectors of different makers."""
    if one.shape != other.shape:
        return None
    return float(np.clip(one @ other, 0.0, 1.0))


def _histograms(hsv: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of hue, saturation and value in a half; hue counts as far as there is colour."""
    columns = (np.arange(hsv.shape[1]) + 0.5) / hsv.shape[1] - 0.5
    weights = np.broadcast_to(np.exp(-0.5 * (columns / _AXIS_SHARE) ** 2), hsv.shape[:2])
    coloured = weights * hsv[..., 1] / 255.0
    parts = []
    for channel, (bins, limit) in enumerate(zip(_BINS, (180, 256, 256), strict=True)):
        counts, _ = np.histogram(
            hsv[..., channel], bins=bins, range=(0, limit), weights=coloured if channel == 0 else weights
        )
        parts.append(counts / weights.sum())
    return np.concatenate(parts)
