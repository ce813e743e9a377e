"""How far a group is behind, asked from outside: without joining it."""

from __future__ import annotations

from kafka.structs import TopicPartition

from pipeline.contracts.bus import Topic
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.kafka_errors import kafka_errors

_REQUEST_MS = 5_000


def lag_of(bus: KafkaBus, group: str, topic: Topic) -> int:
    """Records on `topic` that `group` has not completed; `TransientError` when the broker does not answer."""
    consumer = bus.consumer(group)
    try:
        with kafka_errors():
            name = bus.topic_name(topic)
            partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
            begins = consumer.beginning_offsets(partitions, timeout_ms=_REQUEST_MS)
            ends = consumer.end_offsets(partitions, timeout_ms=_REQUEST_MS)
            done = {each: consumer.committed(each, timeout_ms=_REQUEST_MS) for each in partitions}
    finally:
        consumer.close(autocommit=False)
    # Tansu's end lies within the last batch, where others say what comes after it: what is done may be beyond it.
    return sum(max(ends[each] - max(done[each] or 0, begins[each]), 0) for each in partitions)
