"""What a watcher does about frames that come late, step by step, by their age on the bus.

Up to `bus.late_after` nothing. Beyond it the active rate falls with the age: at twice the age half of it, and so on;
the ledger has the frames passed over as `overloaded`. Beyond `bus.fresh_for` frames are dropped, as `too late`.
Replayed frames are never late: they rebuild state.
"""

from __future__ import annotations

import math

from pipeline.clock import Clock
from pipeline.contracts.bus import Record
from pipeline.settings import BusSettings

_REMEMBERED_SECONDS = 10.0


class Ladder:
    """`climb` is for one thread, `level` for any."""

    def __init__(self, settings: BusSettings, clock: Clock) -> None:
        self._late_after = settings.late_after
        self._fresh_for = settings.fresh_for
        self._clock = clock
        self._last_thinned = self._last_dropped = -math.inf
        self.age_seconds = 0.0
        """Of the last record that was no replay."""

    def climb(self, record: Record) -> float | None:
        """The share of the active rate that a record's camera may have now; None to drop its frame."""
        if record.is_replay:
            return 1.0
        self.age_seconds = (self._clock.now() - record.published_at).total_seconds()
        if self.age_seconds > self._fresh_for:
            self._last_dropped = self._clock.monotonic()
            return None
        if self.age_seconds > self._late_after:
            self._last_thinned = self._clock.monotonic()
            return self._late_after / self.age_seconds
        return 1.0

    @property
    def level(self) -> int:
        """The worst of the last 10 s: 0 in time, 1 thinned, 2 dropped."""
        since = self._clock.monotonic() - _REMEMBERED_SECONDS
        return 2 if self._last_dropped > since else int(self._last_thinned > since)
