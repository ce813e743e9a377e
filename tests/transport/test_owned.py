"""What is known of one owned partition: lag, age, gaps, and a log that was replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kafka.structs import TopicPartition
from structlog.testing import capture_logs

from pipeline.contracts.bus import Partition, Topic
from pipeline.transport.owned import OwnedPartition
from pipeline.transport.rewind import Start

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def owned(start: Start, topic: Topic = Topic.FRAMES) -> OwnedPartition:
    return OwnedPartition(TopicPartition(f"s.{topic}", 0), Partition(topic, 0), start, at(100))


def test_the_age_is_that_of_the_oldest_in_hand() -> None:
    """Counted from the record's own time, whenever it was read."""
    partition = owned(Start(5, 5))
    partition.note_end(7, at(100))
    first = partition.take(5, at(90))
    partition.take(6, at(95))
    assert (partition.lag, partition.oldest_age_seconds(at(101))) == (2, 11)
    first()
    assert (partition.lag, partition.oldest_age_seconds(at(101))) == (1, 6)


def test_with_nothing_in_hand_the_age_is_bounded() -> None:
    """What waits in the log came after the last completed record, and after the log was last seen to end."""
    partition = owned(Start(5, 5, at(40)))
    partition.note_end(9, at(100))
    assert partition.oldest_age_seconds(at(100)) == 60
    partition.take(5, at(70))()
    assert partition.oldest_age_seconds(at(100)) == 30
    partition.take(8, at(80))()
    partition.note_end(9, at(200))
    assert (partition.lag, partition.oldest_age_seconds(at(300))) == (0, 0)
    partition.note_end(10, at(201))
    assert partition.oldest_age_seconds(at(202)) == 2


def test_replays_are_neither_lag_nor_old() -> None:
    """Reading again what is done makes nobody late."""
    partition = owned(Start(0, 3, at(40)))
    partition.note_end(3, at(100))
    partition.take(0, at(10))
    assert (partition.lag, partition.oldest_age_seconds(at(100))) == (0, 0)


def test_records_deleted_unread_are_told() -> None:
    """A gap in the log is one line with the offsets, but not where compaction leaves gaps."""
    with capture_logs() as logs:
        owned(Start(5, 5)).take(9, at(0))
        owned(Start(5, 5), Topic.INCIDENTS).take(9, at(0))
    assert [(entry["first"], entry["last"]) for entry in logs] == [(5, 8)]


def test_a_log_that_goes_back_is_another_one() -> None:
    """Deleted and made again, its records are new, whatever was committed of the one before."""
    partition = owned(Start(500, 500))
    partition.note_end(500, at(0))
    done = partition.take(0, at(1))
    assert partition.replay_before == 0
    done()
    assert (partition.watermark.position, partition.lag) == (1, 0)
