"""What is owed to receivers, sent: any number of these services empty the one outbox in the database.

The news on the topic `incidents` only wakes the worker. What is owed stands in the outbox, which is looked at
about once a second anyway: without a broker alerts still go out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import structlog

from pipeline.alerting.outbox import DeliveryWorker, Send
from pipeline.clock import Clock
from pipeline.contracts.alert import Channel, Outbox
from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.errors import TransientError
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.pulse import Pulse, raise_stuck
from pipeline.runtime.service import unique_name
from pipeline.runtime.worker import Worker, raise_first
from pipeline.settings import AlertingSettings
from pipeline.store.ledger import Ledger
from pipeline.telemetry import Metrics
from pipeline.tracing import OFF, Tracing
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.kafka import KafkaBus

log = structlog.get_logger()
_GROUP = "alerting"
_STUCK_SECONDS = 90.0
"""Beyond what the database's own time limits add up to (a place in the pool, a connection, a lost packet)."""


class AlertingService:
    """A `Service`; any number of them share the work."""

    def __init__(
        self,
        bus: KafkaBus,
        outbox: Outbox,
        send: Send,
        channels: Mapping[str, Channel],
        settings: AlertingSettings,
        ledger: Ledger,
        *,
        metrics: Metrics,
        clock: Clock,
        on_close: Sequence[Callable[[], None]] = (),
        tracing: Tracing = OFF,
    ) -> None:
        """`on_close` is called in order at the end."""
        self._outbox = outbox
        self._clock = clock
        self._on_close = tuple(on_close)
        self._stop = threading.Event()
        self._workers: list[Worker] = []
        self._pulse = Pulse("delivery", clock)
        self._delivery = DeliveryWorker(
            outbox, send, channels, settings, clock, ledger, metrics, owner=unique_name(), tracing=tracing
        )
        self._housekeeping = Housekeeping(ledger, metrics, clock, outbox)
        self._consumer = TopicConsumer(
            bus, [Topic.INCIDENTS], _GROUP, _WakeOnNews(self._delivery.wake), bus.settings, clock=clock
        )
        self._owed = {"lag": 0.0, "oldest_age_seconds": 0.0}

    def start(self) -> None:
        """Begin to deliver."""
        self._workers = [
            Worker("delivery", partial(self._delivery.run, self._stop, self._pulse.beat)),
            Worker("housekeeping", partial(self._housekeeping.run, self._stop)),
        ]
        self._consumer.start()

    def stop(self, drain_seconds: float) -> None:
        """Finish the attempts under way, within the bound; leave the rest to others."""
        if self._stop.is_set():
            return
        self._consumer.stop(drain_seconds)
        self._delivery.close(drain_seconds)
        self._stop.set()
        self._delivery.wake()
        with ExitStack() as closing:
            for action in reversed(self._on_close):
                closing.callback(action)
            for worker in self._workers:
                worker.join()
            self._housekeeping.finish()

    def check_health(self) -> None:
        """`StageFailed` when a thread died or hangs; broker, database and receivers may be away."""
        self._consumer.check_health()
        raise_first(self._workers)
        raise_stuck([self._pulse], _STUCK_SECONDS)

    def stats(self) -> Mapping[str, float]:
        """Of the deliveries due in the whole cluster: `lag` is their number, `oldest_age_seconds` how long the oldest
        has been due; as last known when the database is away."""
        try:
            now = self._clock.now()
            owed = self._outbox.owed(now)
            self._owed = {"lag": float(owed.number), "oldest_age_seconds": owed.oldest_age_seconds(now)}
        except TransientError as error:
            log.warning("the deliveries due cannot be counted now", error=str(error))
        return self._owed


class _WakeOnNews:
    """A `RecordHandler` that reads nothing: that something came is all there is to know."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing is kept a partition."""

    def handle(self, record: Record, done: Callable[[], None]) -> None:  # noqa: ARG002 - what is owed is in the outbox
        """Wake, and be done."""
        self._wake()
        done()

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:
        """Nothing is in hand."""
