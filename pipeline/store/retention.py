"""What is too old, cleared away in small steps.

Nothing goes that is still owed: an incident that is open, awaits its verdict, has a delivery to make or news for the
bus stays whole. Several processes may clear one database: what one has deleted the other does not find.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from pipeline.contracts.alert import DeliveryState
from pipeline.contracts.evidence import EvidenceStore, evidence_folder
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStore
from pipeline.contracts.vectors import VectorStore
from pipeline.settings import RetentionSettings
from pipeline.store.database import Database
from pipeline.store.tables import (
    audit_log,
    coverage,
    decisions,
    deliveries,
    forecasts,
    incident_changes,
    incident_links,
    incidents,
)

_INCIDENTS_A_STEP = 20
"""Each may have a folder of evidence in an object store: some hundred milliseconds."""
_ROWS_A_STEP = 5_000


def _is_settled() -> ColumnElement[bool]:
    """Closed, judged, told to every receiver and to the bus."""
    row, owed, news = incidents.c, deliveries.c, incident_changes.c
    is_owed = (owed.incident_id == row.id) & (owed.state == DeliveryState.PENDING.value)
    is_news = (news.incident_id == row.id) & news.relay_at.is_not(None)
    nothing_owed = ~select(owed.id).where(is_owed).exists() & ~select(news.sequence).where(is_news).exists()
    return row.closed_at.is_not(None) & row.awaits_verdict.is_(False) & nothing_owed


_IS_SETTLED = _is_settled()


def _is_over_since(before: datetime) -> ColumnElement[bool]:
    """It ended before then, and was known before then: a recording tells today of what happened years ago."""
    row, first = incidents.c, incident_changes.c
    was_known = (first.incident_id == row.id) & (first.sequence == 1) & (first.at < before)
    return (row.closed_at < before) & select(first.sequence).where(was_known).exists()


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was deleted."""

    incidents: int = 0
    files: int = 0
    decisions: int = 0
    intervals: int = 0
    audit_entries: int = 0
    vectors: int = 0

    def __bool__(self) -> bool:
        """Whether it was anything."""
        return self != Cleared()

    def __add__(self, other: Cleared) -> Cleared:
        """Both together."""
        return Cleared(
            self.incidents + other.incidents,
            self.files + other.files,
            self.decisions + other.decisions,
            self.intervals + other.intervals,
            self.audit_entries + other.audit_entries,
            self.vectors + other.vectors,
        )


class Retention:
    """Deletes what is older than it may be; `step` by step, each short."""

    def __init__(
        self,
        database: Database,
        store: IncidentStore,
        evidence: EvidenceStore,
        settings: RetentionSettings,
        *,
        vectors: VectorStore | None = None,
        vectors_for_seconds: float = 0.0,
    ) -> None:
        """`vectors_for_seconds`: how long what moments looked like is kept; 0 is for ever."""
        self.every_seconds = settings.every
        self._database = database
        self._incidents = store
        self._evidence = evidence
        self._settings = settings
        self._vectors = vectors
        self._vectors_for = timedelta(seconds=vectors_for_seconds)

    def step(self, now: datetime) -> Cleared:
        """Delete a little of each kind; nothing, when there is nothing (more). `TransientError`: try again later."""
        done = Cleared()
        if self._settings.evidence:
            done += self._evidence_before(now - timedelta(seconds=self._settings.evidence), now)
        if self._settings.incidents:
            done += self._incidents_before(now - timedelta(seconds=self._settings.incidents))
        if self._settings.decisions:
            before = now - timedelta(seconds=self._settings.decisions)
            done += Cleared(decisions=self._rows_before(decisions, decisions.c.minute, before))
        if self._settings.coverage:
            before = now - timedelta(seconds=self._settings.coverage)
            done += Cleared(intervals=self._rows_before(coverage, coverage.c.end_at, before))
        if self._settings.audit:
            before = now - timedelta(seconds=self._settings.audit)
            done += Cleared(audit_entries=self._rows_before(audit_log, audit_log.c.at, before))
        if self._vectors is not None and self._vectors_for:  # last: it may be far away, and the rest is not
            done += Cleared(vectors=self._vectors.forget_before(now - self._vectors_for))
        return done

    def clear_strays(self, now: datetime) -> Cleared:
        """Delete evidence past its time whose incident is gone: of a write that came after its deletion, or a crash."""
        if not self._settings.evidence:
            return Cleared()
        before = f"{now - timedelta(seconds=self._settings.evidence, days=1):%Y-%m-%d}"
        num_files = 0
        for camera_id in self._evidence.folders():
            for day in self._evidence.folders(camera_id):
                if day < before:
                    num_files += len(delete_strays(self._database, self._evidence, f"{camera_id}/{day}"))
        return Cleared(files=num_files)

    def _evidence_before(self, before: datetime, now: datetime) -> Cleared:
        row = incidents.c
        done = Cleared()
        for incident in self._settled(row.evidence_gone_at.is_(None) & _is_over_since(before)):
            # Files first: were this process killed now, the next round would find the incident again.
            num_files = len(delete_evidence(self._evidence, incident))
            if not self._without_links(incident, now):
                continue  # it changed meanwhile: next time
            with self._database.writing() as connection:
                connection.execute(update(incidents).where(row.id == incident.id).values(evidence_gone_at=now))
            done += Cleared(files=num_files)
        return done

    def _without_links(self, incident: Incident, now: datetime) -> bool:
        """Store that the incident has no pictures any more; False when another change came first."""
        bare = without_evidence(incident)
        if bare == incident:
            return True
        days = self._settings.evidence / 86_400
        note = f"pictures and clip deleted: they are kept for {days:g} days (retention.evidence)"
        after = bare.model_copy(update={"last_change": incident.last_change + 1, "updated_at": now})
        change = IncidentChange(sequence=after.last_change, kind=ChangeKind.UPDATED, at=now, incident=after, note=note)
        return self._incidents.commit(change, ())

    def _incidents_before(self, before: datetime) -> Cleared:
        is_old = _is_over_since(before)
        found = self._settled(is_old)
        num_files = sum(len(delete_evidence(self._evidence, incident)) for incident in found)
        # Asked again where nobody can change the answer: something may be owed since.
        which = is_old & incidents.c.id.in_([incident.id for incident in found]) & _IS_SETTLED
        with self._database.writing() as connection:
            ids = connection.scalars(select(incidents.c.id).where(which).with_for_update()).all()
            delete_incidents(connection, ids)
        return Cleared(incidents=len(ids), files=num_files)

    def _settled(self, which: ColumnElement[bool]) -> list[Incident]:
        """Some of these that owe nothing to anybody, oldest first."""
        query = select(incidents.c.body).where(which, _IS_SETTLED).order_by(incidents.c.closed_at)
        with self._database.reading() as connection:
            bodies = connection.scalars(query.limit(_INCIDENTS_A_STEP)).all()
        return [Incident.model_validate_json(body) for body in bodies]

    def _rows_before(self, table: Table, moment: ColumnElement[Any], before: datetime) -> int:
        """Delete about so many of the oldest rows."""
        edge = select(moment).where(moment < before).order_by(moment).offset(_ROWS_A_STEP).limit(1)
        with self._database.reading() as connection:
            up_to = connection.scalar(edge)
            is_any = connection.scalar(select(moment).where(moment < before).limit(1)) is not None
        if not is_any:
            return 0
        which = moment < before if up_to is None else moment <= up_to
        with self._database.writing() as connection:
            return connection.execute(delete(table).where(which)).rowcount


def delete_evidence(evidence: EvidenceStore, incident: Incident) -> list[str]:
    """Remove an incident's pictures and clips, also those it no longer names; their names."""
    folder = evidence_folder(incident.candidate)
    removed = evidence.delete_folder(folder)
    named = (incident.snapshot_uri, incident.clip_uri, *(key.uri for key in incident.candidate.key_frames))
    elsewhere = {key for key in named if key and not key.startswith(f"{folder}/")}
    return removed + [key for key in sorted(elsewhere) if evidence.delete(key)]


def delete_incidents(connection: Connection, ids: Sequence[str]) -> tuple[int, int]:
    """Remove incidents with their changes and deliveries; how many changes and deliveries those were."""
    if not ids:
        return 0, 0
    num_deliveries = connection.execute(delete(deliveries).where(deliveries.c.incident_id.in_(ids))).rowcount
    num_changes = connection.execute(delete(incident_changes).where(incident_changes.c.incident_id.in_(ids))).rowcount
    links = incident_links.c
    connection.execute(delete(incident_links).where(links.incident_id.in_(ids) | links.other_id.in_(ids)))
    connection.execute(delete(forecasts).where(forecasts.c.incident_id.in_(ids)))
    connection.execute(delete(incidents).where(incidents.c.id.in_(ids)))
    return num_changes, num_deliveries


def delete_strays(database: Database, evidence: EvidenceStore, day: str) -> list[str]:
    """Remove the evidence in a folder `{camera}/{date}` whose incident is not stored; the names of the files."""
    ids = evidence.folders(day)
    known = _known(database, ids)
    return [
        file
        for incident_id in ids
        if incident_id not in known
        for file in evidence.delete_folder(f"{day}/{incident_id}")
    ]


def without_evidence(incident: Incident) -> Incident:
    """The incident without the keys of its pictures and clip."""
    frames = tuple(key.model_copy(update={"uri": ""}) for key in incident.candidate.key_frames)
    candidate = incident.candidate.model_copy(update={"key_frames": frames})
    return incident.model_copy(update={"candidate": candidate, "snapshot_uri": "", "clip_uri": ""})


def _known(database: Database, ids: Collection[str]) -> set[str]:
    ordered = list(ids)
    known: set[str] = set()
    with database.reading() as connection:
        for first in range(0, len(ordered), 500):
            some = ordered[first : first + 500]
            known.update(connection.scalars(select(incidents.c.id).where(incidents.c.id.in_(some))))
    return known
