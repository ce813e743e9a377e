"""One partition that this consumer owns: what was read of it, what is done, how far the log goes beyond.

The consumer's thread reads and steers; any thread asks for the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Partition, Topic
from pipeline.transport.rewind import DELETED_UNREAD, REPLACED, Start
from pipeline.transport.watermark import Watermark

log = structlog.get_logger()


class OwnedPartition:
    """State between an assignment and the revocation that ends it."""

    def __init__(self, raw: TopicPartition, partition: Partition, start: Start, now: datetime) -> None:
        self.raw = raw
        self.partition = partition
        self.watermark = Watermark(start.committed)
        self.committed = start.committed
        """As far as the broker is known to know."""
        self.replay_before = start.committed
        self.next_offset = start.offset
        """What is to be read next, unless the log has a gap there."""
        self.is_paused = False
        self._end = start.committed
        self._waiting_since = start.committed_at or now
        """No record that is in the log but not in hand was published before this."""

    def take(self, offset: int, published_at: datetime) -> Callable[[], None]:
        """A record was read; the function to call when it is completed."""
        if offset < self.next_offset:
            self._begin_anew(offset)
        elif offset > self.next_offset and self.partition.topic is not Topic.INCIDENTS:  # which is compacted
            log.warning(DELETED_UNREAD, partition=str(self.raw), first=self.next_offset, last=offset - 1)
        self.next_offset = offset + 1
        return self.watermark.take(offset, published_at)

    def note_end(self, end: int | None, now: datetime) -> None:
        """The log is known to reach up to `end`, the offset of its next record (None: not known yet)."""
        if end is not None:
            self._end = max(self._end, end)
        if self._end <= self.watermark.position:
            self._waiting_since = now

    @property
    def lag(self) -> int:
        """Records of the log that are not completed."""
        return max(self._end - self.watermark.position, 0)

    def oldest_age_seconds(self, now: datetime) -> float:
        """Since the oldest record not completed was published; 0 when there is none.

        When none is in hand, an upper bound: it came after the last completed one, and after the log was last seen
        to end where we are.
        """
        oldest = self.watermark.oldest_published_at
        if oldest is None:
            if not self.lag:
                return 0.0
            passed_at = self.watermark.passed_at
            oldest = self._waiting_since if passed_at is None else max(passed_at, self._waiting_since)
        return max((now - oldest).total_seconds(), 0.0)

    def _begin_anew(self, offset: int) -> None:
        """The log goes back, so what was committed of the one before means nothing any more."""
        log.warning(REPLACED, partition=str(self.raw))
        self.watermark = Watermark(offset)
        self.committed = self.replay_before = self._end = offset
