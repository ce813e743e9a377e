"""One consumer on a real broker: order, commits, backpressure, rewinding, health."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.bus import Partition, Topic
from pipeline.errors import StageFailed
from pipeline.transport.consume import TopicConsumer
from tests.support import consuming as consuming_support
from tests.support.consuming import BOUND_SECONDS, Recorder, committed, consuming, failure_of, put
from tests.support.ingest import wait_for

bus_of = partial(consuming_support.bus_of, session_timeout=3)
"""A lone member need not fear to be thrown out, and Tansu takes half of the session timeout to let it join."""


def test_all_records_come_in_order_and_are_committed(broker_port: int, prefix: str) -> None:
    """A group that never committed begins at the earliest record, and ends with all of them committed."""
    bus = bus_of(broker_port, prefix)
    put(bus, [f"{number}" for number in range(200)])
    handler = Recorder()
    with consuming(bus, handler):
        handler.wait_for(200)
        put(bus, ["late"])
        handler.wait_for(201)
        assert wait_for(lambda: committed(bus) == 201, BOUND_SECONDS)
    assert handler.values() == [*(f"{number}" for number in range(200)), "late"]
    first = handler.records[0]
    assert (first.partition, first.offset, first.key) == (Partition(Topic.FRAMES, 0), 0, "yard")
    assert first.headers == {"kind": "test"}


def test_nothing_behind_an_open_record_is_committed(broker_port: int, prefix: str) -> None:
    """Completed out of order, only what is contiguous is committed; the last commit comes with the end."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b", "c", "d"])
    handler = Recorder(completes=False)
    with consuming(bus, handler):
        handler.wait_for(4)
        handler.complete(handler.records[0])
        handler.complete(handler.records[3])
        assert wait_for(lambda: committed(bus) == 1, BOUND_SECONDS)
        handler.complete(handler.records[2])
    assert committed(bus) == 1
    again = Recorder()
    with consuming(bus, again):
        again.wait_for(3)
    assert again.values() == ["b", "c", "d"]
    assert committed(bus) == 4


def test_a_full_hand_pauses_and_goes_on(broker_port: int, prefix: str) -> None:
    """Never more than `in_flight` are in hand; lag and age count what waits; completing brings the rest."""
    bus = bus_of(broker_port, prefix, in_flight=4)
    put(bus, [f"{number}" for number in range(20)])
    handler = Recorder(completes=False)
    with consuming(bus, handler) as consumer:
        handler.wait_for(3)
        assert wait_for(lambda: consumer.stats()["lag"] == 20, BOUND_SECONDS)
        assert len(handler.open) <= 4
        assert 0 < consumer.stats()["oldest_age_seconds"] < BOUND_SECONDS
        while len(handler.records) < 20:
            handler.complete_all()
            assert wait_for(lambda: bool(handler.open), BOUND_SECONDS)
            assert len(handler.open) <= 4
        handler.complete_all()
        assert wait_for(lambda: consumer.stats()["lag"] == 0, BOUND_SECONDS)
        assert consumer.stats() == {"lag": 0.0, "oldest_age_seconds": 0.0, "partitions": 1.0}
    assert handler.values() == [f"{number}" for number in range(20)]


def test_partitions_that_were_paused_together_all_go_on(broker_port: int, prefix: str) -> None:
    """Several are full at once, with records fetched before the pause; none is forgotten."""
    bus = bus_of(broker_port, prefix, partitions=3, in_flight=4)
    for key in "abcdefgh":
        put(bus, [f"{key}{number}" for number in range(30)], key=key)
    handler = Recorder(completes=False)

    def all_came() -> bool:
        handler.complete_all()
        return len(handler.records) == 240

    with consuming(bus, handler):
        assert wait_for(all_came, BOUND_SECONDS)
    for key in "abcdefgh":
        assert [value for value in handler.values() if value[0] == key] == [f"{key}{number}" for number in range(30)]


def test_lag_is_told_while_records_wait_behind_a_pause(broker_port: int, prefix: str) -> None:
    """What is published while a partition is paused is counted, although nothing is fetched of it."""
    bus = bus_of(broker_port, prefix, in_flight=2)
    put(bus, ["a", "b", "c"])
    handler = Recorder(completes=False)
    with consuming(bus, handler) as consumer:
        handler.wait_for(2)
        for number in range(3, 10):
            put(bus, [f"{number}"])
        assert wait_for(lambda: consumer.stats()["lag"] == 10, BOUND_SECONDS)
        assert len(handler.records) == 2


def test_an_error_out_of_the_handler_is_told(broker_port: int, prefix: str) -> None:
    """The consumer ends, its health says of what, and what was completed before is committed."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b", "bad", "d"])
    handler = Recorder()
    handler.fails_at = "bad"
    with consuming(bus, handler) as consumer:
        assert "RuntimeError: cannot handle bad" in failure_of(consumer)
        assert wait_for(lambda: committed(bus) == 2, BOUND_SECONDS)
    assert handler.values() == ["a", "b"]


def test_state_is_rebuilt_by_reading_again(broker_port: int, prefix: str) -> None:
    """A new owner sees the records published shortly before the commit, as replays, and commits no less than before."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["long ago"])
    threading.Event().wait(2.0)
    put(bus, ["a", "b"])
    put(bus, ["c"])
    with consuming(bus, first := Recorder()):
        first.wait_for(4)
    put(bus, ["new"])
    second = Recorder(completes=False)
    with consuming(bus, second, rewind_seconds=lambda: 1.0):
        second.wait_for(4)
        assert committed(bus) == 4
        second.complete_all()
    assert second.values(replays=True) == ["a", "b", "c"]
    assert second.values() == ["new"]
    assert committed(bus) == 5


def test_a_topic_that_does_not_exist_is_named(broker_port: int, prefix: str) -> None:
    """One clear message through the health check; nothing is created."""
    bus = bus_of(broker_port, prefix)
    bus.settings = bus.settings.model_copy(update={"prefix": f"{prefix}.other"})
    with consuming(bus, Recorder()) as consumer:
        assert f"no topic {prefix}.other.frames" in failure_of(consumer)


def test_a_thread_that_hangs_is_unhealthy(broker_port: int, prefix: str) -> None:
    """A handler that does not return for longer than `poll_stale_after` makes the service one to restart."""
    bus = bus_of(broker_port, prefix, poll_stale_after=30)
    put(bus, ["a"])
    clock, hangs, is_free = ManualClock(), threading.Event(), threading.Event()
    handler = Recorder()

    def hang(*_: object) -> None:
        hangs.set()
        is_free.wait(BOUND_SECONDS)

    handler.assigned = hang  # type: ignore[method-assign]
    with consuming(bus, handler, clock=clock) as consumer:
        assert hangs.wait(BOUND_SECONDS)
        clock.advance(29)
        consumer.check_health()
        clock.advance(2)
        with pytest.raises(StageFailed, match="has not polled for 31 s"):
            consumer.check_health()
        is_free.set()
        handler.owned = {0}


def test_stopping_drains_within_the_bound_and_commits(broker_port: int, prefix: str) -> None:
    """What the handler finishes while it is told to stop is committed; stopping twice is fine."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b", "c"])
    handler = Recorder(completes=False)
    handler.finish_on_revocation = True
    consumer = TopicConsumer(bus, [Topic.FRAMES], "watchers", handler, bus.settings)
    consumer.stop(0.0)
    consumer = TopicConsumer(bus, [Topic.FRAMES], "watchers", handler, bus.settings)
    consumer.start()
    handler.wait_for(3)
    consumer.stop(2.5)
    consumer.stop(2.5)
    assert [(revoked.partitions, revoked.drain_seconds) for revoked in handler.revocations] == [(frozenset({0}), 2.5)]
    assert committed(bus) == 3
    consumer.check_health()
