"""`ForecastStore` on a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from pipeline.contracts.forecast import ForecastFilter, ForecastSource, KeptForecast, Outcome
from pipeline.store.database import Database
from pipeline.store.tables import forecasts as forecast_rows

_MAX_ROWS = 500
"""In one transaction: a backlog after an outage does not keep other writers waiting."""


class SqlForecastStore:
    """Keeps one row a forecast."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, forecasts: Iterable[KeptForecast]) -> None:
        """Keep these; an outcome replaces none, and none never replaces an outcome."""
        # By id, what was looked up last: PostgreSQL refuses to touch a row twice in one statement, and in the order of
        # the ids two processes never wait for each other crosswise.
        ordered = sorted(forecasts, key=lambda one: one.outcome is not None)
        rows = {one.id: _row(one) for one in ordered}
        row, new = forecast_rows.c, self._database.insert_or(forecast_rows)
        found = {name: func.coalesce(new.excluded[name], row[name]) for name in ("outcome", "checked_at")}
        query = new.on_conflict_do_update(
            index_elements=[row.id],
            set_=found | {"reason": new.excluded.reason},
            where=new.excluded.outcome.is_not(None),
        )
        ids = sorted(rows)
        for first in range(0, len(ids), _MAX_ROWS):
            with self._database.writing() as connection:
                connection.execute(query, [rows[each] for each in ids[first : first + _MAX_ROWS]])

    def find(self, wanted: ForecastFilter) -> list[KeptForecast]:
        """Newest first."""
        row = forecast_rows.c
        query = select(forecast_rows).where(*_conditions(wanted)).limit(wanted.limit)
        query = query.order_by(row.made_at.desc(), row.incident_id, row.what, row.within_seconds, row.id)
        with self._database.reading() as connection:
            return [_read(stored) for stored in connection.execute(query).all()]


def _conditions(wanted: ForecastFilter) -> list[ColumnElement[bool]]:
    row = forecast_rows.c
    equal = {
        row.incident_id: wanted.incident_id,
        row.camera_id: wanted.camera_id,
        row.rule_id: wanted.rule_id,
        row.source: wanted.source.value if wanted.source is not None else None,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.made_from is not None:
        conditions.append(row.made_at >= wanted.made_from)
    if wanted.is_checked is not None:
        conditions.append(row.outcome.is_not(None) if wanted.is_checked else row.outcome.is_(None))
    return conditions


def _row(one: KeptForecast) -> dict[str, Any]:
    return {
        "id": one.id,
        "incident_id": one.incident_id,
        "camera_id": one.camera_id,
        "rule_id": one.rule_id,
        "source": one.source.value,
        "kind": one.kind,
        "target": one.target,
        "track_id": one.track_id,
        "what": one.what,
        "within_seconds": one.within_seconds,
        "probability": one.probability,
        "made_at": one.made_at,
        "outcome": one.outcome.value if one.outcome is not None else None,
        "reason": one.reason,
        "checked_at": one.checked_at,
        "kept_at": one.kept_at or one.made_at,
    }


def _read(row: Row[Any]) -> KeptForecast:
    return KeptForecast(
        incident_id=row.incident_id,
        camera_id=row.camera_id,
        rule_id=row.rule_id,
        source=ForecastSource(row.source),
        kind=row.kind,
        target=row.target,
        track_id=row.track_id,
        what=row.what,
        within_seconds=row.within_seconds,
        probability=row.probability,
        made_at=row.made_at,
        outcome=Outcome(row.outcome) if row.outcome is not None else None,
        reason=row.reason,
        checked_at=row.checked_at,
        kept_at=row.kept_at,
    )
