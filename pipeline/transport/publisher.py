"""`Publisher` over kafka-python: acknowledged by all replicas, idempotent, bounded in memory and in time.

Frames go uncompressed (a JPEG does not shrink), JSON goes compressed; that is a property of a client, so there are
two, each made with its first record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from pipeline.contracts.bus import Topic
from pipeline.errors import InvalidMessage, SightlineError, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka_errors import mapped
from pipeline.transport.topics import topic_name
from pipeline.transport.unsent import Unsent

DELIVERY_SECONDS = 30.0
"""Longest wait for an acknowledgement. A restarting broker or an election of leaders takes some seconds, up to about
twenty; beyond that whoever published must know, so as to keep the record elsewhere or to drop it by name."""
_REQUEST_SHARE = 1 / 3
"""Of that time one request may take: a broker that is silent for so long is asked again on a new connection."""
_LINGER_MS = 5
"""Records of so many milliseconds go in one request."""
_BATCH_BYTES = 131_072
"""Of one partition's records in one request; a larger record goes alone."""
_MAX_UNSENT_MESSAGES = 16
"""Largest records that fit into the memory for unsent ones: 64 MiB with the default of 4 MiB."""
_METADATA_SECONDS = 3.0
"""For what a topic's first record needs to know of the topic."""
_CONNECTING_SECONDS = 1.0
"""Wait for another thread that is connecting; afterwards the record fails."""
_RETRY_AFTER_SECONDS = 1.0
"""After a failed connection, records fail at once for so long."""
_LOOK_EVERY_SECONDS = 0.25
_CLOSE_SECONDS = 10.0
_END_SECONDS = 2.0
"""For a client's thread to end."""

Connect = Callable[..., Any]
"""`connect(KafkaProducer, **options)`: a client, or `TransientError`, or `ConfigError`."""


class KafkaPublisher:
    """See `Publisher`. A record's future also fails with `ConfigError` when the broker refuses us for good.

    A call blocks only where there is no connection yet: one thread connects and may take some ten seconds to find
    that it cannot, others wait a second. Records given up at the deadline fail together, in the order they were
    published, so that whoever publishes them again in that order keeps it.
    """

    def __init__(self, settings: BusSettings, connect: Connect, delivery_seconds: float = DELIVERY_SECONDS) -> None:
        self._prefix = settings.prefix
        self._delivery_seconds = delivery_seconds
        self._max_message_bytes = settings.max_message_bytes
        self._unsent = Unsent(_MAX_UNSENT_MESSAGES * settings.max_message_bytes)
        options = _options(settings, delivery_seconds)
        self._frames = _Lane("frames", connect, options | {"compression_type": None})
        self._json = _Lane("json", connect, options | {"compression_type": "gzip"})
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._give_up_the_overdue, name="publisher-deadline", daemon=True)
        self._watch.start()

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        """See `Publisher`."""
        return self._publish(topic, key, value, headers or {})

    def erase(self, topic: Topic, key: str) -> Future[None]:
        """Put a record without a value: of a compacted topic the broker then removes all earlier ones of this key."""
        return self._publish(topic, key, None, {})

    def flush(self, timeout_seconds: float) -> bool:
        """See `Publisher`."""
        return self._unsent.wait_until_empty(timeout_seconds)

    def close(self) -> None:
        """See `Publisher`. What is not acknowledged within 10 s fails with `TransientError`."""
        if self._closed.is_set():
            return
        self._unsent.wait_until_empty(min(_CLOSE_SECONDS, self._delivery_seconds))
        self._closed.set()
        self._watch.join()
        for lane in (self._frames, self._json):
            self._give_up(lane, "the publisher was closed before the broker took it")
            lane.wait_for_end(_END_SECONDS)

    def _publish(self, topic: Topic, key: str, value: bytes | None, headers: Mapping[str, str]) -> Future[None]:
        lane = self._frames if topic is Topic.FRAMES else self._json
        encoded = [(name, text.encode()) for name, text in headers.items()]
        num_bytes = len(key) + len(value or b"") + sum(len(name) + len(text) for name, text in encoded)
        if num_bytes > self._max_message_bytes:
            return _refused(num_bytes, self._max_message_bytes)
        waiting = self._unsent.admit(lane.name, num_bytes)
        try:
            if self._closed.is_set():
                raise TransientError("the publisher is closed")
            sent = lane.send(topic_name(self._prefix, topic), key.encode(), value, encoded)
        except SightlineError as error:
            self._unsent.settle(waiting, error)
        else:
            sent.add_callback(lambda _: self._unsent.settle(waiting))
            sent.add_errback(lambda error: self._unsent.settle(waiting, mapped(error)))
        return waiting.future

    def _give_up_the_overdue(self) -> None:
        """The deadline, whatever the client does: it looks at its own in none of the minutes in which it waits for
        a connection and a producer id (3.0.12)."""
        while not self._closed.wait(_LOOK_EVERY_SECONDS):
            oldest = self._unsent.oldest()
            if oldest is None or time.monotonic() - oldest.since < self._delivery_seconds:
                continue
            structlog.get_logger().warning("the broker took nothing in time; connecting anew", lane=oldest.lane)
            lane = self._frames if oldest.lane == self._frames.name else self._json
            self._give_up(lane, f"no acknowledgement within {self._delivery_seconds:g} s")

    def _give_up(self, lane: _Lane, why: str) -> None:
        """Drop the lane's client with all it holds, so that nothing given up is sent later, and fail the futures."""
        given_up = self._unsent.take(lane.name)
        lane.drop()
        for waiting in given_up:
            waiting.future.set_exception(TransientError(why))


class _Lane:
    """One client, made when it is first needed and again after it was dropped."""

    def __init__(self, name: str, connect: Connect, options: Mapping[str, Any]) -> None:
        self.name = name
        self._connect = connect
        self._options = options
        self._lock = threading.Lock()
        self._producer: Any = None
        self._ending: list[threading.Thread] = []
        self._failure: SightlineError | None = None
        self._failed_at = 0.0

    def send(self, topic: str, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> Any:
        """The client's future; raises errors of ours for what is known at once."""
        producer = self._connected()
        try:
            return producer.send(topic, key=key, value=value, headers=headers)
        except KafkaTimeoutError as error:
            raise TransientError(f"nothing is known of the topic {topic}: it is not there, or the broker") from error
        except (KafkaError, OSError, ValueError) as error:
            raise mapped(error) from error

    def drop(self) -> None:
        """Forget the client; its thread ends by itself, at the latest with its request, and sends nothing more."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # `close` alone raises, and leaves the thread running, while anything is unsent (3.0.12).
        producer._sender.force_close()
        self._ending = [thread for thread in (*self._ending, producer._sender) if thread.is_alive()]
        with suppress(KafkaError):
            producer.close(timeout=0)

    def wait_for_end(self, timeout_seconds: float) -> None:
        """For the threads of the clients that were dropped."""
        until = time.monotonic() + timeout_seconds
        for thread in self._ending:
            thread.join(max(until - time.monotonic(), 0))

    def _connected(self) -> Any:
        if producer := self._producer:
            return producer
        if not self._lock.acquire(timeout=_CONNECTING_SECONDS):
            raise TransientError("still connecting to the broker")
        try:
            if self._producer is None:
                self._producer = self._made()
            return self._producer
        finally:
            self._lock.release()

    def _made(self) -> Any:
        if self._failure and time.monotonic() - self._failed_at < _RETRY_AFTER_SECONDS:
            raise type(self._failure)(*self._failure.args)  # anew: one raised often would collect tracebacks
        try:
            producer = self._connect(KafkaProducer, **self._options)
        except SightlineError as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        self._failure = None
        return producer


def _refused(num_bytes: int, max_bytes: int) -> Future[None]:
    future: Future[None] = Future()
    expected = f"expected a record of at most {max_bytes} bytes (bus.max_message_bytes)"
    future.set_exception(InvalidMessage(f"{expected}, got {num_bytes}"))
    return future


def _options(settings: BusSettings, delivery_seconds: float) -> dict[str, Any]:
    delivery_ms = round(delivery_seconds * 1000)
    return {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": _LINGER_MS,
        "batch_size": _BATCH_BYTES,
        "max_request_size": settings.max_message_bytes,
        "max_block_ms": round(_METADATA_SECONDS * 1000),
        "request_timeout_ms": round(delivery_ms * _REQUEST_SHARE),
        "delivery_timeout_ms": 2 * delivery_ms,  # ours comes first: the client's fails records one by one
        "metrics_enabled": False,
    }
