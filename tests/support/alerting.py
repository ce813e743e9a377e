"""Builders for alerting: channels, incidents' changes, and an outbox in memory."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.contracts.alert import Channel, Delivery, DeliveryState, DueDelivery, Owed
from pipeline.contracts.assessment import Assessment, Element, Relation, Report, Verdict
from pipeline.contracts.candidate import Candidate, CandidateState, Fact, KeyFrame
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.contracts.values import Severity
from pipeline.errors import TransientError

OPENED_AT = datetime(2026, 1, 1, 21, 14, 3, tzinfo=UTC)
"""22:14:03 in Berlin."""
_VERDICTS = {"confirmed": Verdict.CONFIRMED, "rejected": Verdict.REJECTED, "unverified": Verdict.UNVERIFIED}


def make_channel(webhook: str = "https://example.org/hook", **fields: Any) -> Channel:
    return Channel.model_validate({"name": "guards", "webhook": webhook} | fields)


def make_candidate(**fields: Any) -> Candidate:
    fact = Fact(
        kind="crosses", text="person 7 crossed fence", at=OPENED_AT, value=1.5, threshold=1.0, unit="s", track_id=7
    )
    frames = tuple(
        KeyFrame(sequence=n, captured_at=OPENED_AT + timedelta(seconds=n), role="peak", score=0.9, uri=f"frame-{n}.jpg")
        for n in (2, 1)
    )
    known: dict[str, Any] = {
        "id": "incident1",
        "camera_id": "gate-north",
        "rule_id": "climb-fence",
        "rule_version": "v1",
        "state": CandidateState.OPENED,
        "severity": Severity.HIGH,
        "started_at": OPENED_AT - timedelta(seconds=2),
        "opened_at": OPENED_AT,
        "score": 0.8,
        "peak_score": 0.9,
        "threshold": 0.6,
        "facts": (fact,),
        "key_frames": frames,
        "models": {"detector": "motion"},
    }
    return Candidate.model_validate(known | fields)


def make_report(**fields: Any) -> Report:
    known: dict[str, Any] = {
        "title": "a person climbs the fence",
        "explanation": "A person puts both hands on the fence and swings a leg over it.",
        "frames": (1, 2),
        "elements": (Element(name="person", frame=1, box=(0.1, 0.2, 0.3, 0.4)),),
        "relations": (Relation(subject="person", relation="on", object="fence", frame=2),),
        "forecast": "They enter the yard.",
        "advice": "Send a guard.",
    }
    return Report.model_validate(known | fields)


def make_assessment(verdict: Verdict, **fields: Any) -> Assessment:
    known: dict[str, Any] = {
        "candidate_id": "incident1",
        "verdict": verdict,
        "probability": 0.93,
        "reason": "the model saw a cat",
        "report": make_report() if verdict is Verdict.CONFIRMED else None,
        "model_id": "qwen",
        "prompt_version": "p1",
        "started_at": OPENED_AT,
        "finished_at": OPENED_AT + timedelta(seconds=3),
    }
    return Assessment.model_validate(known | fields)


def make_change(kind: str = "confirmed", *, sequence: int = 1, note: str = "", **fields: Any) -> IncidentChange:
    """A change of kind `kind`; the incident's status follows from it unless given."""
    is_verdict = kind in _VERDICTS
    known: dict[str, Any] = {
        "id": "incident1",
        "camera_id": "gate-north",
        "rule_id": "climb-fence",
        "status": kind if is_verdict else IncidentStatus.PROVISIONAL,
        "severity": Severity.HIGH,
        "awaits_verdict": kind == "provisional",
        "last_change": sequence,
        "opened_at": OPENED_AT,
        "updated_at": OPENED_AT,
        "candidate": make_candidate(),
        "assessment": make_assessment(_VERDICTS[kind]) if is_verdict else None,
        "snapshot_uri": "snapshot.jpg",
    }
    incident = Incident.model_validate(known | fields)
    at = OPENED_AT + timedelta(seconds=sequence)
    return IncidentChange(sequence=sequence, kind=ChangeKind(kind), at=at, incident=incident, note=note)


def make_due(change: IncidentChange, channel: str = "guards", *, at: datetime = OPENED_AT) -> DueDelivery:
    delivery = Delivery(
        id=f"{change.id}.{channel}",
        incident_id=change.incident.id,
        change_sequence=change.sequence,
        channel=channel,
        created_at=at,
        next_attempt_at=at,
    )
    return DueDelivery(delivery, change)


class MemoryOutbox:
    """`Outbox` without a database. `fail_next(n)` makes the next n calls that touch it fail, as a locked
    database would."""

    def __init__(self, entries: Sequence[DueDelivery] = ()) -> None:
        self._lock = threading.Lock()
        self._entries = {entry.delivery.id: entry for entry in entries}
        self._owners: dict[str, str] = {}
        self._num_failures = 0

    def fail_next(self, number: int) -> None:
        with self._lock:
            self._num_failures = number

    def add(self, entry: DueDelivery) -> None:
        with self._lock:
            self._entries[entry.delivery.id] = entry

    def __getitem__(self, delivery_id: str) -> Delivery:
        with self._lock:
            return self._entries[delivery_id].delivery

    def claim_due(
        self, owner: str, now: datetime, lease_seconds: float, full_channels: Collection[str] = ()
    ) -> DueDelivery | None:
        with self._lock:
            self._touch()
            ready = [e for e in self._in_line() if e.delivery.next_attempt_at <= now]
            free = [e for e in ready if e.delivery.id not in self._owners and e.delivery.channel not in full_channels]
            found = min(free, key=lambda e: e.delivery.next_attempt_at, default=None)
            if found is not None:
                self._owners[found.delivery.id] = owner
            return found

    def renew(self, owner: str, delivery_ids: Sequence[str], lease_seconds: float) -> None:
        """Leases here never end by themselves."""

    def release(self, owner: str) -> None:
        with self._lock:
            self._owners = {name: holder for name, holder in self._owners.items() if holder != owner}

    def next_due_at(self) -> datetime | None:
        with self._lock:
            self._touch()
            return min((e.delivery.next_attempt_at for e in self._in_line()), default=None)

    def mark_delivered(self, delivery_id: str, at: datetime) -> None:
        self._mark(delivery_id, state=DeliveryState.DELIVERED, finished_at=at)

    def mark_failed(self, delivery_id: str, owner: str, error: str, next_attempt_at: datetime) -> None:
        self._mark(delivery_id, last_error=error, next_attempt_at=next_attempt_at)

    def mark_dead(self, delivery_id: str, owner: str, error: str, at: datetime) -> None:
        self._mark(delivery_id, state=DeliveryState.DEAD, last_error=error, finished_at=at)

    def dead(self, limit: int) -> list[DueDelivery]:
        with self._lock:
            return [e for e in self._entries.values() if e.delivery.state is DeliveryState.DEAD][:limit]

    def replay(self, delivery_ids: Sequence[str] | None, at: datetime) -> int:
        wanted = [e.delivery.id for e in self.dead(len(self._entries))]
        wanted = [name for name in wanted if delivery_ids is None or name in delivery_ids]
        for name in wanted:
            self._mark(name, state=DeliveryState.PENDING, created_at=at, next_attempt_at=at, attempts=-1)
        return len(wanted)

    def of_incident(self, incident_id: str) -> list[Delivery]:
        with self._lock:
            found = [e.delivery for e in self._entries.values() if e.delivery.incident_id == incident_id]
        return sorted(found, key=lambda d: (d.change_sequence, d.channel))

    def counts(self) -> dict[str, int]:
        with self._lock:
            states = [e.delivery.state for e in self._entries.values()]
        return {state.value: states.count(state) for state in DeliveryState}

    def owed(self, now: datetime) -> Owed:
        with self._lock:
            due = [e.delivery.next_attempt_at for e in self._in_line() if e.delivery.next_attempt_at <= now]
        return Owed(len(due), min(due, default=None))

    def _in_line(self) -> list[DueDelivery]:
        """Pending, and the first pending change of its incident for its channel."""
        lines: dict[tuple[str, str], DueDelivery] = {}
        for entry in self._entries.values():
            d = entry.delivery
            line = (d.incident_id, d.channel)
            is_earlier = line not in lines or d.change_sequence < lines[line].delivery.change_sequence
            if d.state is DeliveryState.PENDING and is_earlier:
                lines[line] = entry
        return list(lines.values())

    def _mark(self, delivery_id: str, **values: Any) -> None:
        with self._lock:
            self._touch()
            entry = self._entries[delivery_id]
            values.setdefault("attempts", entry.delivery.attempts)
            values["attempts"] += 1
            self._owners.pop(delivery_id, None)
            self._entries[delivery_id] = DueDelivery(entry.delivery.model_copy(update=values), entry.change)

    def _touch(self) -> None:
        if self._num_failures > 0:
            self._num_failures -= 1
            raise TransientError("the database is locked")
