"""What a watcher does about frames that come late, step by step, by their age on the bus.

Up to `bus.late_after` nothing; nor while a backlog is being worked off, as after a broker, a model or a watcher was
away: those frames are only late, and nothing in them may be missed. When frames are late and get no younger there are
too many: until they are in time again the active rate falls with the age, at twice `late_after` to a half, and so on;
the ledger has the frames passed over as `overloaded`. Beyond `bus.fresh_for` frames are dropped, as `too late`.
Replayed frames are never late: they rebuild state.
"""

from __future__ import annotations

import math

from pipeline.clock import Clock
from pipeline.contracts.bus import Record
from pipeline.settings import BusSettings

_REMEMBERED_SECONDS = 10.0
_WINDOW_SECONDS = 5.0
"""The worst ages of two windows of this length are compared: long enough for every camera to have its turn."""


class Ladder:
    """`climb` is for one thread, `level` for any."""

    def __init__(self, settings: BusSettings, clock: Clock) -> None:
        self._late_after = settings.late_after
        self._fresh_for = settings.fresh_for
        self._clock = clock
        self._last_thinned = self._last_dropped = -math.inf
        self._is_overloaded = False
        self._window_since = -math.inf
        self._worst_seconds = self._worst_before_seconds = math.inf
        self.age_seconds = 0.0
        """Of the last record that was no replay."""

    def climb(self, record: Record) -> float | None:
        """The share of the active rate that a record's camera may have now; None to drop its frame."""
        if record.is_replay:
            return 1.0
        self.age_seconds = (self._clock.now() - record.published_at).total_seconds()
        self._judge()
        if self.age_seconds > self._fresh_for:
            self._last_dropped = self._clock.monotonic()
            return None
        if self._is_overloaded and self.age_seconds > self._late_after:
            self._last_thinned = self._clock.monotonic()
            return self._late_after / self.age_seconds
        return 1.0

    @property
    def level(self) -> int:
        """The worst of the last 10 s: 0 in time, 1 thinned, 2 dropped."""
        since = self._clock.monotonic() - _REMEMBERED_SECONDS
        return 2 if self._last_dropped > since else int(self._last_thinned > since)

    def _judge(self) -> None:
        """Overloaded from two late windows, the second no better than the first, until one in which none was late."""
        elapsed = self._clock.monotonic() - self._window_since
        if elapsed > 2 * _WINDOW_SECONDS:  # Nothing came for a while: what was before says nothing of now.
            self._worst_before_seconds = math.inf
            self._begin_window()
        elif elapsed > _WINDOW_SECONDS:
            if self._worst_seconds <= self._late_after:
                self._is_overloaded = False
            elif self._late_after < self._worst_before_seconds <= self._worst_seconds:
                self._is_overloaded = True
            self._worst_before_seconds = self._worst_seconds
            self._begin_window()
        else:
            self._worst_seconds = max(self._worst_seconds, self.age_seconds)

    def _begin_window(self) -> None:
        self._window_since, self._worst_seconds = self._clock.monotonic(), self.age_seconds
