"""Links new incidents with those of other cameras, on a thread of its own and after they are stored.

Best effort: no alert waits for it, and an incident that finds no room here stays unlinked. Linking twice does no harm.
"""

from __future__ import annotations

import queue
import threading
from datetime import timedelta

import structlog

from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter, IncidentStatus, IncidentStore
from pipeline.errors import TransientError
from pipeline.incidents.linking import links
from pipeline.settings import LinkingSettings
from pipeline.telemetry import FaultLog

log = structlog.get_logger()
_POLL_SECONDS = 0.5
_MAX_WAITING = 256
"""A storm's incidents, each a few tens of KiB."""
_MAX_OTHERS = 100
_LOOK_BACK = timedelta(hours=1)
"""What opened longer ago and still lasts is not looked for; of a storm only the newest are."""
_STANDING = (IncidentStatus.PROVISIONAL, IncidentStatus.CONFIRMED, IncidentStatus.UNVERIFIED)


class Linker:
    """`note` from any thread; `run` is the body of one."""

    def __init__(self, store: IncidentStore, settings: LinkingSettings) -> None:
        self._store = store
        self._settings = settings
        self._waiting: queue.Queue[Incident] = queue.Queue(_MAX_WAITING)
        self._is_full = False
        self._fault = FaultLog("links between incidents", "those of now are left out", done="stored")

    def note(self, change: IncidentChange) -> None:
        """A change was stored: with its first one an incident is to be linked. Returns at once."""
        if change.sequence != 1 or self._settings.within <= 0:
            return
        try:
            self._waiting.put_nowait(change.incident)
            self._is_full = False
        except queue.Full:
            if not self._is_full:
                log.warning("incidents stay unlinked: too many at once", first=change.incident.id)
            self._is_full = True

    def run(self, stop: threading.Event) -> None:
        """Link until told to stop, and then what waits."""
        while not (stop.is_set() and self._waiting.empty()):
            try:
                incident = self._waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            try:
                self.link(incident)
                self._fault.worked()
            except TransientError as error:
                self._fault.failed(error, incident=incident.id)
            except Exception:
                # The border of a thread whose end would stop the process, for something no alert needs.
                log.exception("incident not linked", incident=incident.id)

    def link(self, incident: Incident) -> None:
        """Link one with those near it in time; `TransientError` when the store cannot now."""
        within = timedelta(seconds=self._settings.within)
        wanted = IncidentFilter(
            statuses=_STANDING,
            opened_from=incident.candidate.started_at - within - _LOOK_BACK,
            opened_before=incident.opened_at + within,
            limit=_MAX_OTHERS,
        )
        found = links(
            incident,
            self._store.find(wanted),
            within_seconds=self._settings.within,
            min_likeness=self._settings.min_likeness,
        )
        if found:
            self._store.link(found)
            log.info("incident linked", incident=incident.id, others=[link.other_id for link in found])
