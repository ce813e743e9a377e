"""The ledger behind `why`: decisions added up in memory, flushed to a table by minute.

`Ledger` is the sink on the hot path; its host calls `flush` about every second. `SqlDecisionStore` keeps
and finds the sums.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, and_, case, func, or_, select

from pipeline.contracts.decision import NO_RULE, Decision, DecisionCount, Gate
from pipeline.contracts.ledger import DecisionStore
from pipeline.store.database import Database
from pipeline.store.tables import decisions

TOO_FEW = "too few"
"""Reason of a count that must be more than its threshold."""
OTHER_REASON = "other"
"""Stands for reasons that came when the ledger was already full of different ones."""
_MINUTE_SECONDS = 60
_NEAR = 0.8
"""Share of what is needed from which on a measure was a near miss."""
_GIVEN_UP = "given up"
"""Reason of an alert that no receiver took; what only failed is tried again."""
_GATE_ORDER = {gate: position for position, gate in enumerate(Gate)}

_Key = tuple[str, str, int, Gate, bool, str]
"""Camera, rule, minutes since 1970, gate, passed, reason."""


@dataclass(slots=True)
class _Tally:
    """Decisions of one key, added up."""

    count: int = 0
    min_value: float = math.inf
    max_value: float = -math.inf
    threshold: float | None = None
    detail: str = ""

    def add_earlier(self, earlier: _Tally) -> None:
        """Take in a tally of before this one's decisions."""
        self.count += earlier.count
        self.min_value = min(self.min_value, earlier.min_value)
        self.max_value = max(self.max_value, earlier.max_value)
        self.threshold = earlier.threshold if self.threshold is None else self.threshold
        self.detail = self.detail or earlier.detail


class Ledger:
    """A `DecisionSink` that never blocks on the database and never grows without bound."""

    def __init__(self, store: DecisionStore, max_keys: int = 50_000) -> None:
        """`max_keys` (about 300 bytes each) is reached only when the store is away for long.

        From there on new reasons count as `other`, and when as many of those are held, not at all.
        """
        self._store = store
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._tallies: dict[_Key, _Tally] = {}

    def record(self, decision: Decision) -> None:
        """Take note."""
        key = _key(decision)
        value = decision.value
        with self._lock:
            tally = self._tallies.get(key) or self._new_tally(key)
            tally.count += 1
            if value is not None:
                # Comparisons leave out NaN, which no database agrees on.
                if value < tally.min_value:
                    tally.min_value = value
                if value > tally.max_value:
                    tally.max_value = value
            if decision.threshold is not None:
                tally.threshold = decision.threshold
            if decision.detail:
                tally.detail = decision.detail

    def flush(self) -> int:
        """Write what came since the last flush; how many sums that were.

        Raises `TransientError` when the store cannot now; nothing is forgotten, the next flush tries again.
        """
        with self._lock:
            taken, self._tallies = self._tallies, {}
        if not taken:
            return 0
        try:
            self._store.add([_count(key, tally) for key, tally in taken.items()])
        except BaseException:
            self._give_back(taken)
            raise
        return len(taken)

    def _new_tally(self, key: _Key) -> _Tally:
        if len(self._tallies) >= self._max_keys:
            key = (*key[:5], OTHER_REASON)
            if key not in self._tallies and len(self._tallies) >= 2 * self._max_keys:
                return _Tally()
        return self._tallies.setdefault(key, _Tally())

    def _give_back(self, taken: dict[_Key, _Tally]) -> None:
        with self._lock:
            for key, tally in self._tallies.items():
                earlier = taken.pop(key, None)
                if earlier is not None:
                    tally.add_earlier(earlier)
            self._tallies.update(taken)


class SqlDecisionStore:
    """Keeps decision counts by minute."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counts: Sequence[DecisionCount]) -> None:
        """Add to what is stored for the same camera, rule, minute, gate, verdict and reason."""
        if not counts:
            return
        new = self._database.insert_or(decisions)
        given, kept = new.excluded, decisions.c
        sums = {
            "count": kept.count + given.count,
            "min_value": _extreme(given.min_value, kept.min_value, given.min_value < kept.min_value),
            "max_value": _extreme(given.max_value, kept.max_value, given.max_value > kept.max_value),
            "threshold": func.coalesce(given.threshold, kept.threshold),
            "detail": case((given.detail != "", given.detail), else_=kept.detail),
        }
        query = new.on_conflict_do_update(index_elements=list(decisions.primary_key), set_=sums)
        # In the order of the key: two processes that add the same rows never wait for each other crosswise.
        rows = sorted((asdict(count) for count in counts), key=_row_key)
        with self._database.writing() as connection:
            connection.execute(query, rows)

    def between(
        self, camera_id: str, start: datetime, end: datetime, rule_id: str | None = None
    ) -> list[DecisionCount]:
        """Minutes in [start, end), in time order and then in the order of the gates."""
        row = decisions.c
        query = select(decisions).where(row.camera_id == camera_id, row.minute >= start, row.minute < end)
        if rule_id is not None:
            query = query.where(row.rule_id.in_({rule_id, NO_RULE}))
        with self._database.reading() as connection:
            found = [_read(stored) for stored in connection.execute(query)]
        return sorted(found, key=lambda c: (c.minute, _GATE_ORDER[c.gate], c.rule_id, c.passed, c.reason))

    def near_misses(self, camera_ids: Collection[str], start: datetime, end: datetime) -> list[DecisionCount]:
        """See `NearMisses`."""
        row = decisions.c
        query = select(decisions).where(
            row.camera_id.in_(camera_ids), row.minute >= start, row.minute < end, row.passed.is_(False), _is_near()
        )
        with self._database.reading() as connection:
            found = [_read(stored) for stored in connection.execute(query)]
        return sorted(found, key=lambda c: (c.camera_id, c.minute, _GATE_ORDER[c.gate], c.rule_id, c.reason))


def _is_near() -> ColumnElement[bool]:
    """Of a refusal, in SQL."""
    row = decisions.c
    # "More than 2" needs 3: of one person where more than one is needed, the share is a half.
    needed = case((row.reason == TOO_FEW, row.threshold + 1), else_=row.threshold)
    return or_(
        row.gate.in_((Gate.DWELL, Gate.COOLDOWN)),
        and_(row.gate == Gate.SCHEDULE, row.max_value >= row.threshold),
        and_(row.gate.in_((Gate.PREDICATE, Gate.THRESHOLD)), row.max_value >= _NEAR * needed),
        and_(row.gate == Gate.DELIVERY, row.reason == _GIVEN_UP),
    )


def _key(decision: Decision) -> _Key:
    minute = int(decision.at.timestamp()) // _MINUTE_SECONDS
    return decision.camera_id, decision.rule_id, minute, decision.gate, decision.passed, decision.reason


def _count(key: _Key, tally: _Tally) -> DecisionCount:
    camera_id, rule_id, minute, gate, passed, reason = key
    return DecisionCount(
        camera_id=camera_id,
        rule_id=rule_id,
        minute=datetime.fromtimestamp(minute * _MINUTE_SECONDS, UTC),
        gate=gate,
        passed=passed,
        reason=reason,
        count=tally.count,
        min_value=tally.min_value if math.isfinite(tally.min_value) else None,
        max_value=tally.max_value if math.isfinite(tally.max_value) else None,
        threshold=tally.threshold,
        detail=tally.detail,
    )


def _extreme(given: ColumnElement[Any], kept: Column[Any], is_beyond: ColumnElement[bool]) -> ColumnElement[Any]:
    """The more extreme of two values, of which either may be missing."""
    return case((given.is_(None), kept), (kept.is_(None), given), (is_beyond, given), else_=kept)


def _row_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in decisions.primary_key)


def _read(row: Row[Any]) -> DecisionCount:
    values = row._asdict()
    return DecisionCount(**values | {"gate": Gate(values["gate"])})
