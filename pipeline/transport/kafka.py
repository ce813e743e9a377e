"""One Kafka broker as the transport sees it: publishers, consumers and topics, all from one set of settings.

    bus = KafkaBus(settings.bus, "watcher-3")
    bus.ensure_topics()

    publisher = bus.publisher()
    publisher.publish(Topic.FRAMES, *frame_record(published)).result()

    consumer = bus.consumer("watchers")     # a kafka.KafkaConsumer, not subscribed yet; no group: no group, `assign`
    with kafka_errors():                    # what the client raises becomes one of pipeline.errors
        consumer.subscribe([bus.topic_name(Topic.FRAMES)], listener=...)
        for messages in consumer.poll(timeout_ms=200, max_records=64).values():
            records = [bus.record(message) for message in messages]
    consumer.close(autocommit=False)

kafka-python's threads are daemons and end with `close` of whatever started them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.errors import ConfigError, SightlineError
from pipeline.settings import BusSettings
from pipeline.transport.client_socket import SOCKET_OPTIONS
from pipeline.transport.diagnosis import check_tls, why_unreachable
from pipeline.transport.kafka_errors import mapped
from pipeline.transport.kafka_log import tame_client_log
from pipeline.transport.publisher import DELIVERY_SECONDS, KafkaPublisher
from pipeline.transport.security import client_security
from pipeline.transport.topics import create_missing, problems_of_topics
from pipeline.transport.topics import topic_name as full_name

CONNECT_SECONDS = 5.0
"""For the first connection: beyond it a person, or a process that starts, would rather know."""
_REQUEST_SECONDS = 10.0
"""For one request: a broker that is silent for so long is away."""
_RECONNECT_SECONDS = (0.1, 1.0)
"""First and longest wait between attempts, so that a broker that is back is found within about a second."""
_PARTITION_FETCH_BYTES = 1_048_576
"""Fetched of one partition at a time: what a paused partition holds in memory. A larger record comes alone
(KIP-74: the first batch of an answer comes whole, whatever the limits)."""
_FETCH_BYTES = 16_777_216
"""Fetched of all partitions at a time."""
_FETCH_WAIT_MS = 100
"""For a first byte: a partition that is resumed meanwhile waits for that answer, too."""
_SERVER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^:/\s]+):[0-9]{1,5}")
_NO_CRC32C = (
    "the package crc32c is missing: checksums in pure Python take a thousand times as long, 20 ms for a frame of "
    "150 kB; install sightline[cluster]"
)

Client = TypeVar("Client")
Answer = TypeVar("Answer")


class KafkaBus:
    """The broker of `settings`, for one process. Thread-safe; what it makes is the maker's to close."""

    def __init__(self, settings: BusSettings, client_name: str, connect_seconds: float = CONNECT_SECONDS) -> None:
        """Reads the certificates' files, touches no network. `ConfigError` for settings that cannot work.

        `client_name` is how the broker's log calls this process; `connect_seconds` is the longest wait for a first
        connection, to which finding out what is wrong adds some seconds.
        """
        tame_client_log()
        self.settings = settings
        self.client_name = client_name
        self._options = _connection_options(settings, client_name, connect_seconds)

    def topic_name(self, topic: Topic) -> str:
        """As the broker knows it: `{prefix}.{role}`."""
        return full_name(self.settings.prefix, topic)

    def group_name(self, group: str) -> str:
        """As the broker knows it: `{prefix}.{group}`."""
        return f"{self.settings.prefix}.{group}"

    def partition(self, partition: TopicPartition) -> Partition:
        """A partition of the client's as one of ours."""
        return Partition(Topic(partition.topic.removeprefix(f"{self.settings.prefix}.")), partition.partition)

    def topic_partition(self, partition: Partition) -> TopicPartition:
        """A partition of ours as one of the client's."""
        return TopicPartition(self.topic_name(partition.topic), partition.number)

    def record(self, message: Any) -> Record:
        """A `kafka.ConsumerRecord` as a `Record`. Never raises for what a stranger wrote: bytes that are no UTF-8
        become replacement characters, a time that cannot be becomes 1970."""
        return Record(
            partition=self.partition(message),
            offset=message.offset,
            key=_text(message.key),
            value=bytes(message.value or b""),
            published_at=_moment(message.timestamp),
            headers={name: _text(value) for name, value in message.headers},
        )

    def publisher(self, delivery_seconds: float = DELIVERY_SECONDS) -> KafkaPublisher:
        """A publisher; it connects with its first record, and gives up on one after `delivery_seconds`."""
        return KafkaPublisher(self.settings, self._connect, delivery_seconds)

    def consumer(self, group: str | None = None, **options: Any) -> KafkaConsumer:
        """A consumer from the earliest record on that commits only when told; `options` override the client's.

        `TransientError` when the broker cannot be reached in time, `ConfigError` when it refuses us.
        """
        session_ms = round(self.settings.session_timeout * 1000)
        return self._connect(
            KafkaConsumer,
            **{
                "group_id": None if group is None else self.group_name(group),
                "enable_auto_commit": False,
                "auto_offset_reset": "earliest",
                "partition_assignment_strategy": [CooperativeStickyAssignor],
                "session_timeout_ms": session_ms,
                "heartbeat_interval_ms": session_ms // 3,
                "max_poll_interval_ms": round(max(self.settings.poll_stale_after * 1000, session_ms)),
                "max_partition_fetch_bytes": _PARTITION_FETCH_BYTES,
                "fetch_max_bytes": max(_FETCH_BYTES, self.settings.max_message_bytes),
                "fetch_max_wait_ms": _FETCH_WAIT_MS,
                "metrics_enabled": False,
            }
            | options,
        )

    def ensure_topics(self) -> None:
        """Create the topics that are missing; several processes may do so at once."""
        self._administer(lambda admin: create_missing(admin, self.settings))

    def examine(self, min_partitions: int = 1) -> list[str]:
        """What is wrong with the broker and its topics, in plain words; empty when nothing is.

        `min_partitions` is the number of watchers that are to share the work.
        """
        problems = [] if find_spec("crc32c") else [_NO_CRC32C]
        try:
            return problems + self._administer(lambda admin: problems_of_topics(admin, self.settings, min_partitions))
        except SightlineError as error:
            return [*problems, str(error)]

    def _administer(self, work: Callable[[KafkaAdminClient], Answer]) -> Answer:
        admin = self._connect(KafkaAdminClient)
        try:
            return work(admin)
        except (KafkaError, OSError) as error:
            raise self._explained(error) from error
        finally:
            admin.close()

    def _explained(self, error: Exception) -> SightlineError:
        return why_unreachable(self._options, error) or mapped(error)

    def _connect(self, kind: Callable[..., Client], **options: Any) -> Client:
        """Make a client of `kind`; when that fails, close what it began and say why."""
        begun: list[KafkaNetClient] = []

        def net_client(**configs: Any) -> KafkaNetClient:
            begun.append(KafkaNetClient(**configs))
            # The client passes `allow_auto_create_topics` on to nobody (3.0.12), and a topic that the broker makes
            # by itself has its defaults, not our retention and partitions.
            begun[-1].cluster.config["allow_auto_create_topics"] = False
            return begun[-1]

        if "ssl_context" in self._options:
            check_tls(self._options)
        try:
            return kind(**self._options | options, kafka_client=net_client)
        except Exception as error:
            for client in begun:
                client.close()
            raise self._explained(error) from error


def _connection_options(settings: BusSettings, client_name: str, connect_seconds: float) -> dict[str, Any]:
    first, longest = _RECONNECT_SECONDS
    return {
        "bootstrap_servers": _servers(settings),
        "client_id": client_name,
        "bootstrap_timeout_ms": round(connect_seconds * 1000),
        "request_timeout_ms": round(_REQUEST_SECONDS * 1000),
        "reconnect_backoff_ms": round(first * 1000),
        "reconnect_backoff_max_ms": round(longest * 1000),
        **SOCKET_OPTIONS,
        **client_security(settings),
    }


def _servers(settings: BusSettings) -> list[str]:
    servers = [server.strip() for server in settings.servers.split(",") if server.strip()]
    if not servers:
        raise ConfigError("no broker: set bus.servers, or KAFKA_BOOTSTRAP_SERVERS, to host:port")
    for server in servers:
        if not _SERVER.fullmatch(server):
            raise ConfigError(f"bus.servers: expected host:port, several with commas, got {server!r}")
    return servers


def _text(data: bytes | None) -> str:
    return "" if data is None else bytes(data).decode("utf-8", errors="replace")


def _moment(milliseconds: int) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(milliseconds, 0))
    except OverflowError:
        return datetime(1970, 1, 1, tzinfo=UTC)
