"""`IncidentStore` on a database: incident, change and deliveries in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from pipeline.contracts.alert import Delivery
from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter, IncidentStatus
from pipeline.store.database import Database
from pipeline.store.tables import deliveries as delivery_rows
from pipeline.store.tables import incident_changes, incidents

_STANDING = (IncidentStatus.CONFIRMED, IncidentStatus.UNVERIFIED)


class SqlIncidentStore:
    """Keeps incidents, their changes and the outbox's entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, change: IncidentChange, deliveries: Sequence[Delivery]) -> bool:
        """Store incident, change and deliveries in one transaction; False when the change number is taken."""
        with self._database.writing() as connection:
            if not self._advance(connection, change, is_owed=bool(deliveries)):
                return False
            connection.execute(insert(incident_changes).values(_change_row(change)))
            if deliveries:
                connection.execute(insert(delivery_rows), [delivery.model_dump() for delivery in deliveries])
        return True

    def get(self, incident_id: str) -> Incident | None:
        """The incident now, or None."""
        found = self._incidents(select(incidents.c.body).where(incidents.c.id == incident_id))
        return found[0] if found else None

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        """Newest first."""
        query = select(incidents.c.body).where(*_conditions(wanted)).limit(wanted.limit)
        return self._incidents(query.order_by(incidents.c.opened_at.desc(), incidents.c.id.desc()))

    def changes(self, incident_id: str) -> list[IncidentChange]:
        """Its life, oldest first."""
        query = select(incident_changes.c.body).where(incident_changes.c.incident_id == incident_id)
        with self._database.reading() as connection:
            bodies = connection.scalars(query.order_by(incident_changes.c.sequence)).all()
        return [IncidentChange.model_validate_json(body) for body in bodies]

    def awaiting_verdict(self, limit: int) -> list[Incident]:
        """Incidents that still owe a verdict, oldest first."""
        query = select(incidents.c.body).where(incidents.c.awaits_verdict.is_(True)).limit(limit)
        return self._incidents(query.order_by(incidents.c.opened_at, incidents.c.id))

    def still_open(self) -> list[Incident]:
        """Incidents without `closed_at`, oldest first."""
        query = select(incidents.c.body).where(incidents.c.closed_at.is_(None))
        return self._incidents(query.order_by(incidents.c.opened_at, incidents.c.id))

    def last_alerts(self) -> Mapping[tuple[str, str], datetime]:
        """(camera_id, rule_id) to `opened_at` of the last incident that was told.

        Told: a delivery was owed for it, or a verdict let it stand. One that still waits for its verdict and
        told nobody does not count: were it rejected later, its cooldown would have swallowed a real alert.
        """
        place = incidents.c.camera_id, incidents.c.rule_id
        query = select(*place, func.max(incidents.c.opened_at)).where(incidents.c.is_told.is_(True)).group_by(*place)
        with self._database.reading() as connection:
            return {(camera, rule): opened_at for camera, rule, opened_at in connection.execute(query)}

    def _advance(self, connection: Connection, change: IncidentChange, *, is_owed: bool) -> bool:
        """Write the incident if this change is its next one; its row is where concurrent writers meet."""
        values = _incident_row(change.incident)
        is_told = is_owed or change.incident.status in _STANDING
        if change.sequence == 1:
            new = self._database.insert_or(incidents).values(is_told=is_told, **values).on_conflict_do_nothing()
            return connection.execute(new, execution_options={"preserve_rowcount": True}).rowcount == 1
        if is_told:
            values["is_told"] = True  # Once told, always told: an update never takes it back.
        is_next = (incidents.c.id == change.incident.id) & (incidents.c.last_change == change.sequence - 1)
        return connection.execute(update(incidents).where(is_next).values(**values)).rowcount == 1

    def _incidents(self, query: Select[Any]) -> list[Incident]:
        with self._database.reading() as connection:
            bodies = connection.scalars(query).all()
        return [Incident.model_validate_json(body) for body in bodies]


def _incident_row(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "camera_id": incident.camera_id,
        "rule_id": incident.rule_id,
        "status": incident.status.value,
        "severity": incident.severity.value,
        "awaits_verdict": incident.awaits_verdict,
        "last_change": incident.last_change,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "body": incident.model_dump_json(),
    }


def _change_row(change: IncidentChange) -> dict[str, Any]:
    return {
        "incident_id": change.incident.id,
        "sequence": change.sequence,
        "kind": change.kind.value,
        "at": change.at,
        "body": change.model_dump_json(),
    }


def _conditions(wanted: IncidentFilter) -> list[ColumnElement[bool]]:
    row = incidents.c
    conditions = []
    if wanted.camera_id is not None:
        conditions.append(row.camera_id == wanted.camera_id)
    if wanted.rule_id is not None:
        conditions.append(row.rule_id == wanted.rule_id)
    if wanted.statuses:
        conditions.append(row.status.in_([status.value for status in wanted.statuses]))
    if wanted.opened_from is not None:
        conditions.append(row.opened_at >= wanted.opened_from)
    if wanted.opened_before is not None:
        conditions.append(row.opened_at < wanted.opened_before)
    return conditions
