"""Records set aside for a person, on `dead-letters`, with where they came from and why.

A letter has the original key and value, and says the rest in headers. Reading them and sending them again is in
`redrive`.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

from pipeline.clock import Clock, SystemClock
from pipeline.contracts.bus import Publisher, Record, Topic
from pipeline.errors import SightlineError

REASON, STAGE, CUT, LEFT_OUT = "reason", "stage", "cut", "left-out"
ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET = "origin-topic", "origin-partition", "origin-offset"
ORIGIN_PUBLISHED_AT = "origin-published-at"
ORIGIN_HEADER = "origin-header-"
"""Before the name of each of the record's own headers."""
REDRIVEN = "redriven"
"""Header of a record that was sent again: how many times, by now."""

_FIRST = 5
_THEN_EVERY_SECONDS = 60.0
_MAX_KINDS = 10_000
_DEFAULT_MESSAGE_BYTES = 4_194_304
_ROOM_BYTES = 32_768
"""Kept of a message for key, headers and what the protocol adds; the value has the rest."""
_MAX_TEXT = 1_000
_MAX_HEADERS_BYTES = 8_192
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class _Kind:
    """Letters of one key, stage and reason."""

    num_free: int = _FIRST
    next_at: float = 0.0
    left_out: int = 0


class DeadLetters:
    """Sets records aside. Thread-safe.

    Of frames, the first 5 of one key, stage and reason (whatever numbers the reason has in it) are kept, then at
    most one a minute: a misconfigured camera does not fill the topic. The next one kept says how many were left
    out. Of everything else each one is kept: a candidate is an alert.
    """

    def __init__(
        self, publisher: Publisher, clock: Clock | None = None, max_message_bytes: int = _DEFAULT_MESSAGE_BYTES
    ) -> None:
        """`max_message_bytes` is what the topic takes (`bus.max_message_bytes`); larger values are cut, and say so."""
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._max_value_bytes = max_message_bytes - _ROOM_BYTES
        self._kinds: OrderedDict[tuple[str, str, str], _Kind] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, record: Record, reason: str, stage: str) -> Future[None]:
        """Set `record` aside; complete it once the future is done. Never raises.

        The future fails as a publisher's does: put the record again then. It is done at once for one left out.
        """
        with self._lock:
            kind = self._kind((record.key, stage, _NUMBER.sub("#", reason)))
            left_out = self._admit(kind) if record.partition.topic is Topic.FRAMES else 0
        if left_out is None:
            return _done()
        future = self._publish(record, reason, stage, left_out)
        future.add_done_callback(lambda done: self._settle(kind, left_out, done))
        return future

    def _kind(self, name: tuple[str, str, str]) -> _Kind:
        kind = self._kinds.setdefault(name, _Kind())
        self._kinds.move_to_end(name)
        if len(self._kinds) > _MAX_KINDS:
            self._kinds.popitem(last=False)
        return kind

    def _admit(self, kind: _Kind) -> int | None:
        """How many were left out before this one; None when it is left out itself."""
        now = self._clock.monotonic()
        if kind.num_free <= 0 and now < kind.next_at:
            kind.left_out += 1
            return None
        kind.num_free = max(kind.num_free - 1, 0)
        kind.next_at = now + _THEN_EVERY_SECONDS
        left_out, kind.left_out = kind.left_out, 0
        return left_out

    def _settle(self, kind: _Kind, left_out: int, done: Future[None]) -> None:
        """What was not kept did not count: it will be put again."""
        if done.exception() is not None:
            with self._lock:
                kind.num_free += 1
                kind.left_out += left_out

    def _publish(self, record: Record, reason: str, stage: str, left_out: int) -> Future[None]:
        headers = {REASON: reason[:_MAX_TEXT], STAGE: stage} | _origin(record)
        cut = self._cut(record)
        if cut:
            headers[CUT] = cut
        if left_out:
            headers[LEFT_OUT] = str(left_out)
        if _headers_bytes(record) <= _MAX_HEADERS_BYTES:
            headers |= {f"{ORIGIN_HEADER}{name}": text for name, text in record.headers.items()}
        try:
            key, value = record.key[:_MAX_TEXT], record.value[: self._max_value_bytes]
            return self._publisher.publish(Topic.DEAD_LETTERS, key, value, headers)
        except SightlineError as error:
            failed: Future[None] = Future()
            failed.set_exception(error)
            return failed

    def _cut(self, record: Record) -> str:
        """What of the record is not in its letter, in words."""
        parts = []
        if len(record.value) > self._max_value_bytes:
            parts.append(f"the value had {len(record.value)} bytes")
        if len(record.key) > _MAX_TEXT:
            parts.append(f"the key had {len(record.key)} characters")
        if _headers_bytes(record) > _MAX_HEADERS_BYTES:
            parts.append(f"the headers had {_headers_bytes(record)} bytes")
        return "; ".join(parts)


def _origin(record: Record) -> dict[str, str]:
    return {
        ORIGIN_TOPIC: record.partition.topic.value,
        ORIGIN_PARTITION: str(record.partition.number),
        ORIGIN_OFFSET: str(record.offset),
        ORIGIN_PUBLISHED_AT: record.published_at.isoformat(),
    }


def _headers_bytes(record: Record) -> int:
    return sum(len(name.encode()) + len(text.encode()) for name, text in record.headers.items())


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future
