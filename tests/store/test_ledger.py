"""The ledger in memory: sums, bounds, and a store that fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.decision import Decision, DecisionCount, Gate
from pipeline.errors import TransientError
from pipeline.store.database import Database
from pipeline.store.ledger import OTHER_REASON, Ledger, SqlDecisionStore

AT = datetime(2026, 3, 1, 22, 5, 30, tzinfo=UTC)
MINUTE = AT.replace(second=0)


class ShelfStore:
    """Keeps what it is given; fails as long as `is_down`."""

    def __init__(self) -> None:
        self.counts: list[DecisionCount] = []
        self.is_down = False

    def add(self, counts: Sequence[DecisionCount]) -> None:
        if self.is_down:
            raise TransientError("down")
        self.counts += counts

    def between(
        self, camera_id: str, start: datetime, end: datetime, rule_id: str | None = None
    ) -> list[DecisionCount]:
        return self.counts


def decision(value: float | None = None, reason: str = "below threshold", at: datetime = AT, **more: str) -> Decision:
    return Decision("gate", Gate.THRESHOLD, False, reason, at, "climb", value, None if value is None else 0.6, **more)


def test_decisions_of_a_minute_become_one_count() -> None:
    """Count, extremes, threshold and the last detail of a minute."""
    store = ShelfStore()
    ledger = Ledger(store)
    for second, (value, detail) in enumerate([(0.3, "a"), (0.1, "b"), (0.5, ""), (None, "")]):
        ledger.record(decision(value, at=MINUTE + timedelta(seconds=second * 19), detail=detail))
    assert ledger.flush() == 1
    expected = DecisionCount("gate", "climb", MINUTE, Gate.THRESHOLD, False, "below threshold", 4, 0.1, 0.5, 0.6, "b")
    assert store.counts == [expected]


def test_a_flush_forgets_what_it_wrote() -> None:
    """The next flush writes only what came since."""
    store = ShelfStore()
    ledger = Ledger(store)
    ledger.record(decision())
    assert (ledger.flush(), ledger.flush(), len(store.counts)) == (1, 0, 1)


def test_a_failing_store_loses_no_count() -> None:
    """What could not be written is added to what came meanwhile, and written later."""
    store = ShelfStore()
    ledger = Ledger(store)
    ledger.record(decision(0.2, detail="old"))
    ledger.record(decision(reason="no text"))
    store.is_down = True
    with pytest.raises(TransientError):
        ledger.flush()
    ledger.record(decision(0.4, detail="new"))
    store.is_down = False
    assert ledger.flush() == 2
    counts = {count.reason: count for count in store.counts}
    assert counts["no text"].count == 1
    merged = counts["below threshold"]
    assert (merged.count, merged.min_value, merged.max_value, merged.detail) == (2, 0.2, 0.4, "new")


def test_too_many_different_reasons_count_as_other() -> None:
    """A reason that varies without end cannot fill the memory; nothing goes uncounted."""
    store = ShelfStore()
    ledger = Ledger(store, max_keys=10)
    for number in range(100):
        ledger.record(decision(reason=f"reason {number}"))
    assert ledger.flush() == 11
    counts = {count.reason: count.count for count in store.counts}
    assert counts[OTHER_REASON] == 90
    assert sum(counts.values()) == 100


def test_memory_is_bounded_even_when_minutes_pass_without_a_flush() -> None:
    """A store that is away for days costs a fixed amount of memory."""
    store = ShelfStore()
    ledger = Ledger(store, max_keys=10)
    for number in range(1000):
        ledger.record(decision(at=AT + timedelta(minutes=number)))
    assert ledger.flush() == 20


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_counted_without_it(value: float) -> None:
    """A score that went wrong neither hides the others nor reaches the database."""
    store = ShelfStore()
    ledger = Ledger(store)
    ledger.record(decision(value))
    ledger.flush()
    assert (store.counts[0].count, store.counts[0].min_value is None or store.counts[0].max_value is None) == (1, True)
    assert all(v is None or math.isfinite(v) for v in (store.counts[0].min_value, store.counts[0].max_value))


def test_threads_lose_no_decision(sqlite_database: Database) -> None:
    """Eight threads record while others flush: the sum in the database is exact."""
    store = SqlDecisionStore(sqlite_database)
    ledger = Ledger(store)

    def work(thread: int) -> None:
        for number in range(500):
            ledger.record(decision(number / 500))
            if number % 100 == thread:
                ledger.flush()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    ledger.flush()
    (count,) = store.between("gate", MINUTE, MINUTE + timedelta(minutes=1))
    assert (count.count, count.min_value, count.max_value) == (4000, 0.0, 499 / 500)
