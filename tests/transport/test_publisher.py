"""The publisher when the broker is away, slow or full: bounded in time and memory, and well again afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from pipeline.contracts.bus import Topic
from pipeline.errors import Overloaded, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.publisher import KafkaPublisher
from tests.support.broker import free_port
from tests.support.ingest import wait_for
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.reading import read_all

BOUND_SECONDS = 60.0
DELIVERY_SECONDS = 2.0


@pytest.fixture(scope="module")
def broker() -> Iterator[CuttableProxy]:
    with broker_behind_proxy() as proxy:
        yield proxy


@pytest.fixture
def proxy(broker: CuttableProxy) -> Iterator[CuttableProxy]:
    yield broker
    broker.resume()
    broker.mend()


@pytest.fixture
def bus(proxy: CuttableProxy, prefix: str) -> KafkaBus:
    settings = BusSettings(servers=f"127.0.0.1:{proxy.port}", prefix=prefix, max_message_bytes=100_000)
    bus = KafkaBus(settings, "test", connect_seconds=3.0)
    bus.ensure_topics()
    return bus


@pytest.fixture
def publisher(bus: KafkaBus) -> Iterator[KafkaPublisher]:
    """Connected, and quick to give up."""
    publisher = bus.publisher(DELIVERY_SECONDS)
    publish(publisher, "first").result(BOUND_SECONDS)
    yield publisher
    publisher.close()


def publish(publisher: KafkaPublisher, value: str, topic: Topic = Topic.FRAMES) -> Future[None]:
    return publisher.publish(topic, "yard", value.encode())


def values(bus: KafkaBus) -> list[str]:
    return [record.value.decode() for record in read_all(bus, Topic.FRAMES)]


def works_again(publisher: KafkaPublisher) -> bool:
    return publish(publisher, "again").exception(BOUND_SECONDS) is None


def test_a_short_outage_is_nothing_to_the_publisher(
    bus: KafkaBus, proxy: CuttableProxy, publisher: KafkaPublisher
) -> None:
    """Whatever was under way when the connection was cut arrives once, in order, when it is back."""
    futures = [publish(publisher, str(number)) for number in range(500)]
    proxy.cut()
    futures += [publish(publisher, str(number)) for number in range(500, 600)]
    proxy.mend()
    assert [future.exception(BOUND_SECONDS) for future in futures] == [None] * 600
    assert values(bus) == ["first", *map(str, range(600))]


def test_a_long_outage_fails_the_futures_in_time_and_in_order(
    bus: KafkaBus, proxy: CuttableProxy, publisher: KafkaPublisher
) -> None:
    """At the deadline all that waits is given up, is not sent later, and the next record finds the broker again."""
    proxy.cut()
    failed: list[str] = []
    futures = [publish(publisher, str(number)) for number in range(50)]
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, value=str(number): failed.append(value))
    errors = [future.exception(BOUND_SECONDS) for future in futures]
    assert all(isinstance(error, TransientError) for error in errors)
    assert failed == [str(number) for number in range(50)]
    proxy.mend()
    assert wait_for(lambda: works_again(publisher), BOUND_SECONDS)
    assert values(bus) == ["first", "again"]


def test_a_broker_that_falls_silent_is_given_up_as_well(
    bus: KafkaBus, proxy: CuttableProxy, publisher: KafkaPublisher
) -> None:
    """Connections that stand and carry nothing do not hold a record beyond its deadline."""
    proxy.pause()
    future = publish(publisher, "held")
    assert isinstance(future.exception(BOUND_SECONDS), TransientError)
    proxy.resume()
    assert wait_for(lambda: works_again(publisher), BOUND_SECONDS)


@pytest.mark.parametrize("topic", [Topic.FRAMES, Topic.CANDIDATES])
def test_a_second_outage_is_bounded_like_the_first(
    bus: KafkaBus, proxy: CuttableProxy, publisher: KafkaPublisher, topic: Topic
) -> None:
    """Also before the new connection has come so far as to send anything."""
    for _ in range(2):
        proxy.cut()
        assert isinstance(publish(publisher, "lost", topic).exception(BOUND_SECONDS), TransientError)
    proxy.mend()
    assert wait_for(lambda: works_again(publisher), BOUND_SECONDS)


def test_memory_for_unsent_records_is_bounded(bus: KafkaBus, proxy: CuttableProxy, publisher: KafkaPublisher) -> None:
    """A full memory refuses at once; what was taken arrives, and then there is room again."""
    proxy.pause()
    taken = [publisher.publish(Topic.FRAMES, "yard", bytes(50_000)) for _ in range(31)]
    with pytest.raises(Overloaded, match="bytes wait for the broker already, of 1600000 at most"):
        publisher.publish(Topic.FRAMES, "yard", bytes(50_000))
    proxy.resume()
    assert [future.exception(BOUND_SECONDS) for future in taken] == [None] * 31
    assert publisher.publish(Topic.FRAMES, "yard", bytes(50_000)).exception(BOUND_SECONDS) is None


def test_flush_says_when_time_was_up(proxy: CuttableProxy, publisher: KafkaPublisher) -> None:
    """It waits no longer than it was told."""
    proxy.pause()
    publish(publisher, "held")
    assert not publisher.flush(0.05)
    proxy.resume()
    assert publisher.flush(BOUND_SECONDS)


def test_a_broker_that_is_away_from_the_start_is_named() -> None:
    """The future fails with the address and the setting, and those after it without another wait."""
    port = free_port()
    bus = KafkaBus(BusSettings(servers=f"127.0.0.1:{port}"), "test", connect_seconds=0.5)
    publisher = bus.publisher()
    first, second = publish(publisher, "one"), publish(publisher, "two")
    publisher.close()
    assert isinstance(first.exception(0), TransientError)
    assert str(first.exception(0)) == f"nobody listens at 127.0.0.1:{port}: is the broker running? See bus.servers"
    assert str(second.exception(0)) == str(first.exception(0))


def test_a_topic_that_is_not_there_is_not_made_by_publishing(proxy: CuttableProxy, prefix: str) -> None:
    """A broker's own topic would have other settings than ours."""
    bus = KafkaBus(BusSettings(servers=f"127.0.0.1:{proxy.port}", prefix=prefix), "test")
    publisher = bus.publisher()
    error = publish(publisher, "one").exception(0)
    publisher.close()
    assert isinstance(error, TransientError)
    assert f"the topic {prefix}.frames" in str(error)
    assert f"the topic {prefix}.frames is missing" in bus.examine()[0]


def test_close_ends_the_threads_although_the_broker_is_away(proxy: CuttableProxy, bus: KafkaBus) -> None:
    """What could not be sent fails, and nothing keeps running."""
    before = set(threading.enumerate())
    publisher = bus.publisher(DELIVERY_SECONDS)
    publish(publisher, "first").result(BOUND_SECONDS)
    proxy.cut()
    future = publish(publisher, "held")
    publisher.close()
    assert isinstance(future.exception(0), TransientError)
    assert wait_for(lambda: set(threading.enumerate()) <= before, BOUND_SECONDS)


def test_json_is_compressed_and_frames_are_not(proxy: CuttableProxy, publisher: KafkaPublisher) -> None:
    """Counted on the wire: a JPEG would only cost time, JSON shrinks."""

    def bytes_for(topic: Topic) -> int:
        before = proxy.num_bytes_in
        publisher.publish(topic, "yard", b'{"score": 0.25}' * 5000).result(BOUND_SECONDS)
        return proxy.num_bytes_in - before

    bytes_for(Topic.CANDIDATES)  # its client connects first
    assert bytes_for(Topic.FRAMES) > 75_000
    assert bytes_for(Topic.CANDIDATES) < 5_000


def test_a_camera_always_lands_in_the_same_partition(bus: KafkaBus, publisher: KafkaPublisher) -> None:
    """murmur2 of the key over 12 partitions, so restarts and other clients agree.

    The hashes of these keys, -973932308 and -790332482, stand in the tests of Kafka's own client (UtilsTest).
    """
    for camera in ("21", "foobar", "21"):
        publisher.publish(Topic.FRAMES, camera, b"frame").result(BOUND_SECONDS)
    found = [(record.key, record.partition.number) for record in read_all(bus, Topic.FRAMES) if record.key != "yard"]
    assert sorted(found) == [("21", 0), ("21", 0), ("foobar", 6)]


def test_the_time_until_a_record_is_given_up_is_the_one_asked_for(
    proxy: CuttableProxy, publisher: KafkaPublisher
) -> None:
    """Not before, so that a short outage is ridden out; soon after, so that the publisher knows."""
    proxy.cut()
    since = time.monotonic()
    publish(publisher, "lost").exception(BOUND_SECONDS)
    assert DELIVERY_SECONDS <= time.monotonic() - since < 10 * DELIVERY_SECONDS
