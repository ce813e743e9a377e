"""The changes of incidents from the database to the topic `incidents`: the outbox pattern, towards the bus.

In: changes that were stored, whoever stored them. Out: one record each, at least once, an incident's in their
order. The broker and the database may be away for as long as they like: alerts go out without this, from the
outbox in the database; the news waits there, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import Publisher, Topic
from pipeline.contracts.incident import IncidentChange, IncidentStore
from pipeline.errors import InvalidMessage, SightlineError, TransientError
from pipeline.runtime.pulse import Pulse
from pipeline.telemetry import FaultLog, Metrics
from pipeline.transport.codec import contract_record

log = structlog.get_logger()
_POLL_SECONDS = 1.0
"""Longest wait before looking again: others store changes, too."""
_BATCH = 100
_LEASE_SECONDS = 15.0
_RENEW_SECONDS = 5.0
"""Two renewals may fail before another relay takes what is in hand."""


class Relay:
    """One of any number, in as many processes: each change is in the hand of one of them at a time."""

    def __init__(self, store: IncidentStore, publisher: Publisher, metrics: Metrics, clock: Clock) -> None:
        self.pulse = Pulse("relay", clock)
        self._store = store
        self._publisher = publisher
        self._metrics = metrics
        self._wake = threading.Event()
        self._fault = FaultLog("news of incidents", "trying again; alerts do not wait for it", done="told to the bus")

    def wake(self) -> None:
        """Look now: a change was stored."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """The thread's body: relay until `stop` is set (and `wake` called, to be heard at once)."""
        while not stop.is_set():
            self._wake.clear()
            while self._relay_some(stop):
                self.pulse.beat()
            self.pulse.beat()
            self._wake.wait(_POLL_SECONDS)

    def _relay_some(self, stop: threading.Event) -> bool:
        """Relay a batch; whether there may be more to do at once."""
        try:
            changes = self._store.claim_news(_LEASE_SECONDS, _BATCH)
            if changes:
                self._settle(changes, self._publish(changes, stop))
            is_all_well = bool(changes) and not stop.is_set()
            self._fault.worked()
        except TransientError as error:
            self._fault.failed(error)
            return False
        return is_all_well

    def _publish(self, changes: Sequence[IncidentChange], stop: threading.Event) -> list[Future[None]]:
        """What became of each, in order; waits until that is known, but only some seconds once told to stop."""
        outcomes = [_outcome(partial(self._publisher.publish, Topic.INCIDENTS, *contract_record(c))) for c in changes]
        while wait(outcomes, _RENEW_SECONDS).not_done and not stop.is_set():
            # Kept from other relays: what is under way may yet arrive, and nothing that follows may overtake it.
            self._store.renew_news(changes, _LEASE_SECONDS)
            self.pulse.beat()
        return outcomes

    def _settle(self, changes: Sequence[IncidentChange], outcomes: Sequence[Future[None]]) -> None:
        """Note what the bus has; give back what it did not take, and say so with `TransientError`."""
        failures: dict[str, BaseException] = {}
        for change, outcome in zip(changes, outcomes, strict=True):
            error = outcome.exception() if outcome.done() else TransientError("told to stop before it was acknowledged")
            if isinstance(error, InvalidMessage):
                self._metrics.invalid_items.labels("relay", "refused").inc()
                log.error("news of an incident is kept from the bus", change=change.id, reason=str(error))
            elif error is not None:
                failures[change.id] = error
        self._store.mark_relayed([change for change in changes if change.id not in failures])
        if failures:
            self._store.renew_news([change for change in changes if change.id in failures], 0.0)
            first = next(iter(failures.values()))
            raise TransientError(str(first)) from first


def _outcome(publish: Callable[[], Future[None]]) -> Future[None]:
    """The future of a record, failed when it was refused at once."""
    try:
        return publish()
    except SightlineError as error:
        refused: Future[None] = Future()
        refused.set_exception(error)
        return refused
