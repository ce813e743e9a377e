"""Presentation times as a container tells them in, strictly increasing seconds out.

Real files repeat times, give them in decoding order, start anew in the middle or do not have any. The
pictures of a decoder come in the right order all the same, so their order is kept and the times are mended.
"""

from __future__ import annotations

import math

LARGEST_SWAP_SECONDS = 1.0
"""Times that go back by less are frames out of order (B-frames without composition times: 0.25 s in a clip of
12 frames a second); by more, the stream has started a new count."""
LARGEST_GAP_SECONDS = 60.0
"""A longer step forward is a new count too, not a pause in the recording."""
LEAST_ADVANCE_SECONDS = 0.001
"""Frames closer than this have the same time, written with rounding."""
USUAL_FPS = 25.0


class Timeline:
    """Places one frame after another. The first is at 0."""

    def __init__(self, fps: float) -> None:
        self._step_seconds = 1 / fps if math.isfinite(fps) and 0 < fps <= 1000 else 1 / USUAL_FPS
        self._last_seconds: float | None = None
        self._offset_seconds: float | None = None
        self.num_mended = 0
        """How many frames could not stand where their time said."""

    def place(self, pts_seconds: float) -> float:
        """Seconds since the first frame, greater than any before."""
        pts = pts_seconds if math.isfinite(pts_seconds) else 0.0
        expected = 0.0 if self._last_seconds is None else self._last_seconds + self._step_seconds
        if self._offset_seconds is None:
            self._offset_seconds = expected - pts
        self._last_seconds = self._mended(pts, expected)
        return self._last_seconds

    def start_again(self) -> None:
        """The next frame begins a new count (a loop), one step after the last."""
        self._offset_seconds = None

    def _mended(self, pts: float, expected: float) -> float:
        told = pts + (self._offset_seconds or 0.0)
        if self._last_seconds is None:
            return told
        advance = told - self._last_seconds
        if LEAST_ADVANCE_SECONDS <= advance <= LARGEST_GAP_SECONDS:
            return told
        self.num_mended += 1
        if not -LARGEST_SWAP_SECONDS < advance < LEAST_ADVANCE_SECONDS:
            self._offset_seconds = expected - pts
        return expected
