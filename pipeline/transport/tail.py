"""Reading a topic as it stands now, without a group: nothing is committed, and nobody else notices."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Record, Topic
from pipeline.errors import ConfigError, TransientError
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.kafka_errors import kafka_errors

_REQUEST_MS = 5_000
_POLL_MS = 200
_SILENT_SECONDS = 10.0
"""A broker that sends nothing for so long, although there is more to read, is away."""
_MARGIN = timedelta(seconds=5)
"""Looked up so much earlier, and filtered: a broker may look at batches only, whose first record came earlier."""
_ONE_RECORD_BYTES = 65_536
"""Fetched of a partition to see its one record; a larger one comes alone, so each costs a round trip."""


def read_since(bus: KafkaBus, topic: Topic, since: datetime) -> Iterator[Record]:
    """What was published on `topic` at `since` (aware) or later and before this call, each partition in order.

    Raises while iterated: `ConfigError` when there is no such topic, `TransientError` when the broker does not answer.
    """
    with _reader(bus) as reader:
        name = bus.topic_name(topic)
        partitions = [TopicPartition(name, number) for number in sorted(reader.partitions_for_topic(name))]
        if not partitions:
            raise ConfigError(f"the broker has no topic {name}: the first ingest or cluster that starts makes it")
        earliest = max(round((since - _MARGIN).timestamp() * 1000), 0)
        found = reader.offsets_for_times(dict.fromkeys(partitions, earliest), timeout_ms=_REQUEST_MS)
        # For "nothing so late" Kafka answers nothing, Tansu offset 0 with time -1.
        starts = {tp: at.offset for tp, at in found.items() if at is not None and at.timestamp >= 0}
        for record in _up_to_the_end(bus, reader, starts):
            if record.published_at >= since:
                yield record


def first_from(bus: KafkaBus, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Record]:
    """The first record of each partition at the offset or behind it; none where the log ends before, or there is none.

    A log that begins after an offset, or that ends before it, may answer with its own first record: look at the
    record's offset. Raises like `read_since`.
    """
    first: dict[TopicPartition, Record] = {}
    with _reader(bus, max_partition_fetch_bytes=_ONE_RECORD_BYTES) as reader:
        there = {tp: at for tp, at in offsets.items() if tp.partition in reader.partitions_for_topic(tp.topic)}
        for record in _up_to_the_end(bus, reader, there):
            partition = bus.topic_partition(record.partition)
            first.setdefault(partition, record)
            reader.pause(partition)
            if len(first) == len(there):
                break
    return first


@contextmanager
def _reader(bus: KafkaBus, **options: int) -> Iterator[KafkaConsumer]:
    reader = bus.consumer(None, **options)
    try:
        with kafka_errors():
            yield reader
    finally:
        reader.close(autocommit=False)


def _up_to_the_end(bus: KafkaBus, reader: KafkaConsumer, starts: Mapping[TopicPartition, int]) -> Iterator[Record]:
    """From each start to where the log ended when it was first fetched.

    The end comes with the fetched data; asked for by itself, Tansu leaves out all but the first record of a batch.
    """
    if not starts:
        return
    reader.assign(list(starts))
    for partition, offset in starts.items():
        reader.seek(partition, offset)
    ends: dict[TopicPartition, int] = {}
    heard_at = time.monotonic()
    while not _is_over(reader, starts, ends):
        batches = reader.poll(_POLL_MS)
        known = {tp: reader.highwater(tp) for tp in starts if tp not in ends}
        ends |= {tp: end for tp, end in known.items() if end is not None}
        if batches:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > _SILENT_SECONDS:
            raise TransientError(f"the broker sent nothing for {_SILENT_SECONDS:g} s although there is more to read")
        for partition, messages in batches.items():
            yield from (bus.record(message) for message in messages if message.offset < ends[partition])


def _is_over(reader: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> bool:
    going_on = starts.keys() - reader.paused()
    return all(tp in ends and reader.position(tp, timeout_ms=_REQUEST_MS) >= ends[tp] for tp in going_on)
