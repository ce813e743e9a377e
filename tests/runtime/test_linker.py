"""Links made while a system runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.contracts.incident import Incident, IncidentFilter, Link
from pipeline.errors import TransientError
from pipeline.runtime.linker import Linker
from pipeline.runtime.worker import Worker
from pipeline.settings import LinkingSettings
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import make_candidate, opened


class Store(SqlIncidentStore):
    """A store that cannot be asked, or breaks, for so many times."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.failures: list[Exception] = []

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        if self.failures:
            raise self.failures.pop()
        return super().find(wanted)

    def kept(self, camera_id: str) -> Incident:
        change = opened(make_candidate(camera_id=camera_id))
        assert self.commit(change, ())
        return change.incident


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path / 'links.db'}")
    database.migrate()
    yield Store(database)
    database.close()


def _run(store: Store, incidents: Sequence[Incident]) -> None:
    """Note each, in order, and stop: what waits is linked first."""
    linker, stop = Linker(store, LinkingSettings()), threading.Event()
    for incident in incidents:
        linker.note(opened(incident.candidate))
    worker = Worker("linking", lambda: linker.run(stop))
    stop.set()
    worker.join()
    assert worker.error is None


def test_a_new_incident_is_linked_with_another_camera_s(store: Store) -> None:
    """Stored, noted, linked; noting it again changes nothing."""
    yard, gate = store.kept("yard"), store.kept("gate")
    _run(store, [gate, gate])
    assert store.links_of(gate.id) == [Link(gate.id, yard.id, 0.0, None)]


@pytest.mark.parametrize("failure", [TransientError("the database is away"), KeyError("a bug")], ids=["away", "bug"])
def test_a_failure_costs_one_incident_its_links(
    store: Store, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one is linked all the same, and nothing else notices."""
    yard, gate, hall = store.kept("yard"), store.kept("gate"), store.kept("hall")
    store.failures = [failure]
    _run(store, [gate, hall])
    caplog.clear()
    assert len(store.links_of(hall.id)) == 2
    assert [link.other_id for link in store.links_of(yard.id)] == [hall.id]


def test_a_full_queue_delays_nobody(store: Store) -> None:
    """With nobody linking, a thousand notes return at once; what found room is linked later."""
    yard, gate = store.kept("yard"), store.kept("gate")
    linker, stop = Linker(store, LinkingSettings()), threading.Event()
    for _ in range(1000):
        linker.note(opened(gate.candidate))
    stop.set()
    linker.run(stop)
    assert [link.other_id for link in store.links_of(gate.id)] == [yard.id]


def test_without_a_window_nothing_is_linked(store: Store) -> None:
    """`linking.within: 0` turns it off."""
    store.kept("yard")
    gate = store.kept("gate")
    linker, stop = Linker(store, LinkingSettings(within=0)), threading.Event()
    linker.note(opened(gate.candidate))
    stop.set()
    linker.run(stop)
    assert store.links_of(gate.id) == []
