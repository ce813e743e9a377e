"""What a camera usually shows, slowly learned, and how a picture compares with it.

Every figure here was measured on all clips of `benchmarks/health_detectors.py`: as they are, darkened to 15 %,
under other light (channels swapped, gamma, noise), in rain, with half of the view
hidden, blurred, shifted by 10 to 40 % and turned by 10 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.health.look import Blocks, Edges, Look

READY_LOOKS = 20
"""Fewer are no reference."""
_SLOWEST_SHARE = 1 / 600
"""Of a look in the reference, once it is learned: ten minutes of looks."""
_NEAR_PX = (3, 2)
"""Wind and vibration: the picture may be off by 2 % of its size and is still in place."""
_TEXTURED = 2.0
"""Grey levels in the middle band that make a block worth comparing …"""
_BLOCKS_SHARE = 0.4
"""… and so many blocks at most, the strongest."""
_LIVE = 1.2
"""What the middle band of such a block must still hold: above noise."""
_MIN_BLOCKS = 8
_EVEN = 0.3
"""Added above and below the ratio of two bands, so that empty ones count as alike."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A picture beside the reference."""

    place: float
    """How far the match of the edges at no shift stands above that at all shifts, in standard deviations. In place:
    22 at least (a lorry over half of an empty car park), 41 elsewhere; moved: 15 at most."""
    usual_place: float
    """The same, as it usually is."""
    sharpness: float | None
    """Fine detail for what the shapes would let expect, 1 as usual; None when no block can tell. As they are: 0.94 to
    1.03 (a car over the whole empty car park: 0.61), rain and other light: 0.79 to 2.4, blurred by 3 px of 640:
    0.31 to 0.55."""
    detail: float
    """All detail, 1 as usual."""


class Scene:
    """The reference of one camera: 0.13 MB. Not thread-safe."""

    def __init__(self) -> None:
        self._num_looks = 0.0
        self._edges: Edges | None = None
        self._ratio: Blocks = np.zeros((1, 1), np.float32)
        self._middle: Blocks = np.zeros((1, 1), np.float32)
        self._detail = 0.0
        self._place = 0.0

    def compare(self, look: Look) -> Likeness | None:
        """None while too little is learned, or where there is nothing to compare with."""
        if self._edges is None or self._num_looks < READY_LOOKS:
            return None
        return Likeness(
            place=_place(self._edges, look.edges),
            usual_place=self._place,
            sharpness=self._sharpness(look),
            detail=look.detail / max(self._detail, 1e-3),
        )

    def learn(self, look: Look, weight: float = 1.0) -> None:
        """Take a picture that nothing is wrong with into the reference; with less weight where that is in doubt."""
        if self._edges is None or self._ratio.shape != look.fine.shape:
            self._edges, self._num_looks = np.zeros_like(look.edges), 0.0
            self._ratio, self._middle = np.zeros_like(look.fine), np.zeros_like(look.middle)
            self._detail = self._place = 0.0
        self._num_looks += weight
        share = weight * max(1 / self._num_looks, _SLOWEST_SHARE)
        if self._num_looks > 2:
            self._place += share * (_place(self._edges, look.edges) - self._place)
        self._edges += np.complex64(share) * (look.edges - self._edges)
        self._ratio += np.float32(share) * (_log_ratio(look) - self._ratio)
        self._middle += np.float32(share) * (look.middle - self._middle)
        self._detail += share * (look.detail - self._detail)

    def _sharpness(self, look: Look) -> float | None:
        textured = self._middle >= max(_TEXTURED, float(np.quantile(self._middle, 1 - _BLOCKS_SHARE)))
        live = textured & (look.middle >= _LIVE)
        if np.count_nonzero(live) < _MIN_BLOCKS:
            return None
        return float(np.exp(np.median((_log_ratio(look) - self._ratio)[live])))


def _log_ratio(look: Look) -> Blocks:
    return np.log((look.fine + _EVEN) / (look.middle + _EVEN))


def _place(reference: Edges, edges: Edges) -> float:
    """The height of the correlation around no shift over its spread at all shifts.

    Half whitened (each frequency by the root of its strength): between plain correlation, which long edges smear, and
    phase correlation, which noise does.
    """
    product = np.conj(np.fft.fft2(reference)) * np.fft.fft2(edges)
    surface: NDArray[np.float64] = np.fft.ifft2(product / np.sqrt(np.abs(product) + 1e-9)).real
    across, down = _NEAR_PX
    near = np.roll(surface, (down, across), (0, 1))[: 2 * down + 1, : 2 * across + 1]
    return float(near.max() / max(surface.std(), 1e-9))
