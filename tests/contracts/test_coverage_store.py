"""What every `CoverageStore` promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.coverage import CoverageStore, Interval, Layer
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database

START = datetime(2026, 3, 1, 22, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WATCHED = Interval("gate", Layer.PICTURES, START, START + MINUTE)
BLIND = replace(WATCHED, start=START + MINUTE, end=START + 2 * MINUTE, reason="offline", detail="no route")
LATER = START + 60 * MINUTE


@pytest.fixture
def store(database: Database) -> CoverageStore:
    return SqlCoverageStore(database)


def test_an_interval_is_read_back_equal(store: CoverageStore) -> None:
    """Nothing of it is lost, to the microsecond."""
    of_rule = replace(BLIND, layer=Layer.RULES, rule_id="climb")
    store.extend([BLIND, WATCHED, of_rule])
    assert store.between(["gate"], START, LATER)[0] == WATCHED
    assert set(store.between(["gate"], START, LATER)) == {WATCHED, BLIND, of_rule}


def test_an_interval_told_again_replaces_its_end_and_detail(store: CoverageStore) -> None:
    """Growing and being cut back are the same: the last word counts, within one call too."""
    store.extend([BLIND])
    told = replace(BLIND, end=LATER), replace(BLIND, end=BLIND.start + MINUTE / 2, detail="refused")
    store.extend(told)
    assert store.between(None, START, LATER) == [told[1]]


def test_an_interval_cut_to_nothing_is_gone(store: CoverageStore) -> None:
    """What ends where it starts takes back what was stored."""
    store.extend([WATCHED])
    store.extend([replace(WATCHED, end=START)])
    assert store.between(None, START - MINUTE, LATER) == []


def test_only_what_reaches_into_the_range_is_found(store: CoverageStore) -> None:
    """Half-open: what ends at its start or starts at its end is outside."""
    minutes = [replace(WATCHED, start=START + n * MINUTE, end=START + (n + 1) * MINUTE) for n in range(5)]
    store.extend(minutes)
    assert store.between(["gate"], START + MINUTE, START + 3 * MINUTE) == minutes[1:3]
    assert store.between(["gate"], START + 1.5 * MINUTE, START + 2.5 * MINUTE) == minutes[1:3]


def test_cameras_are_kept_apart_and_in_order(store: CoverageStore) -> None:
    """One, some, none or all of them; by camera and then by start."""
    store.extend([replace(WATCHED, camera_id="yard"), BLIND, WATCHED])
    assert [i.camera_id for i in store.between(None, START, LATER)] == ["gate", "gate", "yard"]
    assert [i.start for i in store.between(["gate"], START, LATER)] == [WATCHED.start, BLIND.start]
    assert store.between([], START, LATER) == []


def test_the_first_moment_of_each_layer_is_known(store: CoverageStore) -> None:
    """So that nobody asks for the rules of a camera that never had any."""
    store.extend([BLIND, WATCHED, replace(BLIND, layer=Layer.RULES), replace(WATCHED, camera_id="yard")])
    assert store.known_since(["gate"]) == {("gate", Layer.PICTURES): START, ("gate", Layer.RULES): BLIND.start}
    assert len(store.known_since()) == 3


def test_nothing_and_much_can_be_stored(store: CoverageStore) -> None:
    """An idle second writes nothing; an outage's backlog goes in whole."""
    store.extend([])
    many = [replace(WATCHED, start=START + n * MINUTE, end=START + (n + 1) * MINUTE) for n in range(2_500)]
    store.extend(many)
    assert store.between(None, START, START + 10_000 * MINUTE) == many
