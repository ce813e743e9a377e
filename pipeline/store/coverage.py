"""`CoverageStore` on a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from pipeline.contracts.coverage import Interval, Layer
from pipeline.store.database import Database
from pipeline.store.tables import coverage

_MAX_ROWS = 1_000
"""In one transaction: a backlog after an outage does not keep other writers waiting."""


class SqlCoverageStore:
    """Keeps intervals; one that ends where it starts takes back what was stored under its key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def extend(self, intervals: Sequence[Interval]) -> None:
        """Store; one with the camera, layer, rule, reason and start of a stored one replaces its end and detail."""
        # By key, the last one wins: PostgreSQL refuses to touch a row twice in one statement, and in the order of
        # the keys two processes never wait for each other crosswise.
        rows = {_key(interval): _row(interval) for interval in intervals}
        ordered = [rows[key] for key in sorted(rows)]
        new = self._database.insert_or(coverage)
        replaced = {"end_at": new.excluded.end_at, "detail": new.excluded.detail}
        query = new.on_conflict_do_update(index_elements=list(coverage.primary_key), set_=replaced)
        for first in range(0, len(ordered), _MAX_ROWS):
            with self._database.writing() as connection:
                connection.execute(query, ordered[first : first + _MAX_ROWS])

    def between(self, camera_ids: Collection[str] | None, start: datetime, end: datetime) -> list[Interval]:
        """Those that reach into [start, end), by camera and then by start."""
        row = coverage.c
        query = select(coverage).where(row.end_at > start, row.start_at < end, row.end_at > row.start_at)
        if camera_ids is not None:
            query = query.where(row.camera_id.in_(camera_ids))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(row.camera_id, row.start_at)).all()
        return [_read(stored) for stored in found]

    def known_since(self, camera_ids: Collection[str] | None = None) -> Mapping[tuple[str, Layer], datetime]:
        """(camera, layer) to the start of the first interval that is kept of them."""
        row = coverage.c
        query = select(row.camera_id, row.layer, func.min(row.start_at)).group_by(row.camera_id, row.layer)
        if camera_ids is not None:
            query = query.where(row.camera_id.in_(camera_ids))
        with self._database.reading() as connection:
            return {(camera, Layer(layer)): since for camera, layer, since in connection.execute(query)}


def _key(interval: Interval) -> tuple[Any, ...]:
    return interval.camera_id, interval.layer.value, interval.rule_id, interval.reason, interval.start


def _row(interval: Interval) -> dict[str, Any]:
    return {
        "camera_id": interval.camera_id,
        "layer": interval.layer.value,
        "rule_id": interval.rule_id,
        "reason": interval.reason,
        "start_at": interval.start,
        "end_at": interval.end,
        "detail": interval.detail,
    }


def _read(row: Row[Any]) -> Interval:
    return Interval(
        camera_id=row.camera_id,
        layer=Layer(row.layer),
        start=row.start_at,
        end=row.end_at,
        reason=row.reason,
        detail=row.detail,
        rule_id=row.rule_id,
    )
