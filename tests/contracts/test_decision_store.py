"""What every `DecisionStore` promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.contracts.ledger import DecisionStore
from pipeline.store.database import Database
from pipeline.store.ledger import SqlDecisionStore

MINUTE = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)
ONE_MINUTE = timedelta(minutes=1)
COUNT = DecisionCount(
    camera_id="gate",
    rule_id="climb",
    minute=MINUTE,
    gate=Gate.THRESHOLD,
    passed=False,
    reason="below threshold",
    count=3,
    min_value=0.1,
    max_value=0.4,
    threshold=0.6,
    detail="person 4",
)


@pytest.fixture
def store(database: Database) -> DecisionStore:
    return SqlDecisionStore(database)


def test_a_count_is_read_back_equal(store: DecisionStore) -> None:
    """Nothing of a count is lost on the way through the database."""
    empty = replace(COUNT, reason="none", min_value=None, max_value=None, threshold=None, detail="")
    store.add([COUNT, empty])
    assert store.between("gate", MINUTE, MINUTE + ONE_MINUTE) == [COUNT, empty]


def test_counts_of_the_same_kind_add_up(store: DecisionStore) -> None:
    """Counts are summed, extremes widened, threshold and detail are the last ones."""
    store.add([COUNT])
    store.add([replace(COUNT, count=2, min_value=0.2, max_value=0.5, threshold=0.7, detail="person 9")])
    assert store.between("gate", MINUTE, MINUTE + ONE_MINUTE) == [
        replace(COUNT, count=5, min_value=0.1, max_value=0.5, threshold=0.7, detail="person 9")
    ]


@pytest.mark.parametrize("first_is_empty", [True, False])
def test_missing_numbers_do_not_hide_known_ones(store: DecisionStore, first_is_empty: bool) -> None:
    """A count without values, threshold or detail adds to the count alone, whichever came first."""
    empty = replace(COUNT, min_value=None, max_value=None, threshold=None, detail="")
    store.add([empty if first_is_empty else COUNT])
    store.add([COUNT if first_is_empty else empty])
    assert store.between("gate", MINUTE, MINUTE + ONE_MINUTE) == [replace(COUNT, count=6)]


def test_every_part_of_the_key_keeps_counts_apart(store: DecisionStore) -> None:
    """Another rule, minute, gate, verdict or reason is another row."""
    others = [
        replace(COUNT, rule_id="bag"),
        replace(COUNT, minute=MINUTE + ONE_MINUTE),
        replace(COUNT, gate=Gate.DWELL),
        replace(COUNT, passed=True),
        replace(COUNT, reason="too small"),
    ]
    store.add([COUNT, *others])
    assert len(store.between("gate", MINUTE, MINUTE + 2 * ONE_MINUTE)) == 6


def test_minutes_are_half_open_and_of_one_camera(store: DecisionStore) -> None:
    """The first minute belongs to the span, the last does not, and other cameras never."""
    minutes = [replace(COUNT, minute=MINUTE + n * ONE_MINUTE) for n in range(3)]
    store.add([*minutes, replace(COUNT, camera_id="yard")])
    assert store.between("gate", MINUTE, MINUTE + 2 * ONE_MINUTE) == minutes[:2]


def test_the_chain_reads_in_the_order_of_time_and_gates(store: DecisionStore) -> None:
    """`why` prints what is found as it comes."""
    later = replace(COUNT, minute=MINUTE + ONE_MINUTE, gate=Gate.CAMERA)
    chain = [replace(COUNT, gate=gate) for gate in Gate]
    store.add([later, *reversed(chain)])
    assert store.between("gate", MINUTE, MINUTE + 2 * ONE_MINUTE) == [*chain, later]


def test_a_rule_is_shown_with_what_concerns_the_whole_camera(store: DecisionStore) -> None:
    """With a rule: its own decisions and the camera's, not those of other rules."""
    whole = replace(COUNT, rule_id=NO_RULE, gate=Gate.SAMPLING)
    store.add([COUNT, replace(COUNT, rule_id="bag"), whole])
    assert store.between("gate", MINUTE, MINUTE + ONE_MINUTE, "climb") == [whole, COUNT]


def test_adding_nothing_is_nothing(store: DecisionStore) -> None:
    """An idle second writes no row."""
    store.add([])
    assert store.between("gate", MINUTE, MINUTE + ONE_MINUTE) == []


def test_any_detail_can_be_kept(store: DecisionStore) -> None:
    """Text that no database takes does not stop the ledger."""
    store.add([replace(COUNT, reason="nul \0", detail="half \ud800")])
    (found,) = store.between("gate", MINUTE, MINUTE + ONE_MINUTE)
    assert (found.reason, found.detail) == ("nul ?", "half ?")
