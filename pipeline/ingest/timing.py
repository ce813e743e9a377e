"""When was a frame taken? The camera's clock, the stream's and this machine's in, one UTC time a frame out.

In: a frame's presentation time, when it arrived, and what the camera itself says (RTCP sender reports). Out: a
`captured_at` that goes up, and how wrong the camera's clock is where it cannot be used. No clock is read here, and
no zone is known: a camera that sends local time, or steps by an hour in spring, is just wrong by hours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DRIFT = 300e-6
"""How fast the least delay seen may rise again, seconds a second: crystals differ by up to 200 ppm."""
_WINDOW_SECONDS = 10.0
"""If no frame of so long was as early as the least delay says, by half a second, …"""
_LATE_SECONDS = 0.5
"""… the stream's time stood still in a stall, and the delay is learnt anew."""
_SWAP_SECONDS = 1.0
"""Presentation times that go back by less are frames out of order; by more, a new count has begun."""
_LEAP_SECONDS = 1.0
"""A camera's clock that runs on by so much more or less than its stream was set in between, and …"""
_DISTRUST_SECONDS = 60.0
"""… is not used for so long after."""
_SLOWEST = 0.5
"""Where the estimate steps back, time passes at this rate until it fits: a step of 1 s is spread over 2 s."""
_LONGEST_STEP_SECONDS = 1.0
_LEAST_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Dated:
    """A frame's time."""

    captured_at: datetime
    """Aware, UTC."""
    offset_seconds: float | None
    """How far the camera's clock is ahead of this machine's while it cannot be used; None when there is nothing to
    complain of (also when the camera tells no time)."""


class CaptureClock:
    """Dates the frames of one connection. Pure: the same calls give the same times. Not thread-safe.

    Without a camera's clock the error is the stream's least one-way delay, which nobody can see, plus what
    `benchmarks/health_detectors.py` measures on scripted arrivals of an hour: with 0 to 400 ms of jitter, also with a
    drift of 100 ppm, 25 ms (median) and 57 ms (largest); with 0 to 40 ms and a stall of 5 s each minute 1 and 5 ms.
    """

    def __init__(self, tolerance_seconds: float) -> None:
        self._tolerance = timedelta(seconds=tolerance_seconds)
        self._delay = _LeastDelay()
        self._last: Dated | None = None
        self._last_pts_seconds: float | None = None
        self._last_arrived_at: datetime | None = None
        self._last_camera_time: datetime | None = None
        self._distrusted_until: datetime | None = None

    def date(self, pts_seconds: float | None, arrived_at: datetime, camera_time: datetime | None) -> Dated:
        """The time of the next frame; `arrived_at` and `camera_time` are aware.

        Later than every one before and at most the tolerance after `arrived_at`; where both cannot be because this
        machine's clock was set back, the second holds.
        """
        arrived_at = arrived_at.astimezone(UTC)
        pts = pts_seconds if pts_seconds is not None and math.isfinite(pts_seconds) else None
        streamed_at = arrived_at if pts is None else arrived_at - self._delay.beyond_least(pts, arrived_at)
        offset_seconds = self._offset_seconds(camera_time, pts, arrived_at)
        is_usable = camera_time is not None and offset_seconds is None
        best = camera_time.astimezone(UTC) if is_usable and camera_time is not None else streamed_at
        dated = Dated(self._in_order(best, pts, arrived_at), offset_seconds)
        self._last, self._last_pts_seconds, self._last_arrived_at = dated, pts, arrived_at
        return dated

    def _offset_seconds(self, camera_time: datetime | None, pts: float | None, arrived_at: datetime) -> float | None:
        """How far ahead the camera's clock is, if that is too far or it was set a moment ago."""
        last, self._last_camera_time = self._last_camera_time, camera_time
        if camera_time is None:
            return None
        if last is not None and self._leapt(camera_time - last, pts, arrived_at):
            self._distrusted_until = arrived_at + timedelta(seconds=_DISTRUST_SECONDS)
        is_distrusted = self._distrusted_until is not None and arrived_at < self._distrusted_until
        behind = arrived_at - camera_time
        # FFmpeg holds a picture back until the next one begins.
        held_back = arrived_at - self._last_arrived_at if self._last_arrived_at is not None else timedelta(0)
        is_far = behind > self._tolerance + max(held_back, timedelta(0)) or -behind > self._tolerance
        return -behind.total_seconds() if is_far or is_distrusted else None

    def _leapt(self, step: timedelta, pts: float | None, arrived_at: datetime) -> bool:
        """Whether the camera's clock stepped by more or less than its stream did, or arrival where it has no times."""
        if pts is not None and self._last_pts_seconds is not None:
            advance_seconds = pts - self._last_pts_seconds
        elif self._last_arrived_at is not None:
            advance_seconds = (arrived_at - self._last_arrived_at).total_seconds()
        else:
            return False
        return abs(step.total_seconds() - advance_seconds) > _LEAP_SECONDS

    def _in_order(self, best: datetime, pts: float | None, arrived_at: datetime) -> datetime:
        latest = arrived_at + self._tolerance
        if self._last is None or self._last.captured_at >= latest:
            return min(best, latest)
        least = self._last.captured_at + max(_SLOWEST * self._step(pts, arrived_at), _LEAST_STEP)
        return min(max(best, least), max(latest, self._last.captured_at + timedelta(microseconds=1)))

    def _step(self, pts: float | None, arrived_at: datetime) -> timedelta:
        """How much time passed since the last frame, by stream and by arrival, whichever is less: one may jump."""
        if self._last_arrived_at is None:
            return timedelta(0)
        seconds = (arrived_at - self._last_arrived_at).total_seconds()
        if pts is not None and self._last_pts_seconds is not None:
            seconds = min(seconds, pts - self._last_pts_seconds)
        return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_STEP_SECONDS))


class _LeastDelay:
    """The least of arrival less presentation time, allowed to rise as slowly as crystals drift.

    What a frame is later than that is what the network kept it; a frame can be late, but never early.
    """

    def __init__(self) -> None:
        self._epoch = datetime(1970, 1, 1, tzinfo=UTC)
        self._least_seconds = math.inf
        self._last_pts_seconds = -math.inf
        self._last_arrival_seconds = 0.0
        self._window_from_seconds = 0.0
        self._window_least_seconds = math.inf

    def beyond_least(self, pts: float, arrived_at: datetime) -> timedelta:
        """How much longer this frame was on its way than the quickest."""
        arrival = (arrived_at - self._epoch).total_seconds()
        delay = arrival - pts
        if pts < self._last_pts_seconds - _SWAP_SECONDS or arrival < self._last_arrival_seconds:
            self._restart(delay, arrival)
        self._least_seconds += _DRIFT * max(arrival - self._last_arrival_seconds, 0.0)
        self._least_seconds = min(self._least_seconds, delay)
        self._last_pts_seconds, self._last_arrival_seconds = pts, arrival
        self._follow(delay, arrival)
        return timedelta(seconds=delay - self._least_seconds)

    def _restart(self, delay: float, arrival: float) -> None:
        self._least_seconds = delay
        self._window_from_seconds, self._window_least_seconds = arrival, math.inf

    def _follow(self, delay: float, arrival: float) -> None:
        self._window_least_seconds = min(self._window_least_seconds, delay)
        if arrival - self._window_from_seconds < _WINDOW_SECONDS:
            return
        if self._window_least_seconds > self._least_seconds + _LATE_SECONDS:
            self._least_seconds = self._window_least_seconds
        self._window_from_seconds, self._window_least_seconds = arrival, math.inf
