"""The newest record of a key, read when somebody asks: a look at a topic, without a group, that nobody else notices.

Only partitions that were asked about lately are read, each once a second at most, from a few seconds ago on: whoever
shows sixteen cameras reads what these publish, and whoever shows none reads nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import timedelta

from kafka import KafkaConsumer
from kafka.partitioner import murmur2
from kafka.structs import TopicPartition

from pipeline.clock import Clock
from pipeline.contracts.bus import Record, Topic
from pipeline.errors import ConfigError, SightlineError
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.kafka_errors import kafka_errors

_FRESH_SECONDS = 1.0
"""What was read so lately is not read again."""
_WANTED_SECONDS = 10.0
"""A partition that nobody has asked about for so long is no longer read."""
_LOOK_BACK = timedelta(seconds=5)
_POLL_MS = 150
"""Longer than the broker waits for a first byte: a poll without records says that there are none."""
_PATIENCE_SECONDS = 2.0
"""For one catching up, however much is published meanwhile."""
_REQUEST_MS = 5_000


class NewestRecords:
    """Thread-safe; whoever asks while another's question is being read waits for it. `close` it."""

    def __init__(self, bus: KafkaBus, topic: Topic, clock: Clock) -> None:
        """Touches no network."""
        self._bus = bus
        self._topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._reader: KafkaConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._asked_at: dict[TopicPartition, float] = {}
        self._read_at: dict[TopicPartition, float] = {}
        """Of the partitions that are being read."""
        self._newest: dict[str, Record] = {}

    def newest(self, key: str) -> Record | None:
        """The newest with a value; None when none came in the last seconds, nor was seen before.

        `TransientError` when the broker is away, `ConfigError` when there is no such topic.
        """
        with self._lock:
            try:
                with kafka_errors():
                    reader = self._opened()
                    partition = self._partition_of(key)
                    now = self._clock.monotonic()
                    self._asked_at[partition] = now
                    if now - self._read_at.get(partition, -_FRESH_SECONDS) >= _FRESH_SECONDS:
                        self._catch_up(reader, now)
            except SightlineError:
                self._drop()
                raise
            return self._newest.get(key)

    def at_hand(self, key: str) -> Record | None:
        """What was read of it last, without reading; None when that was long ago, or never."""
        record = self._newest.get(key)
        if record is None:
            return None
        read_at = self._read_at.get(self._bus.topic_partition(record.partition))
        return record if read_at is not None and self._clock.monotonic() - read_at < _WANTED_SECONDS else None

    def close(self) -> None:
        """Let go of the broker; may be called twice."""
        with self._lock:
            self._drop()

    def _opened(self) -> KafkaConsumer:
        if self._reader is None:
            reader = self._bus.consumer(None)
            self._reader = reader
            name = self._bus.topic_name(self._topic)
            self._partitions = [TopicPartition(name, number) for number in sorted(reader.partitions_for_topic(name))]
            if not self._partitions:
                raise ConfigError(f"the broker has no topic {name}: the first ingest or cluster that starts makes it")
            reader.assign(self._partitions)
            reader.pause(*self._partitions)
        return self._reader

    def _partition_of(self, key: str) -> TopicPartition:
        """Where Kafka's own producers put the records of a key."""
        return self._partitions[(murmur2(key.encode()) & 0x7FFFFFFF) % len(self._partitions)]

    def _drop(self) -> None:
        reader, self._reader = self._reader, None
        self._read_at.clear()
        if reader is not None:
            reader.close(autocommit=False)

    def _catch_up(self, reader: KafkaConsumer, now: float) -> None:
        """Read all that is wanted up to now."""
        wanted = [tp for tp, at in self._asked_at.items() if now - at < _WANTED_SECONDS]
        left = [tp for tp in self._read_at if tp not in wanted]
        reader.pause(*left)
        for partition in left:
            del self._read_at[partition]
        known = [tp for tp in wanted if now - self._read_at.get(tp, -_WANTED_SECONDS) < _WANTED_SECONDS]
        self._begin(reader, [tp for tp in wanted if tp not in known])
        self._read(reader, wanted)
        self._read_at |= dict.fromkeys(wanted, self._clock.monotonic())

    def _begin(self, reader: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Read these from a few seconds ago on."""
        if not partitions:
            return
        earliest = round((self._clock.now() - _LOOK_BACK).timestamp() * 1000)
        found = reader.offsets_for_times(dict.fromkeys(partitions, earliest), timeout_ms=_REQUEST_MS)
        for partition in partitions:
            # For "nothing so late" Kafka answers nothing, Tansu offset 0 with time -1.
            at = found.get(partition)
            if at is not None and at.timestamp >= 0:
                reader.seek(partition, at.offset)
            else:
                reader.seek_to_end(partition)
        reader.resume(*partitions)

    def _read(self, reader: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """To where the log ends now. The first records may have been fetched when it was last read: only the second
        fetch tells the end."""
        until = self._clock.monotonic() + _PATIENCE_SECONDS
        num_polls = 0
        while self._clock.monotonic() < until:
            batches = reader.poll(_POLL_MS)
            num_polls += 1
            for messages in batches.values():
                self._newest |= {record.key: record for record in map(self._bus.record, messages) if record.value}
            if not batches or (num_polls > 1 and all(_is_at_end(reader, tp) for tp in partitions)):
                return


def _is_at_end(reader: KafkaConsumer, partition: TopicPartition) -> bool:
    end = reader.highwater(partition)
    return end is not None and reader.position(partition, timeout_ms=_REQUEST_MS) >= end
