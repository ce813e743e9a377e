"""What every `LearnedStore` promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.learned import Learned, LearnedKind, LearnedStore
from pipeline.store.database import Database
from pipeline.store.learned import SqlLearnedStore

AT = datetime(2026, 3, 1, 22, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEVELS = Learned("gate", "climb", LearnedKind.CALIBRATION, "clip-1", AT, b"\x00levels\xff")
NORMAL = replace(LEVELS, rule_id="", kind=LearnedKind.NORMAL, body=b"bank")
EXAMPLES = replace(LEVELS, camera_id="", kind=LearnedKind.EXAMPLES, body=b"pictures")


@pytest.fixture
def store(database: Database) -> LearnedStore:
    return SqlLearnedStore(database)


def test_what_is_learned_is_read_back_equal(store: LearnedStore) -> None:
    """Every byte of it, to the microsecond."""
    store.save([LEVELS])
    assert store.load() == [LEVELS]


def test_the_later_holds(store: LearnedStore) -> None:
    """What is as new or newer replaces; what is older is not taken."""
    later = replace(LEVELS, updated_at=AT + MINUTE, body=b"later", basis="clip-2")
    store.save([LEVELS])
    store.save([later])
    store.save([replace(LEVELS, body=b"late to come")])
    assert store.load() == [later]
    store.save([replace(later, body=b"as new")])
    assert [one.body for one in store.load()] == [b"as new"]


def test_of_one_key_twice_in_a_call_the_later_holds(store: LearnedStore) -> None:
    """In whichever order they come."""
    later = replace(LEVELS, updated_at=AT + MINUTE, body=b"later")
    store.save([later, LEVELS])
    assert store.load() == [later]


def test_a_camera_gets_its_own_and_what_concerns_all(store: LearnedStore) -> None:
    """By camera, rule and kind, whatever the order of saving."""
    other = replace(LEVELS, camera_id="yard")
    store.save([other, LEVELS, NORMAL, EXAMPLES])
    assert store.load("gate") == [EXAMPLES, NORMAL, LEVELS]
    assert store.load("unknown") == [EXAMPLES]
    assert store.load() == [EXAMPLES, NORMAL, LEVELS, other]


@pytest.mark.parametrize(
    ("camera", "rule", "left"),
    [
        ("gate", None, ["", "yard"]),
        (None, "climb", ["gate"]),
        ("gate", "climb", ["", "gate", "yard"]),
        ("unknown", "climb", ["", "gate", "gate", "yard"]),
        (None, None, []),
    ],
    ids=["camera", "rule", "both", "nothing like it", "everything"],
)
def test_what_matches_is_forgotten(store: LearnedStore, camera: str | None, rule: str | None, left: list[str]) -> None:
    """Both that are given must match; the answer says how many there were."""
    store.save([LEVELS, NORMAL, EXAMPLES, replace(LEVELS, camera_id="yard")])
    assert store.forget(camera, rule) == 4 - len(left)
    assert [one.camera_id for one in store.load()] == left


def test_nothing_and_much_can_be_saved(store: LearnedStore) -> None:
    """An idle minute writes nothing; a site's worth goes in whole, and a large body with it."""
    store.save([])
    many = [replace(LEVELS, camera_id=f"c{n:03}") for n in range(120)]
    store.save([*many, replace(NORMAL, body=bytes(400_000))])
    assert len(store.load()) == 121
    assert len(store.load("gate")[0].body) == 400_000
