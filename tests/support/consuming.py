"""A handler that keeps what it is told, and consumers, topics and records on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka.structs import TopicPartition

from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.errors import StageFailed
from pipeline.settings import BusSettings
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.kafka import KafkaBus
from tests.support.ingest import wait_for

BOUND_SECONDS = 60
"""Generous: joining a group takes half of the session timeout, sharing one out anew twice of it."""


@dataclass(frozen=True)
class Revoked:
    """What was taken away, and how long there was to finish."""

    partitions: frozenset[int]
    drain_seconds: float


class Recorder:
    """A `RecordHandler` that completes at once, or keeps the `done` of each record for the test to call."""

    def __init__(self, *, completes: bool = True) -> None:
        self.completes = completes
        self.records: list[Record] = []
        self.open: dict[tuple[int, int], Callable[[], None]] = {}
        """`done` by partition and offset."""
        self.owned: set[int] = set()
        self.revocations: list[Revoked] = []
        self.finish_on_revocation = False
        self.fails_at: str | None = None
        self._lock = threading.Lock()

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.owned |= {partition.number for partition in partitions}

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        assert record.partition.number in self.owned, "a record of a partition that was never assigned"
        if self.fails_at == record.value.decode():
            raise RuntimeError(f"cannot handle {self.fails_at}")
        with self._lock:
            self.records.append(record)
            self.open[record.partition.number, record.offset] = done
        if self.completes:
            self.complete(record)

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:
        numbers = {partition.number for partition in partitions}
        self.owned -= numbers
        if self.finish_on_revocation:
            for record in list(self.records):
                if record.partition.number in numbers:
                    self.complete(record)
        self.revocations.append(Revoked(frozenset(numbers), drain_seconds))

    def complete(self, record: Record) -> None:
        with self._lock:
            done = self.open.pop((record.partition.number, record.offset), None)
        if done is not None:
            done()

    def complete_all(self) -> None:
        for record in list(self.records):
            self.complete(record)

    def values(self, *, replays: bool = False) -> list[str]:
        return [record.value.decode() for record in list(self.records) if record.is_replay == replays]

    def wait_for(self, num_records: int) -> None:
        assert wait_for(lambda: len(self.records) >= num_records, BOUND_SECONDS), f"only {len(self.records)} came"


def bus_of(port: int, prefix: str, **settings: Any) -> KafkaBus:
    """A bus with its topics: one partition of frames unless told otherwise, and a short session."""
    given = {"servers": f"127.0.0.1:{port}", "prefix": prefix, "partitions": 1, "session_timeout": 6} | settings
    bus = KafkaBus(BusSettings(**given), "test")
    bus.ensure_topics()
    return bus


def put(bus: KafkaBus, values: Collection[str], topic: Topic = Topic.FRAMES, key: str = "yard") -> None:
    """Publish text and wait until it is durable."""
    publisher = bus.publisher()
    try:
        for future in [publisher.publish(topic, key, value.encode(), {"kind": "test"}) for value in values]:
            future.result(BOUND_SECONDS)
    finally:
        publisher.close()


@contextmanager
def consuming(
    bus: KafkaBus, handler: Recorder, *, drain_seconds: float = 1.0, **options: Any
) -> Iterator[TopicConsumer]:
    """A consumer of `frames` in the group `watchers`, stopped at the end."""
    consumer = TopicConsumer(bus, [Topic.FRAMES], "watchers", handler, bus.settings, **options)
    consumer.start()
    try:
        yield consumer
    finally:
        consumer.stop(drain_seconds)


def committed(bus: KafkaBus, partition: int = 0) -> int | None:
    """What the group `watchers` has committed."""
    reader = bus.consumer("watchers")
    try:
        raw = TopicPartition(bus.topic_name(Topic.FRAMES), partition)
        offset: int | None = reader.committed(raw, timeout_ms=10_000)
        return offset
    finally:
        reader.close(autocommit=False)


def failure_of(consumer: TopicConsumer) -> str:
    """What the health check says, once it says anything."""
    said: list[str] = []

    def has_failed() -> bool:
        try:
            consumer.check_health()
        except StageFailed as error:
            said.append(str(error))
        return bool(said)

    assert wait_for(has_failed, BOUND_SECONDS), "still healthy"
    return said[0]
