"""Several consumers of one group, and a broker that goes away, on a real broker."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import MemberToRemove
from structlog.testing import capture_logs

from pipeline.transport.kafka import KafkaBus
from tests.support.consuming import BOUND_SECONDS, Recorder, Revoked, bus_of, committed, consuming, failure_of, put
from tests.support.ingest import wait_for
from tests.support.proxy import broker_behind_proxy


class TappedBus(KafkaBus):
    """A bus that keeps the clients it makes, so that one can be made to vanish."""

    def __init__(self, bus: KafkaBus) -> None:
        super().__init__(bus.settings, "tapped")
        self.made: list[KafkaConsumer] = []

    def consumer(self, group: str | None = None, **options: Any) -> KafkaConsumer:
        self.made.append(super().consumer(group, **options))
        return self.made[-1]


@pytest.mark.slow
def test_a_second_consumer_takes_its_share(broker_port: int, prefix: str) -> None:
    """What moves is drained and committed by the one before, what stays is not touched, and nothing is lost."""
    bus = bus_of(broker_port, prefix, partitions=4)
    first, second = Recorder(completes=False), Recorder()
    first.finish_on_revocation = True
    for key in "abcdefgh":
        put(bus, [f"{key}{number}" for number in range(5)], key=key)
    with consuming(bus, first, drain_seconds=0.0):
        first.wait_for(40)
        with consuming(bus, second):
            assert wait_for(lambda: len(second.owned) == 2, BOUND_SECONDS)
            assert [(len(r.partitions), r.drain_seconds) for r in first.revocations] == [(2, 3.0)]
            assert first.owned | second.owned == {0, 1, 2, 3}
            assert first.owned.isdisjoint(second.owned)
            for key in "abcdefgh":
                put(bus, [f"{key}5"], key=key)
            assert wait_for(lambda: len(first.values()) + len(second.values()) == 48, BOUND_SECONDS)
    assert sorted(first.values() + second.values()) == [f"{key}{number}" for key in "abcdefgh" for number in range(6)]


@pytest.mark.slow
def test_what_a_vanished_consumer_had_in_hand_is_handled_again(broker_port: int, prefix: str) -> None:
    """One that dies without a word is replaced after the session timeout, from its last commit on."""
    bus = bus_of(broker_port, prefix)
    put(bus, ["a", "b", "c"])
    dying, heir = Recorder(completes=False), Recorder()
    tapped = TappedBus(bus)
    with consuming(tapped, dying) as consumer:
        dying.wait_for(3)
        dying.complete(dying.records[0])
        assert wait_for(lambda: committed(bus) == 1, BOUND_SECONDS)
        tapped.made[0]._client.close()
        assert "closed" in failure_of(consumer)
        with consuming(bus, heir, rewind_seconds=60):
            heir.wait_for(3)
        assert heir.values(replays=True) == ["a"]
        assert heir.values() == ["b", "c"]
        assert committed(bus) == 3


@pytest.mark.slow
def test_partitions_that_were_lost_are_not_committed(broker_port: int, prefix: str) -> None:
    """Thrown out of the group, a consumer drops its state at once, joins again and handles again what was open."""
    bus = TappedBus(bus_of(broker_port, prefix, session_timeout=3))
    put(bus, ["a", "b"])
    handler = Recorder(completes=False)
    handler.finish_on_revocation = True
    with consuming(bus, handler) as consumer:
        handler.wait_for(2)
        throw_out(bus, bus.made[0])
        assert wait_for(lambda: bool(handler.revocations), BOUND_SECONDS)
        assert handler.revocations == [Revoked(frozenset({0}), 0.0)]
        assert committed(bus) is None
        handler.wait_for(4)
        consumer.check_health()
    assert handler.values() == ["a", "b", "a", "b"]


def throw_out(bus: KafkaBus, member: KafkaConsumer) -> None:
    """What a broker does with a member that it has not heard of for the session timeout."""
    admin = KafkaAdminClient(bootstrap_servers=bus.settings.servers)
    try:
        admin.remove_group_members(bus.group_name("watchers"), [MemberToRemove(member.group_metadata().member_id)])
    finally:
        admin.close()


def test_a_broker_that_is_away_is_waited_for() -> None:
    """Cut off, a consumer stays healthy, says so once, and goes on with what is new when it can."""
    with broker_behind_proxy() as proxy, capture_logs() as logs:
        bus = bus_of(proxy.port, "cut", session_timeout=3)
        put(bus, ["a", "b"])
        handler = Recorder(completes=False)
        with consuming(bus, handler) as consumer:
            handler.wait_for(2)
            proxy.cut()
            assert wait_for(lambda: told(logs, "cannot be read") == 1, BOUND_SECONDS)
            handler.complete_all()
            consumer.check_health()
            proxy.mend()
            put(bus, ["c"])
            handler.wait_for(3)
            assert wait_for(lambda: told(logs, "can be read again") == 1, BOUND_SECONDS)
            assert wait_for(lambda: committed(bus) == 2, BOUND_SECONDS)
        assert handler.values() == ["a", "b", "c"]
        assert told(logs, "cannot be read") == 1


def test_a_consumer_may_start_before_its_broker() -> None:
    """Nothing but a line of log until the broker is there; stopping does not take long meanwhile."""
    with broker_behind_proxy() as proxy:
        bus = bus_of(proxy.port, "early", session_timeout=3)
        put(bus, ["a"])
        proxy.cut()
        handler = Recorder()
        with capture_logs() as logs, consuming(bus, handler) as consumer:
            assert wait_for(lambda: told(logs, "cannot be read") == 1, BOUND_SECONDS)
            consumer.check_health()
            proxy.mend()
            handler.wait_for(1)
    assert handler.values() == ["a"]


def told(logs: list[Any], words: str) -> int:
    """How many lines of the log say so."""
    return sum(words in entry["event"] for entry in list(logs))
