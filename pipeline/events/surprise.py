"""How rare a score is among those that a camera normally shows: a histogram, and beyond it a fitted tail.

The histogram says of ordinary scores what share is lower. What normal pictures never or hardly reach must still be
told apart, by how far it is beyond: there an exponential tail stands in, fitted to the highest of them (peaks over a
threshold, as Siffer et al. use it on streams, KDD 2017).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_BINS = 2048
_TAIL_SHARE = 0.05
"""Of the scores the tail is fitted to: five of the fewest that will do."""
_LEAST_SPREAD = 0.1
"""Of the tail, as a share of where it begins: what only ever was nearly the same is no ground for certainty."""
_ENOUGH = 100
"""Scores from which anything is said."""
_MANY = 250_000
"""From here the past is halved: two weeks at a score every five seconds."""
_FITTED_EVERY = 50
"""Scores after which the tail is fitted anew."""


class SurpriseSketch:
    """Scores of 0..1, of bounded memory: 8 KiB."""

    def __init__(self, counts: NDArray[np.float32] | None = None) -> None:
        """`counts` of an earlier one; `ValueError` for any other array."""
        if counts is not None and (counts.shape != (_BINS,) or counts.min() < 0):
            raise ValueError(f"expected {_BINS} counts, got an array of the shape {counts.shape}")
        self._counts = np.zeros(_BINS, np.float32) if counts is None else counts.astype(np.float32)
        self._since_fit = _FITTED_EVERY
        self._above = np.zeros(_BINS + 1)
        """Share of the scores at or above each bin's lower end."""
        self._tail_from = self._tail_mean = 1.0

    @property
    def counts(self) -> NDArray[np.float32]:
        """(2048,): how many scores of each bin; its whole state."""
        return self._counts

    def add(self, score: float) -> None:
        """Note a score that is normal."""
        self._counts[_bin_of(score)] += 1
        self._since_fit += 1

    def surprise(self, score: float) -> float | None:
        """-log10 of the share of normal scores that are as high: 1 for one in ten, 3 for one in a thousand.

        None while too few have been seen, and for NaN.
        """
        if self._since_fit >= _FITTED_EVERY:
            self._fit()
        if self._above[0] == 0 or not math.isfinite(score):
            return None
        if score >= self._tail_from:
            beyond = (score - self._tail_from) / self._tail_mean
            return -math.log10(_TAIL_SHARE) + beyond / math.log(10)
        share = float(np.interp(score * _BINS, np.arange(_BINS + 1), self._above))
        return -math.log10(max(share, _TAIL_SHARE))

    def _fit(self) -> None:
        self._since_fit = 0
        total = float(self._counts.sum())
        if total < _ENOUGH:
            return
        if total > _MANY:
            self._counts *= 0.5
            total *= 0.5
        self._above = np.append(np.cumsum(self._counts[::-1])[::-1] / total, 0.0)
        self._tail_from = float(np.interp(-_TAIL_SHARE, -self._above, np.arange(_BINS + 1))) / _BINS
        middles = (np.arange(_BINS) + 0.5) / _BINS
        excess = np.maximum(middles - self._tail_from, 0.0)
        mean = float(self._counts @ excess) / (total * _TAIL_SHARE)
        self._tail_mean = max(mean, _LEAST_SPREAD * self._tail_from, 1.0 / _BINS)


def _bin_of(score: float) -> int:
    return min(max(int(score * _BINS), 0), _BINS - 1)
