"""One camera in one layer of the book: what is open, what was told, what blinds it. Not thread-safe: the book is."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.coverage import NO_FRAMES, NOT_JUDGED, WATCHED, Interval, Layer

_MAX_SPANS = 256
"""Watched spans that are remembered: how far a condition found late, or a clock set back, can reach."""
_TICK = timedelta(microseconds=1)
_SILENCE = {Layer.PICTURES: NO_FRAMES, Layer.RULES: NOT_JUDGED}

Keep = Callable[[Interval, bool], None]
"""Takes an interval, and whether it takes back time that may be stored as watched."""


class CoverageTrack:
    """Event time only moves on: what was told of once, before a clock was set back, is not told again."""

    def __init__(self, camera_id: str, layer: Layer, gap: timedelta, keep: Keep) -> None:
        """`gap`: the longest silence that is no hole."""
        self.gap = gap
        self.excuse: tuple[str, datetime] | None = None
        """Why frames were left out, and the last such frame's time: the reason of a hole around it."""
        self.written: dict[str, Interval] = {}
        """By reason: what the store has of intervals that are still open."""
        self._camera_id = camera_id
        self._layer = layer
        self._keep = keep
        self._start: datetime | None = None
        """Of the watched interval that is open."""
        self._limit: datetime | None = None
        """Where the open interval would run into a span, after a clock was set back."""
        self._told: datetime | None = None
        """All is told up to here: the last frame, or the end of what blinded."""
        self._spans: list[tuple[datetime, datetime]] = []
        """Finished watched intervals, by start."""
        self._conditions: dict[str, tuple[datetime, str]] = {}
        """What blinds now: reason to since when and detail."""
        self._frame_while_blind: datetime | None = None
        self._has_new_frame = False

    def at_work(self, at: datetime) -> None:
        """A frame of this time was looked at, or judged."""
        if self._conditions:
            self._frame_while_blind = max(at, self._frame_while_blind or at)
            self._has_new_frame = True
        elif self._start is not None and self._told is not None and self._follows(at, self._told):
            self._told = at
        elif self._start is None or self._told is None or not self._start <= at <= self._told:
            self._begin_anew(at)

    def catch_up(self, other: CoverageTrack) -> None:
        """Nothing was missed up to where `other` is, if that is no longer than a silence may be."""
        if self._start is not None and self._told and other._told and self._follows(other._told, self._told):
            self._told = other._told

    def begin(self, reason: str, since: datetime, detail: str) -> None:
        """A condition blinds."""
        if reason in self._conditions:
            return
        told = self._told
        if told is not None and since > told and not self._conditions:
            if since - told > self.gap:
                self._hole(told, since)
            else:
                since = told
        self._conditions[reason] = (since, detail)
        if told is not None and told > since and self._start is not None:
            self._frame_while_blind = told
        self._take_back(since)
        self._told = since

    def end(self, reason: str, at: datetime) -> None:
        """A condition blinds no more."""
        if reason not in self._conditions:
            return
        since, detail = self._conditions.pop(reason)
        at = max(at, since)
        self.written.pop(reason, None)
        self._keep(self._interval(since, at, reason, detail), True)
        self._told = max(at, self._told or at)
        if self._conditions:
            return
        last, self._frame_while_blind = self._frame_while_blind, None
        if last is not None and last >= self._told:  # told late: frames of the time since then have come already
            self._open(self._told, last)

    def leave(self, at: datetime | None, reason: str) -> None:
        """The end, at the last moment told of unless `at` is given; without a reason nothing is said of it."""
        last = self._frame_while_blind
        for condition, (since, _) in list(self._conditions.items()):
            stored = self.written.get(condition)
            ends = at, last, self._told, stored.end if stored else None
            self.end(condition, max((end for end in ends if end is not None), default=since))
        told = self._told
        self._finish()
        if reason and told is not None:
            self._keep(self._interval(told, max(at or told, told + _TICK), reason), False)

    def still_open(self, clock: Clock) -> Iterator[Interval]:
        """What is open, up to its last moment, as far as it is not written. Without frames what blinds lasts to now."""
        found = []
        if self._start is not None and self._told is not None:
            found.append(self._interval(self._start, self._told))
        for reason, (since, detail) in self._conditions.items():
            last = self._frame_while_blind if self._has_new_frame else clock.now()
            found.append(self._interval(since, max(since, last or since), reason, detail))
        self._has_new_frame = False
        return (interval for interval in found if self.written.get(interval.reason) != interval)

    def _follows(self, at: datetime, told: datetime) -> bool:
        return told <= at <= told + self.gap and (self._limit is None or at < self._limit)

    def _begin_anew(self, at: datetime) -> None:
        """The frame does not continue the open interval: silence before it, or a clock set back, or time told of."""
        told = self._told
        if self._start is not None and self._limit is not None and at >= self._limit:
            told = self._told = self._limit
        self._finish()
        index = bisect.bisect_right(self._spans, (at, datetime.max.replace(tzinfo=at.tzinfo))) - 1
        earlier = self._spans[index][1] if index >= 0 else None
        if earlier is not None and at <= earlier:
            self._told = earlier
            return
        start = at
        if told is not None and at > told:
            if at - told > self.gap:
                self._hole(told, at)
            else:
                start = max(told, earlier or told)
        self._open(start, at)

    def _open(self, start: datetime, last: datetime) -> None:
        self._start, self._told = start, last
        self._limit = next((first for first, _ in self._spans if first > start), None)

    def _finish(self) -> None:
        """Close the open interval where its last frame was."""
        if self._start is None or self._told is None:
            return
        self._keep(self._interval(self._start, self._told), False)
        bisect.insort(self._spans, (self._start, self._told))
        del self._spans[:-_MAX_SPANS]
        self._start = self._limit = None
        self.written.pop(WATCHED, None)

    def _take_back(self, since: datetime) -> None:
        """No watched time from here on, stored or not."""
        self._finish()
        for index in reversed(range(len(self._spans))):
            start, end = self._spans[index]
            if end <= since:
                continue
            self._keep(self._interval(start, max(start, since)), True)
            if start < since:
                self._spans[index] = (start, since)
            else:
                del self._spans[index]

    def _hole(self, start: datetime, end: datetime) -> None:
        is_excused = self.excuse is not None and self.excuse[1] >= start
        reason = self.excuse[0] if self.excuse is not None and is_excused else _SILENCE[self._layer]
        self._keep(self._interval(start, end, reason), False)

    def _interval(self, start: datetime, end: datetime, reason: str = WATCHED, detail: str = "") -> Interval:
        return Interval(self._camera_id, self._layer, start, end, reason, detail)
