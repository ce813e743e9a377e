"""The bus on a real broker: its topics, its records, and what it says is wrong."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition
from structlog.testing import capture_logs

from pipeline.contracts.bus import Partition, Topic
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.kafka_log import tame_client_log
from tests.support.broker import free_port, running_broker
from tests.support.reading import read_all

BOUND_SECONDS = 60.0


def bus_at(port: int, prefix: str = "site", **settings: Any) -> KafkaBus:
    return KafkaBus(BusSettings(servers=f"127.0.0.1:{port}", prefix=prefix, **settings), "test")


@pytest.fixture
def admin(broker_port: int) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker_port}")
    yield admin
    admin.close()


def configs_of(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
    return {key: config["value"] for key, config in described["topic"][name].items()}


def test_topics_are_made_for_what_they_carry(broker_port: int, prefix: str, admin: KafkaAdminClient) -> None:
    """Frames go by size, candidates and dead letters by age, and of an incident the last change stays."""
    bus_at(broker_port, prefix, partitions=5, frames_retention_bytes=800_000_000).ensure_topics()
    found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    assert [found[f"{prefix}.{topic}"] for topic in Topic] == [5, 5, 1, 1]
    assert configs_of(admin, f"{prefix}.frames") == {
        "cleanup.policy": "delete",
        "retention.bytes": "800000000",
        "segment.bytes": "100000000",
        "compression.type": "producer",
        "max.message.bytes": "4194304",
    }
    assert configs_of(admin, f"{prefix}.candidates")["retention.ms"] == str(7 * 86_400_000)
    assert configs_of(admin, f"{prefix}.incidents")["cleanup.policy"] == "compact"
    assert configs_of(admin, f"{prefix}.dead-letters")["retention.ms"] == str(30 * 86_400_000)


def test_several_processes_may_make_the_topics_at_once(broker_port: int, prefix: str) -> None:
    """Whoever is second finds them there."""
    buses = [bus_at(broker_port, prefix) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(KafkaBus.ensure_topics, buses))
    assert buses[0].examine() == []


def test_topics_that_are_there_stay_as_they_are(broker_port: int, prefix: str) -> None:
    """Other settings are for a person to apply: `examine` says so."""
    bus_at(broker_port, prefix, partitions=2, max_message_bytes=1_000_000).ensure_topics()
    bus = bus_at(broker_port, prefix, partitions=8, max_message_bytes=2_000_000)
    bus.ensure_topics()
    frames, candidates, *too_small = bus.examine(min_partitions=6)
    assert f"{prefix}.frames has 2 partitions: of 6 watchers 4 would have nothing to do" in frames
    assert "lower cluster.watchers.max" in candidates
    assert len(too_small) == 4
    assert f"{prefix}.frames takes records of 1000000 bytes at most, bus.max_message_bytes is 2000000" in too_small[0]


def test_missing_topics_are_named(broker_port: int, prefix: str) -> None:
    """Nothing is made by asking."""
    problems = bus_at(broker_port, prefix).examine()
    assert [problem.split(":")[0] for problem in problems] == [
        f"the topic {prefix}.{topic} is missing" for topic in Topic
    ]


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ("no-such-host.invalid:9092", "the broker's name in no-such-host.invalid:9092 does not resolve"),
        ("127.0.0.1:{port}", "nobody listens at 127.0.0.1:{port}: is the broker running? See bus.servers"),
    ],
)
def test_a_broker_that_cannot_be_reached_is_told_in_so_many_words(servers: str, words: str) -> None:
    """By `examine` as a sentence, by everything else as an error to retry."""
    port = free_port()
    bus = KafkaBus(BusSettings(servers=servers.format(port=port)), "test", connect_seconds=0.3)
    assert words.format(port=port) in bus.examine()[0]
    with pytest.raises(TransientError, match=r"bus\.servers"):
        bus.consumer()


def test_a_port_that_says_nothing_is_named() -> None:
    """Something listens and takes the connection, and is no broker, or a broker that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        bus = KafkaBus(BusSettings(servers=address), "test", connect_seconds=0.3)
        assert f"the broker {address} takes the connection and says nothing" in bus.examine()[-1]


def test_one_server_of_several_suffices(broker_port: int, prefix: str) -> None:
    """The others may be away."""
    settings = BusSettings(servers=f"127.0.0.1:{free_port()}, 127.0.0.1:{broker_port}", prefix=prefix)
    bus = KafkaBus(settings, "test")
    bus.ensure_topics()
    assert bus.examine() == []


def test_an_address_that_the_broker_hands_out_must_be_reachable() -> None:
    """A broker behind a name that only it knows answers the first question and none after it."""
    elsewhere = free_port()
    with running_broker(advertised_port=elsewhere) as port:
        [problem] = bus_at(port).examine()
    assert f"127.0.0.1:{elsewhere}" in problem
    assert f"advertised.listeners of the broker 127.0.0.1:{port}" in problem


@pytest.mark.parametrize("servers", ["", " , ", "localhost", "kafka://broker:9092", "broker:port"])
def test_servers_that_are_none_are_refused(servers: str) -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigError, match=r"bus\.servers"):
        KafkaBus(BusSettings(servers=servers), "test")


def test_slow_checksums_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its C extension the client computes them in Python, a thousand times slower."""
    monkeypatch.setitem(sys.modules, "crc32c", None)
    bus = KafkaBus(BusSettings(servers=f"127.0.0.1:{free_port()}"), "test", connect_seconds=0.3)
    assert "the package crc32c is missing" in bus.examine()[0]


def message(**changes: Any) -> ConsumerRecord:
    fields = dict.fromkeys(ConsumerRecord._fields) | {
        "topic": "site.frames",
        "partition": 3,
        "offset": 17,
        "timestamp": 1_772_366_400_123,
        "key": b"yard",
        "value": b"picture",
        "headers": [("kind", b"frame"), ("kind", b"end")],
    }
    return ConsumerRecord(**fields | changes)


def test_a_record_has_what_the_message_had() -> None:
    """Times are aware, and of a header that comes twice the last one counts."""
    record = bus_at(9092).record(message())
    assert record.partition == Partition(Topic.FRAMES, 3)
    assert (record.offset, record.key, record.value, record.is_replay) == (17, "yard", b"picture", False)
    assert record.published_at == datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert record.headers == {"kind": "end"}


@pytest.mark.parametrize(
    "changes",
    [{"key": None}, {"value": None}, {"timestamp": -1}, {"timestamp": 2**62}, {"headers": [("kind", None)]}],
    ids=str,
)
def test_a_message_with_less_is_a_record_still(changes: dict[str, Any]) -> None:
    """A stranger's message reaches whoever judges it."""
    record = bus_at(9092).record(message(**changes))
    assert record.published_at.tzinfo is not None
    assert isinstance(record.value, bytes)


def test_bytes_that_are_no_text_become_text_that_is_refused() -> None:
    """A key and a header in another encoding do not stop the reading."""
    record = bus_at(9092).record(message(key=b"\xff", headers=[("camera", b"caf\xe9")]))
    assert record.key == "\ufffd"
    assert record.headers["camera"] == "caf\ufffd"


def test_a_record_larger_than_one_fetch_is_read_all_the_same(broker_port: int, prefix: str) -> None:
    """The limits on a fetch bound memory, not records."""
    bus = bus_at(broker_port, prefix, max_message_bytes=8_000_000)
    bus.ensure_topics()
    publisher = bus.publisher()
    sizes = [10, 7_000_000, 20, 3_000_000, 30]
    futures = [publisher.publish(Topic.FRAMES, "yard", bytes(size)) for size in sizes]
    assert [future.exception(BOUND_SECONDS) for future in futures] == [None] * 5
    publisher.close()
    assert [len(record.value) for record in read_all(bus, Topic.FRAMES)] == sizes


def test_reading_many_full_partitions_takes_bounded_memory(broker_port: int, prefix: str) -> None:
    """Of each partition at most a megabyte or one record is fetched at a time, whatever lies there."""
    bus = bus_at(broker_port, prefix, partitions=20)
    bus.ensure_topics()
    fill(bus, num_partitions=20, num_bytes_each=2_000_000)
    consumer = bus.consumer()
    partitions = [bus.topic_partition(Partition(Topic.FRAMES, number)) for number in range(20)]
    consumer.assign(partitions)
    held: dict[TopicPartition, int] = dict.fromkeys(partitions, 0)
    for messages in consumer.poll(timeout_ms=5000, max_records=1).values():
        held[TopicPartition(messages[0].topic, messages[0].partition)] += len(messages[0].value)
    for fetched in consumer._fetcher._completed_fetches:
        held[fetched.topic_partition] += len(fetched.partition_data.records)
    consumer.close(autocommit=False)
    assert 0 < max(held.values()) <= 1_300_000
    assert sum(held.values()) <= 18_000_000


def fill(bus: KafkaBus, num_partitions: int, num_bytes_each: int) -> None:
    producer = KafkaProducer(bootstrap_servers=bus.settings.servers, max_request_size=4_000_000)
    for number in range(num_partitions):
        for _ in range(num_bytes_each // 100_000):
            producer.send(bus.topic_name(Topic.FRAMES), bytes(100_000), partition=number)
    producer.flush(BOUND_SECONDS)
    producer.close()


def test_the_client_says_a_thing_once() -> None:
    """Its warnings come through our log, of a kind one a minute; below that it is silent."""
    tame_client_log()
    tame_client_log()
    log = logging.getLogger("kafka.net.test")
    with capture_logs() as events:
        for attempt in range(3):
            log.error("attempt %d failed", attempt)
        log.warning("another thing")
        log.debug("password hunter2")
    assert [event["said"] for event in events] == ["attempt 0 failed", "another thing"]
    assert {event["log_level"] for event in events} == {"warning"}


def test_what_the_errors_tell_is_not_logged_too() -> None:
    """Turns of its loop that a busy machine made long, and connections that failed, are no news; a failed loop is."""
    tame_client_log()
    loop = logging.getLogger("kafka.net.selector")
    with capture_logs() as events:
        loop.warning("Task <kafka.net.selector.Task object at 0x7f57> ran for 0.144s (>0.100s threshold).")
        logging.getLogger("kafka.net.manager").error("Connection failed: 111 ECONNREFUSED")
        logging.getLogger("kafka.cluster").error("Metadata refresh: failed %s", "Cancelled")
        logging.getLogger("kafka.coordinator").error("Error sending %s", "[KafkaConnectionError: 111 ECONNREFUSED]")
        loop.error("IO loop crashed")
    assert [event["said"] for event in events] == ["IO loop crashed"]
