"""What rules all but told, found among everything that the gates counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.store.database import Database
from pipeline.store.ledger import SqlDecisionStore

MINUTE = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def refused(
    gate: Gate, reason: str = "no", measured: float | None = None, needed: float | None = None, **given: Any
) -> DecisionCount:
    values: dict[str, Any] = {"rule_id": "climb", "camera_id": "gate", "minute": MINUTE, "passed": False}
    return DecisionCount(
        **values | given,
        gate=gate,
        reason=reason,
        count=1,
        min_value=measured,
        max_value=measured,
        threshold=needed,
        detail="",
    )


NEAR = {
    "short": refused(Gate.DWELL, "dwell", 0.1, 2.0),
    "told just before": refused(Gate.COOLDOWN, "cooldown", 3.0, 60.0),
    "met off hours": refused(Gate.SCHEDULE, "out of schedule", 1.2, 1.0),
    "four fifths of the stay": refused(Gate.PREDICATE, "not long enough", 36.0, 45.0),
    "four fifths of the score": refused(Gate.THRESHOLD, "below threshold", 0.48, 0.6),
    "nine of more than nine": refused(Gate.PREDICATE, "too few", 9.0, 9.0),
    "given up": refused(Gate.DELIVERY, "given up"),
}
FAR = {
    "off hours, and not met": refused(Gate.SCHEDULE, "out of schedule", 0.9, 1.0),
    "switched off": refused(Gate.SCHEDULE, "rule disabled"),
    "a short stay": refused(Gate.PREDICATE, "not long enough", 35.0, 45.0),
    "one of more than one": refused(Gate.PREDICATE, "too few", 1.0, 1.0),
    "nothing entered": refused(Gate.PREDICATE, "nothing entered", 0.0, 1.0),
    "a receiver that is tried again": refused(Gate.DELIVERY, "receiver failed"),
    "nothing moved": refused(Gate.SAMPLING, "no motion", 0.1, 0.1, rule_id=NO_RULE),
    "still met": refused(Gate.PREDICATE, "still met", 50.0, 45.0, passed=True),
    "another camera": refused(Gate.DWELL, camera_id="yard"),
    "before": refused(Gate.DWELL, minute=MINUTE - timedelta(minutes=1)),
    "after": refused(Gate.DWELL, minute=MINUTE + HOUR),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_came_close_is_found(database: Database, name: str) -> None:
    """Met and held up, nearly met, or told to nobody."""
    store = SqlDecisionStore(database)
    store.add([NEAR[name]])
    assert store.near_misses(["gate", "dock"], MINUTE, MINUTE + HOUR) == [NEAR[name]]


def test_what_did_not_is_left_out(database: Database) -> None:
    """Nothing there, far from it, passed, of another camera or another time."""
    store = SqlDecisionStore(database)
    store.add(list(FAR.values()))
    assert store.near_misses(["gate", "dock"], MINUTE, MINUTE + HOUR) == []


def test_they_come_by_camera_and_then_by_time(database: Database) -> None:
    """However they were kept."""
    first, second, third = (
        refused(Gate.DWELL),
        refused(Gate.DWELL, minute=MINUTE + timedelta(minutes=1)),
        refused(Gate.DWELL, camera_id="yard"),
    )
    store = SqlDecisionStore(database)
    store.add([third, second, first])
    assert store.near_misses({"gate", "yard"}, MINUTE, MINUTE + HOUR) == [first, second, third]
    assert store.near_misses([], MINUTE, MINUTE + HOUR) == []
