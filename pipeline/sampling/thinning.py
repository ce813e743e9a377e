"""Which frames of a camera anything looks at, by their own times: the first step of both runtimes.

The same camera read by one machine or by a cluster's ingest gives the same frames to gate, models and rules, and so
the same incidents by id. The rest is never looked at, nor, of a live camera, even converted.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.contracts.camera import SamplingLimits
from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.sampling.budget import Schedule
from pipeline.settings import SamplingSettings


class Thinning:
    """The frames of one camera that are due. For one thread."""

    def __init__(self, fps: float) -> None:
        self.num_missed = 0
        """Frames that were due before the one just taken, and came, but were not read in time."""
        self._fps = fps
        self._schedule = Schedule(fps)
        self._last_at: datetime | None = None
        self._last_sequence = 0

    @classmethod
    def of(cls, limits: SamplingLimits, settings: SamplingSettings) -> Thinning:
        """At the highest rate that anything behind it can use."""
        return cls(cls.rate_of(limits, settings))

    @staticmethod
    def rate_of(limits: SamplingLimits, settings: SamplingSettings) -> float:
        """Frames a second that models, or ring and clips, can use at most."""
        return max(limits.active_fps, settings.ring_fps)

    def take(self, frame: Frame | EncodedFrame) -> bool:
        """Whether this frame is due. A clock that was set back starts a new schedule."""
        if self._last_at is not None and frame.captured_at < self._last_at:
            self._schedule, self._last_at = Schedule(self._fps), None
        if not self._schedule.take(frame.captured_at):
            return False
        self.num_missed = self._missed(frame)
        self._last_at, self._last_sequence = frame.captured_at, frame.sequence
        return True

    def idle_seconds(self, now: datetime) -> float:
        """How long from now no frame is due; at most a period, whatever happens to the clock."""
        opens_at = self._schedule.opens_at
        return min(max((opens_at - now).total_seconds(), 0.0), 1 / self._fps) if opens_at else 0.0

    def _missed(self, frame: Frame | EncodedFrame) -> int:
        if self._last_at is None:
            return 0
        num_due = round((frame.captured_at - self._last_at).total_seconds() * self._fps) - 1
        return max(min(num_due, frame.sequence - self._last_sequence - 1), 0)
