"""What every `Publisher` promises, as long as its broker is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.bus import Publisher, Topic
from pipeline.errors import InvalidMessage, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from tests.support.reading import read_all
from tests.transport.conftest import broker_port, prefix

__all__ = ["broker_port", "prefix"]

BOUND_SECONDS = 60.0


@pytest.fixture
def bus(broker_port: int, prefix: str) -> KafkaBus:
    settings = BusSettings(servers=f"127.0.0.1:{broker_port}", prefix=prefix, partitions=4, max_message_bytes=200_000)
    bus = KafkaBus(settings, "test")
    bus.ensure_topics()
    return bus


@pytest.fixture
def publisher(bus: KafkaBus) -> Iterator[Publisher]:
    publisher = bus.publisher()
    yield publisher
    publisher.close()


@pytest.mark.parametrize("topic", list(Topic))
def test_what_is_acknowledged_stands_on_the_bus(bus: KafkaBus, publisher: Publisher, topic: Topic) -> None:
    """Key, value and headers come back byte for byte, with the time of publishing."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    publisher.publish(topic, "yard", bytes(range(256)), {"name": "Höfe", "empty": ""}).result(BOUND_SECONDS)
    [record] = read_all(bus, topic)
    assert (record.partition.topic, record.key, record.value) == (topic, "yard", bytes(range(256)))
    assert record.headers == {"name": "Höfe", "empty": ""}
    assert before <= record.published_at <= datetime.now(UTC) + timedelta(seconds=1)


def test_the_records_of_one_key_keep_their_order(bus: KafkaBus, publisher: Publisher) -> None:
    """They land in one partition, one behind the other."""
    for number in range(300):
        publisher.publish(Topic.FRAMES, f"camera-{number % 7}", str(number).encode())
    assert publisher.flush(BOUND_SECONDS)
    records = read_all(bus, Topic.FRAMES)
    for key in {record.key for record in records}:
        mine = [record for record in records if record.key == key]
        assert len({record.partition for record in mine}) == 1
        assert [int(record.value) for record in mine] == list(range(int(key[-1]), 300, 7))


def test_a_record_that_is_too_large_is_refused_alone(bus: KafkaBus, publisher: Publisher) -> None:
    """It can never be published; those around it are."""
    sizes = [10, 200_001, 199_000, 20_000_000, 20]
    futures = [publisher.publish(Topic.FRAMES, "yard", bytes(size)) for size in sizes]
    errors = [future.exception(BOUND_SECONDS) for future in futures]
    assert [type(error) for error in errors] == [type(None), InvalidMessage, type(None), InvalidMessage, type(None)]
    assert "bus.max_message_bytes" in str(errors[1])
    assert [len(record.value) for record in read_all(bus, Topic.FRAMES)] == [10, 199_000, 20]


def test_many_threads_may_publish_at_once(bus: KafkaBus, publisher: Publisher) -> None:
    """Nothing is lost or doubled, and each thread's records keep their order."""

    def publish(thread: int) -> None:
        for number in range(100):
            publisher.publish(Topic.CANDIDATES, f"camera-{thread}", str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(publish, range(8)))
    assert publisher.flush(BOUND_SECONDS)
    records = read_all(bus, Topic.CANDIDATES)
    for thread in range(8):
        mine = [int(record.value) for record in records if record.key == f"camera-{thread}"]
        assert mine == list(range(100))


def test_close_sends_what_is_left(bus: KafkaBus, publisher: Publisher) -> None:
    """Everything published before is durable after it; it may be called twice."""
    futures = [publisher.publish(Topic.FRAMES, "yard", bytes(1000)) for _ in range(200)]
    publisher.close()
    publisher.close()
    assert [future.exception(0) for future in futures] == [None] * 200
    assert len(read_all(bus, Topic.FRAMES)) == 200


def test_a_closed_publisher_takes_nothing(publisher: Publisher) -> None:
    """Its futures fail at once."""
    publisher.close()
    assert isinstance(publisher.publish(Topic.FRAMES, "yard", b"late").exception(0), TransientError)
