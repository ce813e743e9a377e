"""Cameras that nobody reads: where ingest is not running, there is nobody to say so but those who wait for its frames.

In: the account of pictures, which each ingest process keeps in the database. Out: the camera's health rules are told,
as of a camera that is offline, since the account's last moment. Several processes may look: the moment is the same for
all, and so is the incident.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.coverage import CoverageStore, Layer
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.health import Condition, HealthChange
from pipeline.runtime.coverage import CoverageBook, NoCoverage
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.retry import now_and_then
from pipeline.site import Site
from pipeline.telemetry import FaultLog

_LOOK_SECONDS = 10.0
_AFTER = timedelta(seconds=60)
"""An ingest process that is restarted, or moved to another machine, is away for less."""
_FURTHEST = timedelta(days=7)
"""A camera whose account ended longer ago was not forgotten by accident."""


class AbsenceWatch:
    """`run` is the body of a thread."""

    def __init__(
        self,
        site: Site,
        camera_ids: Collection[str],
        coverage: CoverageStore,
        record: Callable[[Candidate], None],
        decisions: DecisionSink,
        clock: Clock,
    ) -> None:
        """`camera_ids`: the live cameras of the site. `record` stores a candidate, or raises `TransientError`."""
        self._camera_ids = sorted(camera_ids)
        self._coverage = coverage
        self._record = record
        self._clock = clock
        self._owed: deque[Candidate] = deque()
        book = CoverageBook(NoCoverage(), clock)  # the account has its hole already
        self._desk = HealthDesk(site, lambda _: None, self._owed.append, book, decisions, clock)
        self._absent: dict[str, HealthChange] = {}
        self._fault = FaultLog("cameras that nobody reads")

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        now_and_then(self.look, _LOOK_SECONDS, stop, self._fault)

    def look(self) -> None:
        """Once; `TransientError` while the database is away."""
        now = self._clock.now()
        ends = self._ends(now - 2 * _AFTER, now, self._camera_ids)
        for camera_id in self._camera_ids:
            end = ends.get(camera_id)
            if end is not None and now - end < _AFTER:
                self._is_read(camera_id, now)
            elif camera_id not in self._absent:
                self._is_not_read(camera_id, now)
        self._desk.tick()
        while self._owed:
            self._record(self._owed[0])
            self._owed.popleft()

    def _is_read(self, camera_id: str, now: datetime) -> None:
        told = self._absent.pop(camera_id, None)
        if told is not None:
            self._desk.changed(HealthChange(camera_id, told.condition, False, told.since, now, ""))

    def _is_not_read(self, camera_id: str, now: datetime) -> None:
        since = self._ends(now - _FURTHEST, now, [camera_id]).get(camera_id)
        if since is None:
            return
        seconds = (now - since).total_seconds()
        detail = "nobody reads it: its ingest process is not running, or cannot reach the database"
        limit_seconds = _AFTER.total_seconds()
        change = HealthChange(camera_id, Condition.OFFLINE, True, since, now, detail, seconds, limit_seconds)
        self._absent[camera_id] = change
        self._desk.changed(change)

    def _ends(self, start: datetime, end: datetime, camera_ids: Collection[str]) -> dict[str, datetime]:
        """The last moment that each camera's account of pictures knows of."""
        ends: dict[str, datetime] = {}
        for interval in self._coverage.between(camera_ids, start, end):
            if interval.layer is Layer.PICTURES:
                ends[interval.camera_id] = max(ends.get(interval.camera_id, interval.end), interval.end)
        return ends
