"""One camera's records on their way to the bus."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.runtime.ingest.backlog import Backlog, Outgoing
from tests.support.ingest import START, wait_for


def item(number: int, *, at_seconds: float = 0.0, num_bytes: int = 10) -> Outgoing:
    return Outgoing("cam", "cam", bytes([number]) * num_bytes, {}, START, at_seconds)


def backlog(
    max_bytes: int = 1000, keep_seconds: float = 60.0, on_ready: Callable[[Backlog], None] = lambda _: None
) -> Backlog:
    return Backlog(max_bytes, keep_seconds, on_ready)


def numbers(items: list[Outgoing]) -> list[int]:
    return [each.value[0] for each in items]


def drain(waiting: Backlog) -> list[int]:
    taken = []
    while (one := waiting.take()) is not None:
        taken.append(one)
        waiting.finished()
    return numbers(taken)


def test_one_record_is_under_way_at_a_time() -> None:
    """The second is handed out when the first is durable, not before."""
    waiting = backlog()
    waiting.put(item(1))
    waiting.put(item(2))
    first = waiting.take()
    assert first is not None
    assert waiting.take() is None
    waiting.finished()
    assert drain(waiting) == [2]


def test_a_record_that_failed_comes_first_again() -> None:
    """Order holds over failures."""
    waiting = backlog()
    for number in (1, 2, 3):
        waiting.put(item(number))
    waiting.take()
    waiting.again()
    assert drain(waiting) == [1, 2, 3]


def test_a_live_camera_keeps_its_newest_bytes() -> None:
    """What is over the limit goes, oldest first; the one under way counts, and stays."""
    waiting = backlog(max_bytes=30)
    waiting.put_latest(item(1))
    waiting.take()
    dropped = [numbers(waiting.put_latest(item(number))) for number in (2, 3, 4, 5)]
    assert dropped == [[], [], [2], [3]]
    waiting.again()
    assert drain(waiting) == [1, 4, 5]


def test_a_live_camera_keeps_its_newest_seconds() -> None:
    """What has waited too long goes when something newer comes."""
    waiting = backlog(keep_seconds=2.0)
    dropped = [numbers(waiting.put_latest(item(second, at_seconds=second))) for second in range(5)]
    assert dropped == [[], [], [], [0], [1]]


def test_the_newest_record_stays_however_large_it_is() -> None:
    """A limit below one record still lets that one through."""
    waiting = backlog(max_bytes=5)
    assert waiting.put_latest(item(1)) == []
    assert numbers(waiting.put_latest(item(2))) == [1]
    assert drain(waiting) == [2]


def test_a_file_waits_for_room() -> None:
    """`put` blocks while the backlog is full, and goes on when a record is durable."""
    waiting = backlog(max_bytes=10)
    waiting.put(item(1))
    thread = threading.Thread(target=waiting.put, args=(item(2),))
    thread.start()
    assert len(waiting) == 1
    waiting.take()
    waiting.finished()
    thread.join(10)
    assert drain(waiting) == [2]


def test_closing_releases_who_waits_and_keeps_what_is_in_hand() -> None:
    """A waiting `put` answers False; what was accepted can still be sent."""
    waiting = backlog(max_bytes=10)
    waiting.put(item(1))
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(waiting.put(item(2))))
    thread.start()
    waiting.close()
    thread.join(10)
    assert answers == [False]
    assert waiting.put_latest(item(3)) == []
    assert drain(waiting) == [1]


def test_it_tells_once_that_there_is_something_to_send() -> None:
    """However many records come before somebody takes one: whoever is away for long finds one call."""
    calls: list[Backlog] = []
    waiting = backlog(on_ready=calls.append)
    for number in range(5):
        waiting.put(item(number))
    assert calls == [waiting]
    waiting.take()
    assert len(calls) == 1
    waiting.finished()
    assert wait_for(lambda: len(calls) == 2)


def test_the_age_of_the_oldest_counts_the_one_under_way() -> None:
    """A record is unsent until it is durable."""
    waiting = backlog()
    assert waiting.oldest_queued_seconds() is None
    waiting.put(item(1, at_seconds=7.0))
    waiting.put(item(2, at_seconds=8.0))
    waiting.take()
    assert waiting.oldest_queued_seconds() == 7.0
    waiting.finished()
    assert (waiting.oldest_queued_seconds(), len(waiting)) == (8.0, 1)
