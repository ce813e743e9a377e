"""The queue between threads: order, backpressure, dropping and closing."""

from __future__ import annotations

import threading

import pytest

from pipeline.transport.memory import BoundedQueue

SOON = 0.01
PLENTY = 10.0


def test_items_come_out_in_the_order_they_went_in():
    """First in, first out, in batches of at most what was asked for."""
    queue: BoundedQueue[int] = BoundedQueue(5)
    for item in range(5):
        assert queue.put(item)

    assert queue.take(3, SOON) == [0, 1, 2]
    assert queue.take(3, SOON) == [3, 4]
    assert len(queue) == 0


def test_a_full_queue_makes_the_putter_wait_and_give_up_in_time():
    """A put into a full queue that nobody empties returns False and adds nothing."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(1)

    assert not queue.put(2, timeout_seconds=SOON)
    assert queue.take(9, SOON) == [1]


def test_a_waiting_putter_goes_on_when_there_is_room():
    """Backpressure: everything that a fast producer puts arrives, once and in order."""
    queue: BoundedQueue[int] = BoundedQueue(2)
    producer = threading.Thread(target=lambda: [queue.put(item, PLENTY) for item in range(100)])
    producer.start()

    taken: list[int] = []
    while len(taken) < 100:
        taken += queue.take(7, PLENTY)
    producer.join()

    assert taken == list(range(100))


def test_put_latest_drops_the_oldest_and_gives_it_back():
    """A live source never waits: the newest items stay, the oldest comes back to be counted."""
    queue: BoundedQueue[str] = BoundedQueue(2)

    assert queue.put_latest("a") is None
    assert queue.put_latest("b") is None
    assert queue.put_latest("c") == "a"
    assert queue.take(9, SOON) == ["b", "c"]


def test_taking_from_an_empty_queue_returns_nothing_when_time_is_up():
    """An idle consumer gets an empty list, not an exception."""
    assert BoundedQueue[int](1).take(1, SOON) == []


def test_a_closed_queue_gives_what_it_holds_and_takes_no_more():
    """Closing loses nothing that was accepted."""
    queue: BoundedQueue[int] = BoundedQueue(3)
    queue.put(1)
    queue.close()

    assert queue.closed
    assert not queue.put(2)
    assert queue.put_latest(3) == 3
    assert queue.take(9, PLENTY) == [1]
    assert queue.take(9, PLENTY) == []


def test_closing_wakes_a_waiting_putter_and_a_waiting_taker():
    """Nobody waits for a queue that is closed."""
    full, empty = BoundedQueue[int](1), BoundedQueue[int](1)
    full.put(1)
    answers: list[object] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(full.put(2, PLENTY))),
        threading.Thread(target=lambda: answers.append(empty.take(1, PLENTY))),
    ]
    for thread in waiting:
        thread.start()
    full.close()
    empty.close()
    for thread in waiting:
        thread.join(PLENTY)

    assert False in answers
    assert [] in answers


def test_a_queue_without_room_is_refused():
    """A queue of no items can never carry one."""
    with pytest.raises(ValueError, match="at least one"):
        BoundedQueue(0)
