"""The last seconds of a camera as JPEG, so that a candidate can look back.

In: frames, of which a few a second are kept, and every one that was sampled; what came as JPEG is kept byte for
byte. Out: stretches of time, or the frame nearest to a moment. Bounded in seconds and in bytes.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.jpeg import encode
from pipeline.sampling.budget import Schedule
from pipeline.settings import SamplingSettings


class FrameRing:
    """One camera's ring. One thread adds, in time order; any thread reads."""

    def __init__(self, settings: SamplingSettings) -> None:
        self._settings = settings
        self._schedule = Schedule(settings.ring_fps)
        self._lock = threading.Lock()
        self._frames: deque[EncodedFrame] = deque()
        self._num_bytes = 0

    @property
    def num_bytes(self) -> int:
        """JPEG bytes held."""
        with self._lock:
            return self._num_bytes

    def add(self, frame: Frame | EncodedFrame, must_keep: bool) -> None:
        """Keep a frame if it must be or one is due; `InvalidMessage` when it cannot be written as JPEG."""
        if must_keep:
            self._schedule.restart(frame.captured_at)
        elif not self._schedule.take(frame.captured_at):
            return
        encoded = encode(frame, self._settings.jpeg_quality) if isinstance(frame, Frame) else frame
        with self._lock:
            self._frames.append(encoded)
            self._num_bytes += len(encoded.jpeg)
            self._forget(encoded.captured_at - timedelta(seconds=self._settings.ring_for))

    @property
    def newest(self) -> EncodedFrame | None:
        """The last frame kept; None while the ring is empty."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def between(self, start: datetime, end: datetime) -> tuple[EncodedFrame, ...]:
        """The frames taken in [start, end), in time order."""
        with self._lock:
            return tuple(frame for frame in self._frames if start <= frame.captured_at < end)

    def nearest(self, captured_at: datetime) -> EncodedFrame | None:
        """The frame taken nearest to a moment; None while the ring is empty."""
        with self._lock:
            return min(self._frames, key=lambda frame: abs(frame.captured_at - captured_at), default=None)

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._frames.clear()
            self._num_bytes = 0
        self._schedule = Schedule(self._settings.ring_fps)

    def _forget(self, before: datetime) -> None:
        """Drop what is too old or too much, oldest first; the newest always stays."""
        while len(self._frames) > 1 and (
            self._frames[0].captured_at < before or self._num_bytes > self._settings.ring_max_bytes
        ):
            self._num_bytes -= len(self._frames.popleft().jpeg)
