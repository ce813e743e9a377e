"""What every process does now and then: ledger, coverage and what is learned to the database, the counts of deliveries
to the metrics, and away with what is too old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict

import structlog

from pipeline.clock import Clock
from pipeline.contracts.alert import Outbox
from pipeline.errors import TransientError
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.learning import LearnedBook
from pipeline.store.ledger import Ledger
from pipeline.store.retention import Cleared, Retention
from pipeline.telemetry import FaultLog, Metrics

log = structlog.get_logger()
_KEPT = ("the ledger", "the coverage", "what is learned", "the forecasts")
_ROUND_SECONDS = 1.0
_COUNT_SECONDS = 10.0
"""Counting all deliveries ever made costs more every month."""


class Housekeeping:
    """Flushes ledger, coverage, forecasts and what is learned every second; with an outbox, counts its deliveries every
    ten. `run` is a thread's body.

    With a retention, clears away a little every second from the start on until nothing is left to clear, and again
    every `retention.every`. Any number of processes may: what one has deleted, the others do not find.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        clock: Clock,
        outbox: Outbox | None = None,
        *,
        coverage: CoverageBook | None = None,
        retention: Retention | None = None,
        learned: LearnedBook | None = None,
        forecasts: Callable[[], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._outbox = outbox
        self._coverage = coverage
        self._retention = retention
        self._learned = learned
        self._forecasts = forecasts
        self._next_count = self._next_clearing = clock.monotonic()
        self._cleared = Cleared()
        self._faults = {name: FaultLog(name) for name in _KEPT}
        self._faults["what is too old"] = FaultLog("what is too old", done="deleted")

    def run(self, stop: threading.Event) -> None:
        """Keep house until told to stop. What came after the last round waits for `finish`."""
        while not stop.wait(_ROUND_SECONDS):
            self._once(counts_deliveries=self._clock.monotonic() >= self._next_count)
            self._try("what is too old", self._clear)

    def finish(self) -> None:
        """The last round, once nobody records decisions any more."""
        self._once(counts_deliveries=True)

    def _once(self, *, counts_deliveries: bool) -> None:
        self._try("the ledger", lambda: self._write_ledger(counts_deliveries=counts_deliveries))
        if self._coverage is not None:
            self._try("the coverage", self._coverage.flush)
        if self._learned is not None:
            self._try("what is learned", self._learned.flush)
        if self._forecasts is not None:
            self._try("the forecasts", self._forecasts)

    def _try(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
            self._faults[what].worked()
        except TransientError as error:
            self._faults[what].failed(error)

    def _write_ledger(self, *, counts_deliveries: bool) -> None:
        self._ledger.flush()
        if counts_deliveries and self._outbox is not None:
            self._next_count = self._clock.monotonic() + _COUNT_SECONDS
            for state, count in self._outbox.counts().items():
                self._metrics.deliveries_by_state.labels(state).set(count)

    def _clear(self) -> None:
        if self._retention is None or self._clock.monotonic() < self._next_clearing:
            return
        cleared = self._retention.step(self._clock.now())
        self._cleared += cleared
        if cleared:
            return  # there may be more: next round
        total = self._cleared + self._retention.clear_strays(self._clock.now())
        self._cleared = Cleared()
        self._next_clearing = self._clock.monotonic() + self._retention.every_seconds
        if total:
            log.info("what was too old is deleted", **asdict(total))
