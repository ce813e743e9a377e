"""Erase what is kept of a camera in a while: evidence, incidents with their texts, details; and keep a receipt.

An incident that overlaps the range, with the seconds of its clip, is erased whole, also one that is open or owes
something: who asks to erase outranks who waits to be told. Counts without text stay: the ledger's sums, and the
account of when the camera was watched. Files go first and the incidents last, so that an erasure that was cut short
is finished by another one.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update

from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.incident import Incident
from pipeline.contracts.values import Contract, UtcDatetime
from pipeline.contracts.vectors import VectorStore
from pipeline.settings import EvidenceSettings
from pipeline.store.database import Database
from pipeline.store.retention import delete_evidence, delete_incidents, delete_strays
from pipeline.store.tables import coverage, decisions, erasures, forecasts, incidents

_BATCH = 100
_MINUTE = timedelta(minutes=1)


class Erased(Contract):
    """How much of one kind went, and from where."""

    kind: str
    number: int
    place: str


class Remains(Contract):
    """What could not be reached, and when it will be gone by itself."""

    what: str
    until: str


class Receipt(Contract):
    """What one erasure did. Kept; holds nothing of what was erased."""

    id: str
    camera_id: str
    start: UtcDatetime
    end: UtcDatetime
    """[start, end)."""
    erased_at: UtcDatetime
    erased: tuple[Erased, ...]
    remains: tuple[Remains, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased here."""

    num_by_kind: Counter[str]
    """`picture`, `clip`, `incident`, `assessment`, `embedding`, `change`, `delivery`, `detail`, `moment`."""
    incident_ids: tuple[str, ...]
    """For those who keep copies elsewhere."""


class Eraser:
    """Reaches the database, the evidence, and what moments looked like."""

    def __init__(
        self,
        database: Database,
        evidence: EvidenceStore,
        settings: EvidenceSettings,
        vectors: VectorStore | None = None,
    ) -> None:
        """`settings` say how far a clip reaches around its incident."""
        self._database = database
        self._evidence = evidence
        self._vectors = vectors
        self._before = timedelta(seconds=settings.before)
        self._after = timedelta(seconds=settings.after)

    def overlapping(self, camera_id: str, start: datetime, end: datetime) -> Iterator[Incident]:
        """The camera's incidents with anything of [start, end): what happened, or seconds of the clip."""
        row = incidents.c
        is_later = or_(row.closed_at.is_(None), row.closed_at >= start - self._after)
        last = ""
        while True:
            query = select(row.id, row.body).where(row.camera_id == camera_id, is_later, row.id > last)
            with self._database.reading() as connection:
                found = connection.execute(query.order_by(row.id).limit(_BATCH)).all()
            for stored in found:
                incident = Incident.model_validate_json(stored.body)
                if _first_moment(incident) - self._before < end:
                    yield incident
            if len(found) < _BATCH:
                return
            last = found[-1].id

    def erase(self, camera_id: str, start: datetime, end: datetime) -> Erasure:
        """Erase it; `TransientError` half-way leaves a state in which to erase again finishes."""
        counts: Counter[str] = Counter()
        ids: list[str] = []
        for some in _batched(self.overlapping(camera_id, start, end), _BATCH):
            for incident in some:
                counts.update(_kind(name) for name in delete_evidence(self._evidence, incident))
                counts["assessment"] += incident.assessment is not None
                counts["embedding"] += bool(incident.candidate.embedding) + bool(incident.candidate.appearance)
            ids += [incident.id for incident in some]
            counts["moment"] += self._forget_looks(camera_id, start, end, [incident.id for incident in some])
            with self._database.writing() as connection:
                num_changes, num_deliveries = delete_incidents(connection, [incident.id for incident in some])
            counts.update({"incident": len(some), "change": num_changes, "delivery": num_deliveries})
        for day in _days(start, end):
            counts.update(_kind(name) for name in delete_strays(self._database, self._evidence, f"{camera_id}/{day}"))
        counts["moment"] += self._forget_looks(camera_id, start, end)
        counts["detail"] += self._forget_details(camera_id, start, end)
        self._database.fold_log()
        return Erasure(counts, tuple(ids))

    def keep(self, receipt: Receipt) -> None:
        """Keep the receipt."""
        row = {"id": receipt.id, "camera_id": receipt.camera_id, "erased_at": receipt.erased_at}
        with self._database.writing() as connection:
            connection.execute(insert(erasures).values(body=receipt.model_dump_json(), **row))

    def receipts(self) -> list[Receipt]:
        """All that are kept, newest first."""
        with self._database.reading() as connection:
            bodies = connection.scalars(select(erasures.c.body).order_by(erasures.c.erased_at.desc())).all()
        return [Receipt.model_validate_json(body) for body in bodies]

    def _forget_looks(self, camera_id: str, start: datetime, end: datetime, incident_ids: Sequence[str] = ()) -> int:
        """Before the incidents go: afterwards nobody knows the ids of those whose peak is outside the range."""
        return self._vectors.erase(camera_id, start, end, incident_ids) if self._vectors is not None else 0

    def _forget_details(self, camera_id: str, start: datetime, end: datetime) -> int:
        """Free texts of the ledger's minutes and of the coverage in the range."""
        of_minutes = update(decisions).where(
            decisions.c.camera_id == camera_id,
            decisions.c.minute > start - _MINUTE,
            decisions.c.minute < end,
            decisions.c.detail != "",
        )
        of_coverage = update(coverage).where(
            coverage.c.camera_id == camera_id,
            coverage.c.end_at > start,
            coverage.c.start_at < end,
            coverage.c.detail != "",
        )
        of_forecasts = delete(forecasts).where(
            forecasts.c.camera_id == camera_id, forecasts.c.made_at >= start, forecasts.c.made_at < end
        )
        with self._database.writing() as connection:
            connection.execute(of_forecasts)
            return sum(connection.execute(query.values(detail="")).rowcount for query in (of_minutes, of_coverage))


def new_receipt_id() -> str:
    """Not to be guessed, and nobody else's."""
    return secrets.token_hex(8)


def _first_moment(incident: Incident) -> datetime:
    """The first thing that an incident shows or tells of."""
    candidate = incident.candidate
    facts = (fact.at for fact in (*candidate.facts, *candidate.track_notes))
    frames = (frame.captured_at for frame in candidate.key_frames)
    return min((candidate.started_at, candidate.opened_at, *facts, *frames))


def _kind(file: str) -> str:
    return "clip" if file.endswith(".mp4") else "picture"


def _days(start: datetime, end: datetime) -> list[str]:
    """The UTC days of [start, end), and the one before: incidents are filed under the day on which they began."""
    first, last = start.astimezone(UTC).date() - timedelta(days=1), end.astimezone(UTC).date()
    return [f"{first + timedelta(days=n):%Y-%m-%d}" for n in range((last - first).days + 1)]


def _batched(found: Iterable[Incident], number: int) -> Iterator[list[Incident]]:
    batch: list[Incident] = []
    for incident in found:
        batch.append(incident)
        if len(batch) == number:
            yield batch
            batch = []
    if batch:
        yield batch
