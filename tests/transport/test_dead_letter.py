"""What is set aside, how much of it, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.errors import Overloaded, SightlineError, TransientError
from pipeline.transport.dead_letter import DeadLetters
from tests.support.published import ScriptedPublisher

PUBLISHED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class KeptHeaders(ScriptedPublisher):
    """Keeps the headers, too; may be too full to take anything."""

    def __init__(self, *script: Exception | None) -> None:
        super().__init__(script)
        self.headers: list[dict[str, str]] = []
        self.is_full = False

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        assert topic is Topic.DEAD_LETTERS
        if self.is_full:
            raise Overloaded("no room")
        self.headers.append(dict(headers or {}))
        return super().publish(topic, key, value, headers)


def record(value: bytes = b"jpeg", key: str = "yard", **headers: str) -> Record:
    return Record(Partition(Topic.FRAMES, 3), 17, key, value, PUBLISHED_AT, headers)


def test_a_letter_says_where_it_came_from_and_why() -> None:
    """Key and value are the record's own; topic, place, time, headers, reason and stage are headers."""
    publisher = KeptHeaders()
    DeadLetters(publisher).put(record(kind="frame"), "not a JPEG", "watcher").result(0)
    assert publisher.taken == [("yard", b"jpeg")]
    assert publisher.headers == [
        {
            "reason": "not a JPEG",
            "stage": "watcher",
            "origin-topic": "frames",
            "origin-partition": "3",
            "origin-offset": "17",
            "origin-published-at": "2026-01-01T00:00:00+00:00",
            "origin-header-kind": "frame",
        }
    ]


def test_what_is_too_large_is_cut_and_says_so() -> None:
    """Value, key and headers of a stranger's record never make a letter too large for the topic."""
    publisher = KeptHeaders()
    letters = DeadLetters(publisher, max_message_bytes=100_000)
    letters.put(record(b"x" * 200_000, "k" * 5000, long="h" * 20_000), "too large " + "!" * 5000, "watcher")
    (key, value), headers = publisher.taken[0], publisher.headers[0]
    assert headers["cut"] == "the value had 200000 bytes; the key had 5000 characters; the headers had 20004 bytes"
    assert len(key) + len(value) + sum(len(n) + len(t) for n, t in headers.items()) < 100_000


def test_a_flood_of_one_kind_is_thinned() -> None:
    """Five, then one a minute, whatever numbers the reason has in it; the next one says how many were left out."""
    publisher, clock = KeptHeaders(), ManualClock()
    letters = DeadLetters(publisher, clock)
    for number in range(300):  # a minute at 5 frames a second
        letters.put(record(), f"expected at most 65500 px, got {number}", "watcher").result(0)
        clock.advance(0.2)
    assert len(publisher.taken) == 5
    clock.advance(1.0)
    letters.put(record(), "expected at most 65500 px, got 7", "watcher")
    letters.put(record(), "expected at most 65500 px, got 8", "watcher")
    assert [headers.get("left-out") for headers in publisher.headers[5:]] == ["295"]


def test_of_candidates_each_one_is_kept() -> None:
    """A candidate is an alert: however many are refused, none is left out."""
    publisher = KeptHeaders()
    letters = DeadLetters(publisher, ManualClock())
    for offset in range(20):
        candidate = Record(Partition(Topic.CANDIDATES, 0), offset, "yard", b"{}", PUBLISHED_AT, {})
        letters.put(candidate, "another schema", "reasoner").result(0)
    assert len(publisher.taken) == 20


def test_other_cameras_reasons_and_stages_have_their_own_share() -> None:
    """One camera's flood does not hide another's first letter."""
    publisher = KeptHeaders()
    letters = DeadLetters(publisher, ManualClock())
    for _ in range(10):
        letters.put(record(), "not a JPEG", "watcher")
    letters.put(record(key="gate"), "not a JPEG", "watcher")
    letters.put(record(), "no header camera", "watcher")
    letters.put(record(), "not a JPEG", "reasoner")
    assert len(publisher.taken) == 8


def test_a_letter_that_could_not_be_published_does_not_count() -> None:
    """The future fails as the publisher's did; put again it is kept, however many had been before."""
    publisher = KeptHeaders(None, None, None, None, TransientError("away"), TransientError("away"))
    letters = DeadLetters(publisher, ManualClock())
    for _ in range(4):
        letters.put(record(), "not a JPEG", "watcher").result(0)
    for _ in range(2):
        with pytest.raises(TransientError):
            letters.put(record(), "not a JPEG", "watcher").result(0)
    letters.put(record(), "not a JPEG", "watcher").result(0)
    assert len(publisher.taken) == 5
    letters.put(record(), "not a JPEG", "watcher").result(0)
    assert len(publisher.taken) == 5


def test_a_full_publisher_raises_nothing() -> None:
    """`Overloaded` comes through the future like any other failure."""
    publisher = KeptHeaders()
    publisher.is_full = True
    future = DeadLetters(publisher).put(record(), "not a JPEG", "watcher")
    assert isinstance(future.exception(0), SightlineError)
