"""The relay: every stored change reaches the bus, whatever is away meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

from structlog.testing import capture_logs

from pipeline.clock import SystemClock
from pipeline.contracts.bus import Topic
from pipeline.contracts.incident import IncidentChange, IncidentStore
from pipeline.errors import InvalidMessage, Overloaded, SightlineError, TransientError
from pipeline.runtime.relay import Relay
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.telemetry import Metrics
from tests.support.ingest import wait_for
from tests.support.store import START, followed, make_candidate, opened, seconds


class ScriptedBroker:
    """A `Publisher` that takes everything but what its script refuses, and remembers the order."""

    def __init__(self, refuses: Callable[[str], SightlineError | None] = lambda _: None) -> None:
        self.taken: list[str] = []
        self._refuses = refuses

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        change = IncidentChange.model_validate_json(value)
        error = self._refuses(change.id)
        if isinstance(error, Overloaded):
            raise error
        outcome: Future[None] = Future()
        if error is None:
            self.taken.append(change.id)
            outcome.set_result(None)
        else:
            outcome.set_exception(error)
        return outcome

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def running(store: IncidentStore, *brokers: ScriptedBroker) -> Iterator[None]:
    """A relay for each broker."""
    stop = threading.Event()
    relays = [Relay(store, broker, Metrics(), SystemClock()) for broker in brokers]
    threads = [threading.Thread(target=relay.run, args=(stop,)) for relay in relays]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for relay, thread in zip(relays, threads, strict=True):
        relay.wake()
        thread.join(30)


def stored_lives(database: Database, number: int) -> tuple[IncidentStore, dict[str, list[str]]]:
    """Incidents of three changes each; the ids of their changes."""
    store, lives = SqlIncidentStore(database, has_bus=True), {}
    for index in range(number):
        first = opened(make_candidate(START + seconds(index)))
        second = followed(first)
        life = [first, second, followed(second)]
        for change in life:
            store.commit(change, [])
        lives[first.incident.id] = [change.id for change in life]
    return store, lives


def in_order(taken: list[str]) -> dict[str, list[str]]:
    lives: dict[str, list[str]] = {}
    for change_id in taken:
        lives.setdefault(change_id.rpartition(".")[0], []).append(change_id)
    return lives


def test_every_change_is_told_once_and_in_order(sqlite_database: Database) -> None:
    """What is stored stands on the bus, each incident's changes one after the other."""
    store, lives = stored_lives(sqlite_database, 5)
    broker = ScriptedBroker()
    with running(store, broker):
        assert wait_for(lambda: len(broker.taken) == 15)
    assert in_order(broker.taken) == lives


def test_relays_share_the_work(sqlite_database: Database) -> None:
    """Several relays tell everything once, in order, without a word to each other."""
    store, lives = stored_lives(sqlite_database, 30)
    first = ScriptedBroker()
    second = ScriptedBroker()
    second.taken = first.taken
    with running(store, first, second):
        assert wait_for(lambda: len(first.taken) >= 90)
    assert in_order(first.taken) == lives


def test_a_broker_that_is_away_delays_and_keeps_the_order(sqlite_database: Database) -> None:
    """What the broker did not take is told again, and nothing of the same incident overtakes it."""
    store, lives = stored_lives(sqlite_database, 2)
    faults: list[SightlineError] = [TransientError("away"), Overloaded("full")]
    broker = ScriptedBroker(lambda _: faults.pop() if faults else None)
    with capture_logs() as logs, running(store, broker):
        assert wait_for(lambda: len(broker.taken) == 6)
    assert in_order(broker.taken) == lives
    assert [log["event"].partition(";")[0] for log in logs] == [
        "news of incidents cannot be told to the bus",
        "news of incidents can be told to the bus again",
    ]


def test_what_the_bus_can_never_take_is_left_out_and_said(sqlite_database: Database) -> None:
    """A change too large for the bus holds up nothing: its incident's next change is told."""
    store, lives = stored_lives(sqlite_database, 1)
    ((first, *others),) = lives.values()
    broker = ScriptedBroker(lambda change_id: InvalidMessage("too large") if change_id == first else None)
    with capture_logs() as logs, running(store, broker):
        assert wait_for(lambda: broker.taken == others)
    assert [(log["change"], log["reason"]) for log in logs] == [(first, "too large")]


def test_a_database_that_is_away_is_waited_for(sqlite_database: Database) -> None:
    """The relay goes on when the database is back."""

    class Away(SqlIncidentStore):
        num_failures = 2

        def claim_news(self, lease_seconds: float, limit: int) -> list[IncidentChange]:
            if self.num_failures:
                self.num_failures -= 1
                raise TransientError("locked")
            return super().claim_news(lease_seconds, limit)

    stored_lives(sqlite_database, 1)
    broker = ScriptedBroker()
    with capture_logs(), running(Away(sqlite_database), broker):
        assert wait_for(lambda: len(broker.taken) == 3)
