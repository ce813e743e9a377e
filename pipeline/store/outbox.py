"""`Outbox` on a database: what is owed to whom, when, and in what order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, update

from pipeline.contracts.alert import Delivery, DeliveryState, DueDelivery, Owed
from pipeline.contracts.incident import IncidentChange
from pipeline.store.database import Database
from pipeline.store.lease import FREE, Leases
from pipeline.store.tables import deliveries, incident_changes

_row = deliveries.c
_IS_PENDING = _row.state == DeliveryState.PENDING.value
_IS_DEAD = _row.state == DeliveryState.DEAD.value
_DELIVERY = [_row[name] for name in Delivery.model_fields]
_leases = Leases(deliveries, _IS_PENDING)


def _is_first_in_line() -> ColumnElement[bool]:
    """No earlier change of the same incident is still owed to the same channel."""
    earlier = deliveries.alias("earlier").c
    same_line = (earlier.incident_id == _row.incident_id) & (earlier.channel == _row.channel)
    is_owed_before = (earlier.change_sequence < _row.change_sequence) & (earlier.state == DeliveryState.PENDING.value)
    return ~select(earlier.id).where(same_line & is_owed_before).exists()


class SqlOutbox:
    """The durable side of delivering.

    `mark_delivered`, `mark_failed` and `mark_dead` each count one attempt and free the delivery. A mark for one
    that is already delivered changes nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_due(
        self, owner: str, now: datetime, lease_seconds: float, full_channels: Collection[str] = ()
    ) -> DueDelivery | None:
        """Take the longest due of the deliveries in nobody's hand, leaving out those to `full_channels`."""
        is_wanted = _row.next_attempt_at <= now, _row.channel.not_in(full_channels), _is_first_in_line()
        # In the index's own order, so that the first one is found without sorting a long backlog.
        query = _with_change().where(_leases.is_free(), *is_wanted).order_by(_row.next_attempt_at).limit(1)
        with self._database.writing() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True, of=deliveries)).first()
            if row is None:
                return None
            _leases.take(connection, [row.id], owner, lease_seconds)
        return _due_delivery(row)

    def renew(self, owner: str, delivery_ids: Sequence[str], lease_seconds: float) -> None:
        """Prolong what of these is still in the owner's hand."""
        with self._database.writing() as connection:
            _leases.renew(connection, delivery_ids, owner, lease_seconds)

    def release(self, owner: str) -> None:
        """Free all deliveries in the owner's hand."""
        with self._database.writing() as connection:
            _leases.release(connection, owner)

    def next_due_at(self) -> datetime | None:
        """When the next pending delivery is to be tried, or None."""
        query = select(func.min(_row.next_attempt_at)).where(_IS_PENDING, _is_first_in_line())
        with self._database.reading() as connection:
            found: datetime | None = connection.scalar(query)
        return found

    def mark_delivered(self, delivery_id: str, at: datetime) -> None:
        """A receiver answered 2xx; true even if it was given up meanwhile."""
        is_owed = (_row.id == delivery_id) & (_row.state != DeliveryState.DELIVERED.value)
        self._mark(is_owed, state=DeliveryState.DELIVERED.value, finished_at=at, last_error="")

    def mark_failed(self, delivery_id: str, owner: str, error: str, next_attempt_at: datetime) -> None:
        """One attempt failed; try again then."""
        is_held = (_row.id == delivery_id) & _leases.is_held_by(owner)
        self._mark(is_held, last_error=error, next_attempt_at=next_attempt_at)

    def mark_dead(self, delivery_id: str, owner: str, error: str, at: datetime) -> None:
        """No more attempts; kept for a person."""
        is_held = (_row.id == delivery_id) & _leases.is_held_by(owner)
        self._mark(is_held, state=DeliveryState.DEAD.value, finished_at=at, last_error=error)

    def dead(self, limit: int) -> list[DueDelivery]:
        """Dead deliveries, newest first."""
        query = _with_change().where(_IS_DEAD)
        return self._read(query.order_by(_row.finished_at.desc(), _row.id.desc()).limit(limit))

    def replay(self, delivery_ids: Sequence[str] | None, at: datetime) -> int:
        """Make dead deliveries pending again; attempts and age count afresh, so that they get their full time."""
        is_wanted = _IS_DEAD if delivery_ids is None else _IS_DEAD & _row.id.in_(delivery_ids)
        afresh = {"attempts": 0, "created_at": at, "next_attempt_at": at, "finished_at": None}
        query = update(deliveries).where(is_wanted).values(state=DeliveryState.PENDING.value, **afresh)
        with self._database.writing() as connection:
            return connection.execute(query).rowcount

    def of_incident(self, incident_id: str) -> list[Delivery]:
        """Every delivery of one incident, in the order of its changes and then by channel."""
        query = select(*_DELIVERY).where(_row.incident_id == incident_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(_row.change_sequence, _row.channel)).all()
        return [Delivery.model_validate(row._asdict()) for row in rows]

    def counts(self) -> dict[str, int]:
        """State to number of deliveries; every state is there."""
        query = select(_row.state, func.count()).group_by(_row.state)
        with self._database.reading() as connection:
            found = {state: int(number) for state, number in connection.execute(query)}
        return {state.value: found.get(state.value, 0) for state in DeliveryState}

    def owed(self, now: datetime) -> Owed:
        """How many are due, whoever has them in hand, and since when the oldest is."""
        query = select(func.count(), func.min(_row.next_attempt_at)).where(_IS_PENDING, _row.next_attempt_at <= now)
        with self._database.reading() as connection:
            row = connection.execute(query.where(_is_first_in_line())).one()
        return Owed(*row)

    def _mark(self, which: ColumnElement[bool], **values: Any) -> None:
        query = update(deliveries).where(which).values(attempts=_row.attempts + 1, **FREE, **values)
        with self._database.writing() as connection:
            connection.execute(query)

    def _read(self, query: Select[Any]) -> list[DueDelivery]:
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [_due_delivery(row) for row in rows]


def _with_change() -> Select[Any]:
    """Each delivery's columns, then the body of its change."""
    return select(*_DELIVERY, incident_changes.c.body).join_from(deliveries, incident_changes)


def _due_delivery(row: Row[Any]) -> DueDelivery:
    values = row._asdict()
    change = IncidentChange.model_validate_json(values.pop("body"))
    return DueDelivery(Delivery.model_validate(values), change)
