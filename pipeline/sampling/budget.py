"""How many of a camera's frames may reach the models, decided by the frames' own times.

In: times, and whether something moves. Out: whether to sample, and why. Rates hold on average whatever the
camera's own rate is: 5 a second out of 12 a second is 5.0, since the schedule moves on by its period and not
from the frame that happened to come. A host that is late can have the active rate thinned to a share of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.contracts.camera import SamplingLimits

_EARLY_SHARE = 0.2
"""A frame may come so much of a period before its time: jitter must not cost every other frame of a camera
whose own rate is the allowed one."""


class Schedule:
    """A rate as a row of due times."""

    def __init__(self, fps: float) -> None:
        self._period = timedelta(seconds=1 / fps)
        self._due: datetime | None = None

    def take(self, at: datetime) -> bool:
        """Whether a frame is due; if so, the schedule moves on by one period."""
        if self._due is None or at - self._due >= self._period:
            self._due = at + self._period
            return True
        if at < self._due - self._period * _EARLY_SHARE:
            return False
        self._due += self._period
        return True

    @property
    def opens_at(self) -> datetime | None:
        """No frame from before this is due; None before the first one."""
        return self._due - self._period * _EARLY_SHARE if self._due is not None else None

    def restart(self, at: datetime) -> None:
        """Count a frame taken now for another reason; the next is due a whole period later, not before."""
        self._due = at + self._period * (1 + _EARLY_SHARE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a frame is sampled, and why (`first`, `motion`, `active`, `heartbeat`) or why not."""

    is_sampled: bool
    reason: str


class SamplingBudget:
    """The budget of one camera. Times must not go back."""

    def __init__(self, limits: SamplingLimits) -> None:
        self._active_for = timedelta(seconds=limits.active_for)
        self._active = Schedule(limits.active_fps)
        self._idle = Schedule(limits.idle_fps)
        self._last_motion_at: datetime | None = None
        self._is_first = True
        self._shares_saved = 0.0

    def decide(self, at: datetime, has_motion: bool, active_share: float = 1.0) -> Verdict:
        """Sample the frame taken `at`, or not.

        Of the frames due at the active rate, `active_share` (0..1) are sampled, evenly spread, and the others are
        `overloaded`; the first frame and heartbeats always pass.
        """
        if has_motion:
            self._last_motion_at = at
        if self._is_first:
            self._is_first = False
            return self._sampled(at, "first")
        if self._last_motion_at is None or at - self._last_motion_at > self._active_for:
            return self._sampled(at, "heartbeat") if self._idle.take(at) else Verdict(False, "no motion")
        if not self._active.take(at):
            return Verdict(False, "over camera rate")
        if not self._has_room(active_share):
            return Verdict(True, "heartbeat") if self._idle.take(at) else Verdict(False, "overloaded")
        self._idle.restart(at)
        return Verdict(True, "motion" if has_motion else "active")

    def _has_room(self, active_share: float) -> bool:
        """Whether the shares of frames passed over, and this one's, make a whole frame."""
        self._shares_saved += active_share
        if self._shares_saved < 1.0:
            return False
        self._shares_saved -= 1.0
        return True

    def _sampled(self, at: datetime, reason: str) -> Verdict:
        """Sample outside the active rate; that rate is still never exceeded."""
        self._active.restart(at)
        if reason == "first":
            self._idle.restart(at)
        return Verdict(True, reason)
