"""What a camera's picture looks like when nothing happens, learnt pixel by pixel at low resolution.

In: small luma pictures and the seconds between them. Out: which pixels show something else. Every constant is
in seconds or grey levels, so the answer hardly depends on the frame rate.

A pixel has changed when its luma *and* its contrast to its surroundings (luma minus local mean, over local
mean) differ from the background's. Light that brightens or darkens an area keeps contrast; the rim around a
passing truck, where only the local mean moves, keeps luma; neither counts.

Each pixel knows two appearances: the background, and a candidate seen in its place. The candidate takes over
once it was there longer than the background was known, with a limit, and the old background is kept as the
candidate. So things present in the first picture leave no ghost, a bag put down stays visible for
`STAYS_VISIBLE_SECONDS`, a swaying branch ends up as two known appearances, and a parked car that leaves
uncovers what is still remembered. What passes again and again is there too seldom for that.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

STAYS_VISIBLE_SECONDS = 90.0
"""How long a new thing that does not move counts as foreground, once the background is well known."""
_KNOWN_FOR_LONGER = 4.0
"""Before that: a candidate takes over when it was there so many times longer than the background was."""
_WEAR = 4.0
"""A candidate that is not there is forgotten so many times faster than it was learnt."""
_FADE = 0.1
"""A candidate that is not known yet is forgotten so many times slower while the background shows: what is there
less than about a tenth of the time never becomes known, however often it comes. The share MOG2 takes for
foreground too (OpenCV's `backgroundRatio`, 0.9)."""
_ADAPT_SECONDS = 3.0
"""Time constant with which an unchanged pixel follows the light."""
_NOISE_SECONDS = 5.0
"""Time constant of each pixel's own noise."""
_LONGEST_STEP_SECONDS = 5.0
"""A longer silence of the camera teaches no more than this."""

_WINDOW_PX = 49
"""Side of the surroundings a pixel's contrast is measured in; the picture's longer side is about 320."""
_DARK = 24.0
"""Grey levels added below the fraction of contrast, so that noise in the dark is not blown up without bound."""
_MIN_CONTRAST = 10.0
"""Smallest change of contrast that counts, in grey levels at medium light."""
_MIN_LUMA = 8.0
"""Smallest change of luma that counts, grey levels; above what compression does to a still picture."""
_NOISES = 6.0
"""A change also has to exceed so many mean deviations of the pixel's own noise."""
_FIRST_NOISE = 2.0
"""Mean deviation taken for granted before any was measured, grey levels at medium light."""
_SAME_LUMA = 12.0
"""A pixel shows its candidate again when it is within so many grey levels."""


class BackgroundModel:
    """The background of one camera. Made from a first picture; all pictures must have its size."""

    def __init__(self, first: Luma, sensitivity: float) -> None:
        self._sensitivity = sensitivity
        self.restart(first)

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) of the pictures it takes."""
        return self._background.shape

    def restart(self, luma: Luma) -> None:
        """Forget everything; take this picture as the background."""
        self._background = luma.astype(np.float32)
        mean = _local_mean(self._background)
        self._noise = _FIRST_NOISE * _contrast_gain(mean)
        self._known_for = np.zeros_like(self._background)
        self._candidate = self._background.copy()
        self._there_for = np.zeros_like(self._background)

    def look(self, luma: Luma, step_seconds: float) -> Mask:
        """Which pixels show neither the background nor a second known appearance; learns from the picture."""
        step = min(step_seconds, _LONGEST_STEP_SECONDS)
        now = luma.astype(np.float32)
        difference = np.abs(_contrast(now) - _contrast(self._background))
        is_other_luma = np.abs(now - self._background) > _MIN_LUMA / self._sensitivity
        changed = is_other_luma & (difference > self._threshold(difference))
        self._learn(now, difference, changed, step)
        self._fade_candidates(changed, step)
        return self._weigh_candidates(now, changed, step)

    def _threshold(self, difference: Floats) -> Floats:
        """Per pixel: its own noise, or what the whole picture makes now if that is more."""
        noise_now = float(np.median(difference[::4, ::4]))
        threshold = np.maximum(self._noise, noise_now) * (_NOISES / self._sensitivity)
        return np.asarray(np.maximum(threshold, _MIN_CONTRAST / self._sensitivity), np.float32)

    def _learn(self, now: Floats, difference: Floats, changed: Mask, step: float) -> None:
        unchanged = (~changed).view(np.uint8)
        cv2.accumulateWeighted(now, self._background, _share(step, _ADAPT_SECONDS), unchanged)
        cv2.accumulateWeighted(difference, self._noise, _share(step, _NOISE_SECONDS), unchanged)
        self._known_for += np.float32(step) * unchanged
        np.minimum(self._known_for, STAYS_VISIBLE_SECONDS, out=self._known_for)

    def _fade_candidates(self, changed: Mask, step: float) -> None:
        fading = ~changed & (self._there_for < STAYS_VISIBLE_SECONDS)
        self._there_for -= np.float32(_FADE * step) * fading
        np.maximum(self._there_for, 0, out=self._there_for)

    def _weigh_candidates(self, now: Floats, changed: Mask, step: float) -> Mask:
        """Learn what stands in place of the background; few pixels at a time, so by index."""
        at = np.flatnonzero(changed)
        luma, candidate = now.ravel()[at], self._candidate.ravel()[at]
        is_same = np.abs(luma - candidate) <= _SAME_LUMA
        there_for = self._there_for.ravel()[at] + np.where(is_same, step, -_WEAR * step).astype(np.float32)
        is_new = there_for < 0
        candidate += np.where(is_new, 1.0, is_same * _share(step, _ADAPT_SECONDS)).astype(np.float32) * (
            luma - candidate
        )
        there_for = np.clip(there_for, 0, STAYS_VISIBLE_SECONDS)
        needed = np.minimum(self._known_for.ravel()[at] * _KNOWN_FOR_LONGER, STAYS_VISIBLE_SECONDS)
        is_known = is_same & (there_for >= needed)
        np.put(self._candidate, at, candidate)
        np.put(self._there_for, at, there_for)
        self._swap(at[is_known])
        np.put(changed, at[is_known], False)
        return changed

    def _swap(self, at: NDArray[np.intp]) -> None:
        """Let the candidates at these pixels be the background, and the background their candidate."""
        before, known_for = self._background.ravel()[at], self._known_for.ravel()[at]
        np.put(self._background, at, self._candidate.ravel()[at])
        np.put(self._known_for, at, self._there_for.ravel()[at])
        np.put(self._candidate, at, before)
        np.put(self._there_for, at, np.minimum(known_for * _KNOWN_FOR_LONGER, STAYS_VISIBLE_SECONDS))


def _share(step_seconds: float, time_constant_seconds: float) -> float:
    """Weight of the newest of pictures this far apart in an exponential average."""
    return 1.0 - math.exp(-step_seconds / time_constant_seconds)


def _local_mean(luma: Floats) -> Floats:
    return np.asarray(cv2.blur(luma, (_WINDOW_PX, _WINDOW_PX)), np.float32)


def _contrast_gain(local_mean: Floats) -> Floats:
    """Factor from luma to contrast; 1 at medium light."""
    return np.asarray(128.0 / (local_mean + _DARK), np.float32)


def _contrast(luma: Floats) -> Floats:
    mean = _local_mean(luma)
    return (luma - mean) * _contrast_gain(mean)
