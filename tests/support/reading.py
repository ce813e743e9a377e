"""What stands on a topic, read by a plain consumer."""

from __future__ import annotations

import time

from kafka.structs import TopicPartition

from pipeline.contracts.bus import Record, Topic
from pipeline.transport.kafka import KafkaBus

_BOUND_SECONDS = 60.0


def read_all(bus: KafkaBus, topic: Topic) -> list[Record]:
    """All that stands on `topic` now, in the order of each partition."""
    consumer = bus.consumer()
    name = bus.topic_name(topic)
    partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    records: list[Record] = []
    until = time.monotonic() + _BOUND_SECONDS
    # Tansu's end offsets count the last batch as one record; the high watermark of a fetch is right.
    while any(consumer.position(each) < max(ends[each], consumer.highwater(each) or 0) for each in partitions):
        assert time.monotonic() < until, f"only {len(records)} records came"
        for messages in consumer.poll(timeout_ms=100).values():
            records += [bus.record(message) for message in messages]
    consumer.close(autocommit=False)
    return records
