"""The newest record of a key, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.clock import ManualClock, SystemClock
from pipeline.contracts.bus import Topic
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.newest import NewestRecords
from tests.support.broker import free_port
from tests.support.consuming import bus_of, put


@pytest.fixture
def bus(broker_port: int, prefix: str) -> KafkaBus:
    return bus_of(broker_port, prefix, partitions=4)


@pytest.fixture
def newest(bus: KafkaBus) -> Iterator[NewestRecords]:
    reader = NewestRecords(bus, Topic.FRAMES, SystemClock())
    yield reader
    reader.close()


def value_of(newest: NewestRecords, key: str) -> str | None:
    record = newest.newest(key)
    return record.value.decode() if record else None


def test_each_key_has_its_newest(bus: KafkaBus, newest: NewestRecords) -> None:
    """Of keys on several partitions; one that nobody publishes has none."""
    for key in ("yard", "gate", "dock", "hall"):
        put(bus, [f"{key}-1", f"{key}-2"], key=key)
    assert [value_of(newest, key) for key in ("yard", "gate", "dock", "hall")] == [
        "yard-2",
        "gate-2",
        "dock-2",
        "hall-2",
    ]
    assert value_of(newest, "nobody") is None


def test_it_follows_and_looks_once_a_second_at_most(bus: KafkaBus) -> None:
    """What came since is found a second later, and not before: who asks often does not read often."""
    clock = ManualClock(SystemClock().now())
    newest = NewestRecords(bus, Topic.FRAMES, clock)
    put(bus, ["first"])
    assert value_of(newest, "yard") == "first"
    put(bus, ["second"])
    assert value_of(newest, "yard") == "first"
    clock.advance(1.1)
    assert value_of(newest, "yard") == "second"
    newest.close()


def test_what_nobody_has_asked_about_for_long_is_begun_anew(bus: KafkaBus) -> None:
    """It is at hand while somebody looks, not afterwards; then it is followed from now on."""
    clock = ManualClock(SystemClock().now())
    newest = NewestRecords(bus, Topic.FRAMES, clock)
    put(bus, ["first"])
    assert value_of(newest, "yard") == "first"
    assert newest.at_hand("yard") is not None
    clock.advance(11)
    assert newest.at_hand("yard") is None
    assert value_of(newest, "yard") == "first"
    put(bus, ["second"])
    clock.advance(1.1)
    assert value_of(newest, "yard") == "second"
    newest.close()


def test_an_end_without_a_picture_leaves_the_last_one(bus: KafkaBus, newest: NewestRecords) -> None:
    """The end of a stream is a record without a value."""
    put(bus, ["last", ""])
    assert value_of(newest, "yard") == "last"


def test_a_broker_that_is_away_is_said_and_found_again(broker_port: int, prefix: str) -> None:
    """`TransientError`, each time it is asked; a topic that is not there is a mistake."""
    away = KafkaBus(BusSettings(servers=f"127.0.0.1:{free_port()}", prefix=prefix), "test", connect_seconds=0.5)
    newest = NewestRecords(away, Topic.FRAMES, SystemClock())
    with pytest.raises(TransientError):
        newest.newest("yard")
    newest.close()
    there = KafkaBus(BusSettings(servers=f"127.0.0.1:{broker_port}", prefix=f"{prefix}.none"), "test")
    newest = NewestRecords(there, Topic.FRAMES, SystemClock())
    with pytest.raises(ConfigError, match="no topic"):
        newest.newest("yard")
    newest.close()
