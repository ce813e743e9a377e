"""A topic, read by one member of a group: records go in order to a handler, and what it completed is committed.

At least once: an offset is committed only when every record before it is completed. Left to others: what records
mean (the handler), which partitions are whose (the group), and what is wrong with a record (dead letters).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog
from kafka import KafkaConsumer, errors
from kafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.clock import Clock, SystemClock
from pipeline.contracts.bus import RecordHandler, Topic
from pipeline.errors import ConfigError, StageFailed, TransientError
from pipeline.settings import BusSettings
from pipeline.telemetry import FaultLog
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.kafka_errors import kafka_errors
from pipeline.transport.owned import OwnedPartition
from pipeline.transport.rebalance import RebalanceListener
from pipeline.transport.rewind import find_starts

_POLL_MS = 100
"""Longest wait for records: so long `stop` may go unnoticed. New records end the wait."""
_PAUSED_POLL_MS = 20
"""The same while a partition is paused: so long it may stay so although there is room again."""
_CONNECT_MS = 2_000
_RETRY_SECONDS = 0.5
_COMMIT_EVERY_SECONDS = 1.0
_COMMIT_MS = 2_000
_LOOK_EVERY_SECONDS = 0.25
_ASK_ENDS_EVERY_SECONDS = 2.0
_ASK_ENDS_MS = 1_000
_AWAY_AFTER_SECONDS = 3.0
"""Without a group coordinator for so long: the broker is away. Joining a group takes a moment, too."""
_LEAVE_SECONDS = 5.0

_HANDED_ON = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
)
"""A commit is refused with these when the group moves on: whoever owns the partitions next commits them."""

log = structlog.get_logger()


class TopicConsumer:
    """Reads `topics` as a member of `group` on a thread of its own.

    A partition's records reach `handler.handle` in order. At most `settings.in_flight` of a partition are in hand
    (from the first that is not completed to the last read, replays included): beyond half of it the partition is
    paused, while polling goes on. `handler.revoked` runs while the thread that polls waits for it, never beside
    `handle`.

    Args:
        bus: the broker; it may be away now, or at any time, for as long as it likes.
        topics: their partitions are shared among the members of the group.
        group: the consumer group, without the prefix of the bus.
        handler: an exception out of it ends the consumer, and `check_health` tells.
        settings: session timeout, records in flight, when polling counts as stale.
        rewind_seconds: how far before the commit, in published time, an assigned partition is read again, to
            rebuild state; those records have `is_replay`. A function is asked at each assignment.
        drain_seconds: longest time the handler may take to finish what it loses to another member; others wait
            meanwhile. None is half of the session timeout.
        clock: for freshness, commits and health.
    """

    def __init__(
        self,
        bus: KafkaBus,
        topics: Sequence[Topic],
        group: str,
        handler: RecordHandler,
        settings: BusSettings,
        *,
        rewind_seconds: float | Callable[[], float] = 0.0,
        drain_seconds: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._bus = bus
        self._topics = [bus.topic_name(topic) for topic in topics]
        self._group = group
        self._handler = handler
        self._settings = settings
        self._rewind_seconds = rewind_seconds
        self._drain_seconds = settings.session_timeout / 2 if drain_seconds is None else drain_seconds
        self._clock = clock or SystemClock()
        self._num_per_poll = max(settings.in_flight // 2, 1)
        self._owned: Mapping[TopicPartition, OwnedPartition] = {}  # replaced, never changed: any thread may read it
        self._unprepared: set[TopicPartition] = set()
        self._is_committing = False
        self._outage = FaultLog(f"the records of {', '.join(self._topics)}", done="read")
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._turned_at = self._clock.monotonic()
        self._heard_at = self._committed_at = self._looked_at = self._asked_ends_at = self._turned_at
        self._thread = threading.Thread(target=self._run, name=f"consume-{group}", daemon=True)

    def start(self) -> None:
        """Begin, once; does not wait for the broker."""
        self._turned_at = self._heard_at = self._clock.monotonic()
        self._thread.start()

    def stop(self, drain_seconds: float) -> None:
        """Read no more, let the handler finish within the bound, commit, leave the group. May be called twice."""
        if not self._stopping.is_set():
            self._drain_seconds = drain_seconds
            self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(drain_seconds + 2 * _LEAVE_SECONDS)

    def check_health(self) -> None:
        """`StageFailed` when the thread died, saying of what, or does not turn; a broker that is away is no fault."""
        failure = self._failure
        if failure is not None:
            raise StageFailed(f"the consumer of {self._group} has failed: {failure}") from failure
        if self._thread.ident is None or self._stopping.is_set():
            return
        if not self._thread.is_alive():
            raise StageFailed(f"the thread of the consumer of {self._group} has died")
        still = self._clock.monotonic() - self._turned_at
        if still > self._settings.poll_stale_after:
            raise StageFailed(f"the consumer of {self._group} has not polled for {still:.0f} s: its thread hangs")

    def stats(self) -> Mapping[str, float]:
        """`lag` (records not completed), `oldest_age_seconds` (since the oldest of them was published), `partitions`.

        Of the partitions owned now. The lag is as of the last answer of the broker.
        """
        now, owned = self._clock.now(), self._owned.values()
        return {
            "lag": float(sum(partition.lag for partition in owned)),
            "oldest_age_seconds": max((partition.oldest_age_seconds(now) for partition in owned), default=0.0),
            "partitions": float(len(owned)),
        }

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:  # the border of the thread: `check_health` tells
            self._failure = error
            trace = None if isinstance(error, ConfigError) else error
            log.error("a consumer has failed", group=self._group, error=str(error), exc_info=trace)

    def _loop(self) -> None:
        consumer = None
        try:
            while not self._stopping.is_set():
                self._turned_at = self._clock.monotonic()
                try:
                    with kafka_errors():
                        consumer = consumer or self._join()
                        self._turn(consumer)
                except TransientError as error:
                    self._outage.failed(error)
                    self._stopping.wait(_RETRY_SECONDS)
        finally:
            if consumer is not None:
                self._leave(consumer)

    def _join(self) -> KafkaConsumer:
        consumer = self._bus.consumer(self._group, bootstrap_timeout_ms=_CONNECT_MS)
        try:
            for topic in self._topics:
                if not consumer.partitions_for_topic(topic):
                    raise ConfigError(f"the broker has no topic {topic}: the first ingest or cluster to start makes it")
            listener = RebalanceListener(
                consumer,
                assigned=lambda partitions: self._on_assigned(consumer, partitions),
                revoked=lambda partitions: self._on_revoked(consumer, partitions),
                lost=self._on_lost,
            )
            consumer.subscribe(self._topics, listener=listener)
        except BaseException:
            consumer.close(autocommit=False)
            raise
        return consumer

    def _turn(self, consumer: KafkaConsumer) -> None:
        is_any_paused = any(partition.is_paused for partition in self._owned.values())
        _give_back_parked(consumer)
        batches = consumer.poll(_PAUSED_POLL_MS if is_any_paused else _POLL_MS, max_records=self._num_per_poll)
        if self._failure is not None:  # of the handler, in a rebalance
            raise self._failure
        for raw, messages in batches.items():
            self._hand_over(self._owned[raw], messages)
        self._throttle(consumer)
        self._commit_when_due(consumer)
        self._look_when_due(consumer)
        if self._unprepared:  # last: while the broker does not say where to begin, polling goes on
            self._prepare(consumer)

    def _hand_over(self, owned: OwnedPartition, messages: Sequence[object]) -> None:
        for message in messages:
            record = self._bus.record(message)
            done = owned.take(record.offset, record.published_at)
            if record.offset < owned.replay_before:
                record = replace(record, is_replay=True)
            self._tell(self._handler.handle, record, done)

    def _throttle(self, consumer: KafkaConsumer) -> None:
        most = self._settings.in_flight
        for owned in self._owned.values():
            in_hand = owned.watermark.num_in_hand
            if not owned.is_paused and in_hand > most - self._num_per_poll:
                consumer.pause(owned.raw)
                owned.is_paused = True
            elif owned.is_paused and in_hand <= most // 2:
                consumer.resume(owned.raw)
                owned.is_paused = False

    def _tell(self, method: Callable[..., None], *arguments: object) -> None:
        """Call the handler; what it raises is no fault of the broker's."""
        try:
            method(*arguments)
        except Exception as error:
            raise StageFailed(f"the handler could not go on: {type(error).__name__}: {error}") from error

    # Partitions come and go.

    def _on_assigned(self, consumer: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """On the network thread: hold them back until it is known where to begin."""
        consumer.pause(*partitions)
        self._unprepared |= set(partitions)

    def _prepare(self, consumer: KafkaConsumer) -> None:
        rewind = self._rewind_seconds
        starts = find_starts(self._bus, consumer, self._unprepared, rewind() if callable(rewind) else rewind)
        now = self._clock.now()
        added = {raw: OwnedPartition(raw, self._bus.partition(raw), start, now) for raw, start in starts.items()}
        self._tell(self._handler.assigned, [owned.partition for owned in added.values()])
        for raw, start in starts.items():
            consumer.seek(raw, start.offset)
        self._owned = {**self._owned, **added}
        self._unprepared.clear()
        consumer.resume(*added)

    def _on_revoked(self, consumer: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        given_up = self._forget(partitions)
        self._turned_at = self._clock.monotonic()
        try:
            self._drain(given_up, self._drain_seconds)
            self._commit(consumer, given_up)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that polls
            self._failure = error

    def _on_lost(self, partitions: Collection[TopicPartition]) -> None:
        log.warning("partitions were lost: silent for longer than the session timeout", group=self._group)
        try:
            self._drain(self._forget(partitions), 0.0)
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error

    def _forget(self, partitions: Collection[TopicPartition]) -> list[OwnedPartition]:
        self._unprepared -= set(partitions)
        forgotten = [owned for raw, owned in self._owned.items() if raw in partitions]
        self._owned = {raw: owned for raw, owned in self._owned.items() if raw not in partitions}
        return forgotten

    def _drain(self, given_up: Sequence[OwnedPartition], drain_seconds: float) -> None:
        if given_up:
            self._tell(self._handler.revoked, [owned.partition for owned in given_up], drain_seconds)

    def _leave(self, consumer: KafkaConsumer) -> None:
        """The last of the consumer. After a failure the handler is not drained, but what it did is committed."""
        given_up = self._forget(list(self._owned))
        try:
            if self._stopping.is_set():
                self._drain(given_up, self._drain_seconds)
        finally:
            self._commit(consumer, given_up)
            with suppress(errors.KafkaError):
                consumer.close(autocommit=False, timeout_ms=round(_LEAVE_SECONDS * 1000))

    # What is done is told to the broker.

    def _commit_when_due(self, consumer: KafkaConsumer) -> None:
        """One commit at a time, without waiting for it; what failed is part of the next one."""
        now = self._clock.monotonic()
        if self._is_committing or now - self._committed_at < _COMMIT_EVERY_SECONDS:
            return
        self._committed_at = now
        offsets = _to_commit(self._owned.values())
        if offsets:
            self._is_committing = True
            consumer.commit_async(offsets, callback=self._on_committed)

    def _on_committed(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], answer: object) -> None:
        """Called from `poll`."""
        self._is_committing = False
        if isinstance(answer, _HANDED_ON):
            log.info("a commit came too late: the group is being rebalanced", group=self._group)
        elif isinstance(answer, Exception):
            raise answer
        else:
            for owned in self._owned.values():
                if owned.raw in offsets:
                    owned.committed = offsets[owned.raw].offset

    def _commit(self, consumer: KafkaConsumer, given_up: Sequence[OwnedPartition]) -> None:
        """The last commit of partitions; if it fails, their next owner handles again what was done since the last."""
        offsets = _to_commit(given_up)
        try:
            if offsets:
                consumer.commit(offsets, timeout_ms=_COMMIT_MS)
        except errors.KafkaError as error:
            log.warning("the last commit failed: records will be handled again", group=self._group, error=str(error))

    def _look_when_due(self, consumer: KafkaConsumer) -> None:
        """Keep what `stats` tells, and whether the broker is there, up to date."""
        now = self._clock.monotonic()
        if now - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        ends = {raw: consumer.highwater(raw) for raw in self._owned}
        paused = [raw for raw, owned in self._owned.items() if owned.is_paused]  # not fetched: no news of them else
        if paused and now - self._asked_ends_at > _ASK_ENDS_EVERY_SECONDS:
            self._asked_ends_at = now
            ends |= consumer.end_offsets(paused, timeout_ms=_ASK_ENDS_MS)
        for raw, owned in self._owned.items():
            owned.note_end(ends[raw], self._clock.now())
        if not consumer._coordinator.coordinator_unknown():  # the client says it nowhere else
            self._heard_at = now
            self._outage.worked()
        elif now - self._heard_at > _AWAY_AFTER_SECONDS:
            self._outage.failed(TransientError("the coordinator of the group cannot be reached"))


def _to_commit(partitions: Iterable[OwnedPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
    positions = ((owned, owned.watermark.position) for owned in partitions)
    return {owned.raw: OffsetAndMetadata(at, "", -1) for owned, at in positions if at != owned.committed}


def _give_back_parked(consumer: KafkaConsumer) -> None:
    """Records that were fetched before a pause come back after it only while the client has no others in hand, and it
    takes used-up ones for such (3.0.12): a partition that was paused would never be read again."""
    if not consumer._fetcher._next_partition_records:
        consumer._fetcher._next_partition_records = None
