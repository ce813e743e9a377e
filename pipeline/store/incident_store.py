"""`IncidentStore` on a database: incident, change and deliveries in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, insert, select, tuple_, update

from pipeline.contracts.alert import Delivery, Owed
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import (
    Incident,
    IncidentChange,
    IncidentFilter,
    IncidentStatus,
    Link,
    VerdictQueue,
    WaitingVerdict,
)
from pipeline.store.database import Database
from pipeline.store.lease import Leases, database_now, seconds_from_now
from pipeline.store.tables import deliveries as delivery_rows
from pipeline.store.tables import incident_changes, incident_links, incidents
from pipeline.tracing import OFF, Tracing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STANDING = (IncidentStatus.CONFIRMED, IncidentStatus.UNVERIFIED)
_awaits_verdict = incidents.c.awaits_verdict.is_(True)
_verdicts = Leases(incidents, _awaits_verdict)


class SqlIncidentStore:
    """Keeps incidents, their changes and the outbox's entries."""

    def __init__(self, database: Database, *, has_bus: bool = False, tracing: Tracing = OFF) -> None:
        """`has_bus`: each change stored is news to be relayed; without a bus nobody would ever ask for it."""
        self._database = database
        self._relay_at = _EPOCH if has_bus else None
        self._tracing = tracing

    def commit(self, change: IncidentChange, deliveries: Sequence[Delivery]) -> bool:
        """Store incident, change and deliveries in one transaction; False when the change number is taken."""
        began_at = self._tracing.now()
        with self._database.writing() as connection:
            if not self._advance(connection, change, is_owed=bool(deliveries)):
                return False
            connection.execute(insert(incident_changes).values(relay_at=self._relay_at, **_change_row(change)))
            if deliveries:
                connection.execute(insert(delivery_rows), [delivery.model_dump() for delivery in deliveries])
        self._tracing.stored(change, began_at)
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

    def link(self, links: Sequence[Link]) -> None:
        """Keep these; known pairs, and those of an incident that is gone, are left out."""
        with self._database.writing() as connection:
            for link in links:
                first, second = sorted((link.incident_id, link.other_id))
                kept = connection.scalars(select(incidents.c.id).where(incidents.c.id.in_((first, second)))).all()
                if len(kept) == 2:
                    new = self._database.insert_or(incident_links).values(
                        incident_id=first,
                        other_id=second,
                        seconds_apart=link.seconds_apart,
                        similarity=link.similarity,
                    )
                    connection.execute(new.on_conflict_do_nothing())
        self._tracing.linked(links)

    def links_of(self, incident_id: str) -> list[Link]:
        """Those that name it, seen from it: the most alike first, then the closest; of unknown likeness last."""
        row = incident_links.c
        query = select(incident_links).where((row.incident_id == incident_id) | (row.other_id == incident_id))
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        links = [
            Link(
                incident_id,
                link.other_id if link.incident_id == incident_id else link.incident_id,
                link.seconds_apart,
                link.similarity,
            )
            for link in found
        ]
        return sorted(
            links,
            key=lambda link: (link.similarity is None, -(link.similarity or 0.0), link.seconds_apart, link.other_id),
        )

    def claim_verdicts(self, owner: str, lease_seconds: float, limit: int) -> list[Incident]:
        """Take incidents that owe a verdict and are in nobody's hand, by priority and then by age."""
        query = select(incidents.c.id, incidents.c.body).where(_verdicts.is_free()).limit(limit)
        query = query.order_by(incidents.c.priority.desc(), incidents.c.opened_at, incidents.c.id).with_for_update(
            skip_locked=True
        )
        with self._database.writing() as connection:
            found = connection.execute(query).all()
            if found:
                _verdicts.take(connection, [row.id for row in found], owner, lease_seconds)
        return [Incident.model_validate_json(row.body) for row in found]

    def verdict_queue(self, per_camera: int, limit: int) -> VerdictQueue:
        """Who waits: of each camera the first by priority and by age."""
        ranked = _ranked_by_camera().subquery()
        row = ranked.c
        rank = case((row.by_priority < row.by_age, row.by_priority), else_=row.by_age)
        is_first = (incident_changes.c.incident_id == row.id) & (incident_changes.c.sequence == 1)
        query = select(row.id, row.camera_id, row.priority, row.number, incident_changes.c.at).select_from(ranked)
        query = query.join(incident_changes, is_first).where(rank <= per_camera)
        query = query.order_by(rank, row.priority.desc(), row.id).limit(limit)
        held = select(func.count()).where(_awaits_verdict, incidents.c.leased_until > database_now())
        with self._database.reading() as connection:
            found = connection.execute(query).all()
            in_hand = connection.execute(held).scalar_one()
        heads = tuple(WaitingVerdict(one.id, one.camera_id, one.priority, one.at) for one in found)
        return VerdictQueue(heads, found[0].number if found else 0, in_hand)

    def take_verdicts(self, owner: str, lease_seconds: float, incident_ids: Sequence[str]) -> list[Incident]:
        """Take what of these is still free."""
        query = select(incidents.c.id, incidents.c.body).where(incidents.c.id.in_(incident_ids), _verdicts.is_free())
        with self._database.writing() as connection:
            found = connection.execute(query.with_for_update(skip_locked=True)).all()
            if found:
                _verdicts.take(connection, [row.id for row in found], owner, lease_seconds)
        taken = {row.id: Incident.model_validate_json(row.body) for row in found}
        return [taken[incident_id] for incident_id in incident_ids if incident_id in taken]

    def renew_verdicts(self, owner: str, incident_ids: Sequence[str], lease_seconds: float) -> None:
        """Prolong what of these is still in the owner's hand."""
        with self._database.writing() as connection:
            _verdicts.renew(connection, incident_ids, owner, lease_seconds)

    def release_verdicts(self, owner: str) -> None:
        """Free all verdicts in the owner's hand."""
        with self._database.writing() as connection:
            _verdicts.release(connection, owner)

    def verdicts_owed(self) -> Owed:
        """How many, whoever has them in hand, and since when the oldest is."""
        is_first = (incident_changes.c.incident_id == incidents.c.id) & (incident_changes.c.sequence == 1)
        query = select(func.count(), func.min(incident_changes.c.at)).select_from(incidents)
        with self._database.reading() as connection:
            row = connection.execute(query.join(incident_changes, is_first).where(_awaits_verdict)).one()
        return Owed(*row)

    def claim_news(self, lease_seconds: float, limit: int) -> list[IncidentChange]:
        """Take changes that were not relayed yet, oldest first, of each incident the first such one."""
        row, earlier = incident_changes.c, incident_changes.alias("earlier").c
        is_later = earlier.relay_at.is_not(None) & (earlier.sequence < row.sequence)
        has_earlier = select(earlier.sequence).where(earlier.incident_id == row.incident_id, is_later).exists()
        query = select(row.incident_id, row.sequence, row.body).where(row.relay_at <= database_now(), ~has_earlier)
        query = query.order_by(row.relay_at, row.at).limit(limit).with_for_update(skip_locked=True)
        with self._database.writing() as connection:
            found = connection.execute(query).all()
            keys = [(taken.incident_id, taken.sequence) for taken in found]
            _set_relay_at(connection, keys, seconds_from_now(lease_seconds))
        return [IncidentChange.model_validate_json(taken.body) for taken in found]

    def renew_news(self, changes: Sequence[IncidentChange], lease_seconds: float) -> None:
        """Their time begins anew."""
        with self._database.writing() as connection:
            _set_relay_at(connection, _keys(changes), seconds_from_now(lease_seconds))

    def mark_relayed(self, changes: Sequence[IncidentChange]) -> None:
        """The bus has these."""
        with self._database.writing() as connection:
            _set_relay_at(connection, _keys(changes), None)

    def still_open(self) -> list[Incident]:
        """Incidents without `closed_at`, oldest first."""
        query = select(incidents.c.body).where(incidents.c.closed_at.is_(None))
        return self._incidents(query.order_by(incidents.c.opened_at, incidents.c.id))

    def last_told(self, since: datetime) -> list[Incident]:
        """The last incident that was told of each camera and rule, if it opened at or after `since`."""
        row = incidents.c
        place = row.camera_id, row.rule_id
        last = select(*place, func.max(row.opened_at)).where(row.is_told.is_(True), row.opened_at >= since)
        is_last = tuple_(*place, row.opened_at).in_(last.group_by(*place))
        return self._incidents(select(row.body).where(row.is_told.is_(True), is_last).order_by(row.opened_at, row.id))

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


def _keys(changes: Sequence[IncidentChange]) -> list[tuple[str, int]]:
    return [(change.incident.id, change.sequence) for change in changes]


def _set_relay_at(connection: Connection, keys: Sequence[tuple[str, int]], value: ColumnElement[int] | None) -> None:
    """Of changes that are not relayed yet."""
    row = incident_changes.c
    if keys:
        is_news = tuple_(row.incident_id, row.sequence).in_(keys) & row.relay_at.is_not(None)
        connection.execute(update(incident_changes).where(is_news).values(relay_at=value))


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
        "updated_at": incident.updated_at,
        "is_reviewed": incident.review is not None,
        "priority": _priority(incident),
        "body": incident.model_dump_json(),
    }


def _priority(incident: Incident) -> float:
    """Severity counts in whole steps; between them how unusual it is, then how uncertain."""
    candidate = incident.candidate
    return incident.severity.rank + (candidate.novelty or 0.0) / 2 + _uncertainty(candidate) / 4


def _uncertainty(candidate: Candidate) -> float:
    """1 at the threshold, where a verdict is worth most, 0 at the best score; half of what only holds or does not."""
    room = 1.0 - candidate.threshold
    return min(max((1.0 - candidate.peak_score) / room, 0.0), 1.0) if room > 0 else 0.5


def _ranked_by_camera() -> Select[Any, Any, Any, int, Any, Any]:
    """What is owed and free, each with its places on its camera and the number of all."""
    row = incidents.c
    return select(
        row.id,
        row.camera_id,
        row.priority,
        func.count().over().label("number"),
        func.row_number()
        .over(partition_by=row.camera_id, order_by=(row.priority.desc(), row.opened_at, row.id))
        .label("by_priority"),
        func.row_number().over(partition_by=row.camera_id, order_by=(row.opened_at, row.id)).label("by_age"),
    ).where(_verdicts.is_free())


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
    if wanted.severities:
        conditions.append(row.severity.in_([severity.value for severity in wanted.severities]))
    if wanted.opened_from is not None:
        conditions.append(row.opened_at >= wanted.opened_from)
    if wanted.opened_before is not None:
        conditions.append(row.opened_at < wanted.opened_before)
    if wanted.is_reviewed is not None:
        conditions.append(row.is_reviewed.is_(wanted.is_reviewed))
    if wanted.changed_from is not None:
        conditions.append(row.updated_at >= wanted.changed_from)
        if wanted.is_reviewed is None:
            conditions.append(row.is_reviewed.in_((False, True)))  # the index by change begins with it
    if wanted.camera_ids is not None:
        conditions.append(row.camera_id.in_(wanted.camera_ids))
    if wanted.before is not None:
        opened_at, incident_id = wanted.before
        conditions.append(row.opened_at <= opened_at)  # the index is by time alone
        conditions.append((row.opened_at < opened_at) | (row.id < incident_id))
    return conditions
