"""What is learned, on its way to the database and back; and what people say of alerts, on its way to the rules.

Learned state is not owed to anybody: a process that is killed loses its last minute of it, no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStore
from pipeline.contracts.learned import Learned, LearnedKind, LearnedStore
from pipeline.runtime.retry import now_and_then
from pipeline.runtime.unwritten import Unwritten
from pipeline.telemetry import FaultLog

_POLL_SECONDS = 2.0
_SKEW = timedelta(seconds=60)
"""The clock of who reviews may be behind ours, and a review may be written by a slow transaction."""
_MOST_REVIEWS = 2000
"""Of all rules together, the latest: rules keep fewer."""


class LearnedBook:
    """Takes what the stages have learned and writes it when the database can. Thread-safe."""

    def __init__(self, store: LearnedStore) -> None:
        self._store = store
        self._waiting = Unwritten[tuple[str, str, LearnedKind], Learned](store.save)

    def put(self, learned: Iterable[Learned]) -> None:
        """To be written with the next `flush`; what waits of the same key is overtaken."""
        self._waiting.put({(one.camera_id, one.rule_id, one.kind): one for one in learned})

    def flush(self) -> None:
        """Write what waits; `TransientError`, and it still waits, when the database cannot now."""
        self._waiting.flush()

    def load(self, camera_id: str) -> list[Learned]:
        """What is known of a camera, and of rules whatever the camera; `TransientError` when it cannot be had now."""
        self.flush()
        return self._store.load(camera_id)


class ReviewDesk:
    """Looks for new reviews in the database and hands each on once. `run` is a thread's body."""

    def __init__(self, incidents: IncidentStore, take: Callable[[Incident], object]) -> None:
        """`take` is called on this thread for each review that is new, or new in what it says, oldest first."""
        self._incidents = incidents
        self._take = take
        self._since: datetime | None = None
        self._known: dict[str, Incident] = {}
        """Those that were handed on, the latest last."""
        self._lock = threading.Lock()
        self._fault = FaultLog("reviews", "rules learn from them later", done="looked up")

    @property
    def known(self) -> list[Incident]:
        """Incidents with a review that were handed on by now, oldest word first: for a camera taken on later."""
        with self._lock:
            return list(self._known.values())

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        now_and_then(self.look, _POLL_SECONDS, stop, self._fault)

    def look(self) -> None:
        """Hand on what is new; `TransientError` when it cannot be looked up now."""
        wanted = IncidentFilter(is_reviewed=True, changed_from=self._since, limit=_MOST_REVIEWS)
        found = sorted(self._incidents.find(wanted), key=lambda incident: incident.updated_at)
        for incident in found:
            before = self._known.get(incident.id)
            if before is None or before.review != incident.review:
                self._note(incident)
                self._take(incident)
        if found:
            self._since = found[-1].updated_at - _SKEW

    def _note(self, incident: Incident) -> None:
        with self._lock:
            self._known.pop(incident.id, None)
            self._known[incident.id] = incident
            while len(self._known) > _MOST_REVIEWS:
                del self._known[next(iter(self._known))]
