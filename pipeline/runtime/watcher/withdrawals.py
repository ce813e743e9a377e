"""Candidates that were rejected before anybody heard of them give their rule's cooldown back to its camera.

In one process the verifier says so to the thread that watches. In a cluster the verdict is another process's:
watchers look for such incidents in the database. Looking twice does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from pipeline.clock import Clock
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import IncidentFilter, IncidentStatus, IncidentStore
from pipeline.runtime.retry import now_and_then
from pipeline.site import Site
from pipeline.telemetry import FaultLog

_POLL_SECONDS = 2.0
"""What a cooldown may last longer than on one machine."""
_MARGIN = timedelta(seconds=60)
"""For cameras whose clock is behind ours."""


class Withdrawals:
    """`run` is a thread's body; a site without a rule of `alert: verified` costs nothing."""

    def __init__(
        self, incidents: IncidentStore, site: Site, withdraw: Callable[[Candidate], object], clock: Clock
    ) -> None:
        """`withdraw` is called for incidents of every camera, also of those that are watched elsewhere."""
        self._incidents = incidents
        self._rules = [rule for rule in site.rules if rule.alert == "verified" and rule.cooldown > 0]
        self._withdraw = withdraw
        self._clock = clock
        self._fault = FaultLog("alerts that nobody heard of", "cooldowns last until they can", done="looked up")

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        now_and_then(self.look, _POLL_SECONDS, stop, self._fault)

    def look(self) -> None:
        """Withdraw each rejected candidate whose cooldown may still hold something back."""
        for rule in self._rules:
            since = self._clock.now() - timedelta(seconds=rule.cooldown) - _MARGIN
            wanted = IncidentFilter(rule_id=rule.id, statuses=(IncidentStatus.REJECTED,), opened_from=since)
            for incident in self._incidents.find(wanted):
                self._withdraw(incident.candidate)
