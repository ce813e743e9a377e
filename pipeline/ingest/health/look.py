"""What is measured on one picture: brightness, detail at two scales, and edges that do not depend on the light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Blocks = NDArray[np.float32]
Edges = NDArray[np.complex64]

BLOCK_PX = 16
"""Side of the blocks detail is measured in: 20 x 11 of them in a picture of 320 x 180."""
EDGE_SIZE_PX = (160, 96)
"""Of the edge map, whatever the shape of the picture: even, and quick to transform."""
_FINE_SIGMA_PX, _COARSE_SIGMA_PX = 1.0, 2.5
_FAINT_EDGE = 3.0
"""Grey levels a pixel at which an edge counts half: above sensor noise, below most outlines."""
_RIM_PX = 2


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture, measured."""

    luma: Luma
    """(height, width), no side over 320."""
    brightness: float
    """Mean luma."""
    highlight: float
    """Luma that 1 % of the picture exceeds: a lit lamp and its surroundings, but not a line of text."""
    darkest: float
    """Luma that 99 % exceeds."""
    fine: Blocks
    """Root mean square of what a Gaussian of 1 px takes away, by block: focus, and noise."""
    middle: Blocks
    """The same of the next band, up to about 2.7 px: shapes, which stay when focus goes."""
    edges: Edges
    """Direction (doubled, so that dark-to-light is light-to-dark) and strength 0..1, shape (96, 160)."""

    @property
    def detail(self) -> float:
        """How far the sharpest blocks stand above the plain ones: noise is in all of them alike."""
        plain, sharp = np.percentile(self.fine, (25, 98))
        return float(sharp - plain)


def look_at(luma: Luma) -> Look:
    """Measure a picture: 0.8 ms for 320 x 180."""
    darkest, highlight = np.percentile(luma, (1, 99))
    grey = luma.astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), _FINE_SIGMA_PX)
    softer = cv2.GaussianBlur(soft, (0, 0), _COARSE_SIGMA_PX)
    return Look(
        luma=luma,
        brightness=float(grey.mean()),
        highlight=float(highlight),
        darkest=float(darkest),
        fine=_energy(grey - soft),
        middle=_energy(soft - softer),
        edges=_edges(luma),
    )


def by_block(values: NDArray[np.float32]) -> Blocks:
    """The mean of each whole block; a picture smaller than a block is one block."""
    rows, columns = max(values.shape[0] // BLOCK_PX, 1), max(values.shape[1] // BLOCK_PX, 1)
    whole = values[: rows * BLOCK_PX, : columns * BLOCK_PX]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32).reshape(
        rows, columns
    )


def _energy(band: NDArray[np.float32]) -> Blocks:
    return np.sqrt(by_block(np.square(band)))


def _edges(luma: Luma) -> Edges:
    small = cv2.resize(luma, EDGE_SIZE_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.GaussianBlur(small, (0, 0), 1.0)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(soft, cv2.CV_32F, 0, 1) / 8
    slope = across + 1j * down
    strength = np.abs(slope)
    edges = slope * slope / np.maximum(strength, 1e-6) / (strength + _FAINT_EDGE)
    inside = np.zeros(edges.shape, np.float32)
    inside[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX] = 1
    return np.asarray(edges * inside, np.complex64)
