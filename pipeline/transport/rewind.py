"""Where to begin with partitions that were just assigned.

A partition begins where its group's commit says, at the log's first record when there is none (never at its end),
and so far before the commit, in published time, as state must be rebuilt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Record
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import first_from

_REQUEST_MS = 5_000

DELETED_UNREAD = "records were deleted before they were read: the topic keeps too little, or we are too slow"
REPLACED = "the log is shorter than what was done of it, so it is another one: read from its beginning"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """Where one partition begins."""

    offset: int
    """The first record to read."""
    committed: int
    """Records before this one are replays."""
    committed_at: datetime | None = None
    """When the last record before `committed` was published, if that was looked up."""


def find_starts(
    bus: KafkaBus, consumer: KafkaConsumer, partitions: Iterable[TopicPartition], rewind_seconds: float
) -> dict[TopicPartition, Start]:
    """Ask the broker where to begin. Raises what the client raises when it does not answer within some seconds."""
    begins = consumer.beginning_offsets(sorted(partitions), timeout_ms=_REQUEST_MS)
    starts = {
        partition: _committed(partition, consumer.committed(partition, timeout_ms=_REQUEST_MS), begin)
        for partition, begin in begins.items()
    }
    behind = {partition: start for partition, start in starts.items() if start.offset > begins[partition]}
    if rewind_seconds <= 0 or not behind:
        return starts
    last_done = first_from(bus, {partition: start.committed - 1 for partition, start in behind.items()})
    found = _first_after(consumer, last_done, rewind_seconds)
    for partition, record in last_done.items():
        starts[partition] = _rewound(partition, starts[partition], begins[partition], record, found.get(partition))
    return starts


def _committed(partition: TopicPartition, committed: int | None, begin: int) -> Start:
    if committed is not None and committed < begin:
        log.warning(DELETED_UNREAD, partition=str(partition), first=committed, last=begin - 1)
    first = begin if committed is None else max(committed, begin)
    return Start(first, first)


def _first_after(
    consumer: KafkaConsumer, last_done: Mapping[TopicPartition, Record], rewind_seconds: float
) -> dict[TopicPartition, int]:
    """The first offset of each partition that was published within the rewind; none where nothing was."""
    since = {tp: record.published_at.timestamp() - rewind_seconds for tp, record in last_done.items()}
    asked = {partition: max(round(seconds * 1000), 0) for partition, seconds in since.items()}
    answers = consumer.offsets_for_times(asked, timeout_ms=_REQUEST_MS)
    # For "nothing so late" Kafka answers nothing, Tansu offset 0 with time -1.
    return {partition: at.offset for partition, at in answers.items() if at is not None and at.timestamp >= 0}


def _rewound(partition: TopicPartition, start: Start, begin: int, last_done: Record, found: int | None) -> Start:
    if last_done.offset < start.committed - 1:
        log.warning(REPLACED, partition=str(partition))
        return Start(begin, begin)
    if last_done.offset >= start.committed:  # the last one done is gone: begin with what is left
        return replace(start, offset=begin)
    first = start.committed if found is None else min(max(found, begin), start.committed)
    return replace(start, offset=first, committed_at=last_done.published_at)
