"""Jobs that must not be lost: in order by key, again until they work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import TransientError
from pipeline.runtime.ordered_work import OrderedWork, Wait
from pipeline.telemetry import FaultLog


@pytest.fixture
def work() -> Iterator[OrderedWork]:
    work = OrderedWork("work", 2, FaultLog("jobs", done="done"), SystemClock())
    work.start()
    yield work
    work.stop()


def failing(num_times: int, then: Callable[[], None]) -> Callable[[Wait], None]:
    """A job that works after so many failures."""
    left = [num_times]

    def job(_: Wait) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise TransientError("not yet")
        then()

    return job


def test_a_job_that_fails_holds_up_those_behind_it(work: OrderedWork) -> None:
    """Of one key, everything happens in the order in which it was put, whatever fails in between."""
    seen: list[str] = []
    work.put("yard", failing(2, lambda: seen.append("opened")))
    work.put("yard", lambda _: seen.append("closed"))
    assert work.wait_until_done(20.0)
    assert seen == ["opened", "closed"]


def test_keys_do_not_wait_for_each_other(work: OrderedWork) -> None:
    """While one key's job waits for a future, another key's is done."""
    answer: Future[None] = Future()
    is_done = threading.Event()
    work.put("yard", lambda wait: wait(answer))
    work.put("hall", lambda _: is_done.set())
    assert is_done.wait(20.0)
    assert not work.wait_until_done(0.0)
    answer.set_result(None)
    assert work.wait_until_done(20.0)


def test_stopping_gives_up_what_waits(work: OrderedWork) -> None:
    """A job whose future never comes does not keep the threads from ending."""
    work.put("yard", lambda wait: wait(Future()))
    work.stop()
    assert not any(worker.is_alive() for worker in work.workers)
    assert not work.wait_until_done(0.0)
