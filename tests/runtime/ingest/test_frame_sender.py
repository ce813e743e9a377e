"""The publishing thread, against publishers that fail by a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.runtime.ingest.backlog import Backlog, Outgoing
from pipeline.runtime.ingest.frame_sender import FrameSender
from pipeline.runtime.worker import Worker, raise_first
from pipeline.telemetry import Metrics
from tests.support.ingest import START, wait_for
from tests.support.published import ScriptedPublisher


def nothing() -> None:
    pass


@contextmanager
def sending(
    publisher: ScriptedPublisher, prepare: Callable[[], None] = nothing
) -> Iterator[tuple[FrameSender, Backlog, Worker]]:
    sender = FrameSender(publisher, prepare, Metrics(), SystemClock())
    worker = Worker("publishing", sender.run)
    try:
        yield sender, Backlog(1000, 60.0, sender.offer), worker
    finally:
        sender.close()
        worker.join()


def put(backlog: Backlog, numbers: Sequence[int]) -> None:
    for number in numbers:
        backlog.put(Outgoing("cam", "cam", bytes([number]), {}, START, 0.0))


def values(publisher: ScriptedPublisher) -> list[int]:
    return [value[0] for _, value in publisher.taken]


def test_a_record_that_failed_is_sent_again_before_its_successors() -> None:
    """Nothing is lost, nothing overtakes, nothing comes twice."""
    publisher = ScriptedPublisher([None, TransientError("away"), Overloaded("full"), TransientError("away")])
    with sending(publisher) as (sender, backlog, _):
        put(backlog, range(6))
        assert wait_for(lambda: len(backlog) == 0)
    assert values(publisher) == [0, 1, 2, 3, 4, 5]
    assert sender.counts.frames_published == 6


def test_an_outage_is_told_once() -> None:
    """One line when frames can no longer be published, one when they can again."""
    publisher = ScriptedPublisher([TransientError("away")] * 4)
    with capture_logs() as logs, sending(publisher) as (_, backlog, _):
        put(backlog, range(3))
        assert wait_for(lambda: len(backlog) == 0)
    assert [log["event"] for log in logs] == [
        "frames cannot be published; files wait, live cameras keep their newest",
        "frames can be published again",
    ]


def test_a_record_the_broker_never_takes_is_named_and_the_others_go_on() -> None:
    """Too large a frame is counted, and told once a camera however often it comes."""
    publisher = ScriptedPublisher([InvalidMessage("too large"), None, InvalidMessage("too large")])
    with capture_logs() as logs, sending(publisher) as (sender, backlog, _):
        put(backlog, range(4))
        assert wait_for(lambda: len(backlog) == 0)
    assert values(publisher) == [1, 3]
    assert sender.counts.frames_refused == 2
    assert [(log["event"], log["camera"]) for log in logs] == [("frame cannot be published", "cam")]


def test_the_topics_are_made_before_the_first_record() -> None:
    """While they cannot be made, records wait."""
    failures = [TransientError("away")] * 2
    publisher = ScriptedPublisher()
    tries_before_prepared: list[int] = []

    def prepare() -> None:
        tries_before_prepared.append(publisher.num_tries)
        if failures:
            raise failures.pop()

    with sending(publisher, prepare) as (_, backlog, _):
        put(backlog, range(2))
        assert wait_for(lambda: len(backlog) == 0)
    assert tries_before_prepared == [0, 0, 0]


def test_a_broker_that_refuses_this_client_ends_the_thread() -> None:
    """Its supervisor sees why."""
    with sending(ScriptedPublisher([ConfigError("wrong password")])) as (_, backlog, worker):
        put(backlog, [1])
        assert wait_for(lambda: not worker.is_alive())
    with pytest.raises(StageFailed, match="wrong password"):
        raise_first([worker])


def test_closing_ends_the_thread_while_topics_cannot_be_made() -> None:
    """A broker that never was there does not keep the process."""

    def prepare() -> None:
        raise TransientError("away")

    with sending(ScriptedPublisher(), prepare) as (_, backlog, worker):
        put(backlog, [1])
    assert not worker.is_alive()
    assert len(backlog) == 1
