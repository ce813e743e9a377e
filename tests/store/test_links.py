"""Links between incidents, and the last ones that were told, on both databases."""

from __future__ import annotations

import pytest

from pipeline.contracts.incident import Incident, IncidentStore, Link
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import START, make_candidate, opened, seconds


@pytest.fixture
def store(database: Database) -> IncidentStore:
    return SqlIncidentStore(database)


def kept(store: IncidentStore, camera_id: str, after_seconds: float = 0, *, is_told: bool = True) -> Incident:
    """A stored incident; told to somebody, or waiting for its verdict untold."""
    change = opened(make_candidate(START + seconds(after_seconds), camera_id), will_verify=not is_told)
    assert store.commit(change, ())
    return change.incident


def test_links_are_seen_from_both_sides(store: IncidentStore) -> None:
    """The most alike first, those of unknown likeness last; each link from the incident that is asked for."""
    gate, yard, hall = (kept(store, camera) for camera in ("gate", "yard", "hall"))
    store.link([Link(gate.id, hall.id, 3.0, None), Link(gate.id, yard.id, 60.0, 0.96)])
    assert store.links_of(gate.id) == [Link(gate.id, yard.id, 60.0, 0.96), Link(gate.id, hall.id, 3.0, None)]
    assert store.links_of(yard.id) == [Link(yard.id, gate.id, 60.0, 0.96)]


def test_linking_twice_changes_nothing(store: IncidentStore) -> None:
    """A known pair stays as it is, whichever way round it comes again."""
    gate, yard = kept(store, "gate"), kept(store, "yard")
    store.link([Link(gate.id, yard.id, 60.0, 0.96)])
    store.link([Link(yard.id, gate.id, 1.0, 0.5), Link(gate.id, yard.id, 2.0, None)])
    assert store.links_of(gate.id) == [Link(gate.id, yard.id, 60.0, 0.96)]


def test_an_incident_that_is_gone_is_not_linked(store: IncidentStore) -> None:
    """One that was erased between being found and being linked is left out, the others are kept."""
    gate, yard = kept(store, "gate"), kept(store, "yard")
    store.link([Link(gate.id, "gone", 0.0, None), Link(gate.id, yard.id, 0.0, None)])
    assert [link.other_id for link in store.links_of(gate.id)] == [yard.id]


def test_the_last_told_of_each_rule_and_camera(store: IncidentStore) -> None:
    """Only the latest of each, only those since then, and none that nobody was told of."""
    kept(store, "gate", 0)
    last = kept(store, "gate", 50)
    kept(store, "gate", 60, is_told=False)
    kept(store, "yard", -500)
    assert [incident.id for incident in store.last_told(START)] == [last.id]
