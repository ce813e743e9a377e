"""Reading a topic without a group, on a real broker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Topic
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import first_from, read_since
from tests.support.broker import free_port
from tests.support.consuming import bus_of, put


def test_everything_since_then_is_read_to_the_end(broker_port: int, prefix: str) -> None:
    """Of all partitions, batches whole, from the moment on; empty partitions end it no less."""
    bus = bus_of(broker_port, prefix, partitions=4)
    put(bus, ["before"], Topic.CANDIDATES)
    threading.Event().wait(0.05)
    since = datetime.now(UTC)
    for key in "abcd":
        put(bus, [f"{key}{number}" for number in range(50)], Topic.CANDIDATES, key)
    read = [record.value.decode() for record in read_since(bus, Topic.CANDIDATES, since)]
    assert sorted(read) == sorted(f"{key}{number}" for key in "abcd" for number in range(50))
    assert [value for value in read if value[0] == "a"] == [f"a{number}" for number in range(50)]


def test_nothing_since_then_is_nothing(broker_port: int, prefix: str) -> None:
    """Neither an empty topic nor one whose records are older makes anybody wait."""
    bus = bus_of(broker_port, prefix)
    assert list(read_since(bus, Topic.FRAMES, datetime(1970, 1, 1, tzinfo=UTC))) == []
    put(bus, ["old"])
    assert list(read_since(bus, Topic.FRAMES, datetime.now(UTC) + timedelta(seconds=1))) == []
    assert list(read_since(bus, Topic.FRAMES, datetime.now(UTC) + timedelta(hours=1))) == []


def test_what_comes_while_reading_is_left_out(broker_port: int, prefix: str) -> None:
    """A topic that is written to does not keep a reader for ever."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b"])
    reading = read_since(bus, Topic.FRAMES, datetime(1970, 1, 1, tzinfo=UTC))
    assert next(reading).value == b"a"
    put(bus, ["c"])
    assert [record.value for record in reading] == [b"b"]


def test_the_first_record_of_each_partition(broker_port: int, prefix: str) -> None:
    """At the offset or behind it; nothing where the log ends before, or where there is no partition."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b", "c"])
    frames = TopicPartition(bus.topic_name(Topic.FRAMES), 0)
    candidates = TopicPartition(bus.topic_name(Topic.CANDIDATES), 0)
    assert first_from(bus, {frames: 1, candidates: 0})[frames].value == b"b"
    assert first_from(bus, {frames: 3}) == {}
    assert first_from(bus, {frames._replace(partition=9): 0}) == {}


def test_a_missing_topic_and_a_missing_broker_are_named(broker_port: int, prefix: str) -> None:
    """The error says what to do about it."""
    bus = KafkaBus(BusSettings(servers=f"127.0.0.1:{broker_port}", prefix=prefix), "test")
    with pytest.raises(ConfigError, match=f"no topic {prefix}.frames"):
        list(read_since(bus, Topic.FRAMES, datetime.now(UTC)))
    away = KafkaBus(BusSettings(servers=f"127.0.0.1:{free_port()}", prefix=prefix), "test")
    with pytest.raises(TransientError):
        list(read_since(away, Topic.FRAMES, datetime.now(UTC)))
