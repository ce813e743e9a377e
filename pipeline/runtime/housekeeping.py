"""What every process does now and then: the ledger to the database, and the counts of deliveries to the metrics."""

from __future__ import annotations

import threading

from pipeline.clock import Clock
from pipeline.contracts.alert import Outbox
from pipeline.errors import TransientError
from pipeline.store.ledger import Ledger
from pipeline.telemetry import FaultLog, Metrics

_LEDGER_SECONDS = 1.0
_COUNT_SECONDS = 10.0
"""Counting all deliveries ever made costs more every month."""


class Housekeeping:
    """Flushes the ledger every second; with an outbox, counts its deliveries every ten. `run` is a thread's body."""

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Clock, outbox: Outbox | None = None) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._outbox = outbox
        self._next_count = clock.monotonic()
        self._fault = FaultLog("the ledger")

    def run(self, stop: threading.Event) -> None:
        """Keep house until told to stop. What came after the last round waits for `finish`."""
        while not stop.wait(_LEDGER_SECONDS):
            self._once(counts_deliveries=self._clock.monotonic() >= self._next_count)

    def finish(self) -> None:
        """The last round, once nobody records decisions any more."""
        self._once(counts_deliveries=True)

    def _once(self, *, counts_deliveries: bool) -> None:
        try:
            self._ledger.flush()
            if counts_deliveries and self._outbox is not None:
                self._next_count = self._clock.monotonic() + _COUNT_SECONDS
                for state, count in self._outbox.counts().items():
                    self._metrics.deliveries_by_state.labels(state).set(count)
            self._fault.worked()
        except TransientError as error:
            self._fault.failed(error)
