"""One thing that happened, with a stable id and a life; and the store that keeps it.

    provisional ──► confirmed | rejected | unverified ──► closed
         (unverified at once, when nothing will judge it)

`updated`, `acknowledged` and `reviewed` may come at any time, `repeated` only to what is closed, and an event that is
over before it was judged is `closed` before its verdict. Every step is an `IncidentChange`, numbered from 1 within its
incident; a change is stored in one transaction with the deliveries that tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from pipeline.contracts.alert import Delivery, Owed
from pipeline.contracts.assessment import Assessment
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.values import Contract, Severity, UtcDatetime


class IncidentStatus(StrEnum):
    """What is known of it."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"


class ChangeKind(StrEnum):
    """One step in an incident's life."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"
    UPDATED = "updated"
    CLOSED = "closed"
    REPEATED = "repeated"
    """It happened again while the rule's cooldown held; counted here in the place of another incident."""
    ACKNOWLEDGED = "acknowledged"
    REVIEWED = "reviewed"


class Review(Contract):
    """What a person says of an incident: whether it was right to tell it. The last word counts."""

    is_right: bool
    by: str
    at: UtcDatetime
    note: str = ""


class Incident(Contract):
    """The state after its last change. Its id is the id of the candidate that opened it."""

    schema_version: Literal[1] = 1
    id: str
    camera_id: str
    rule_id: str
    status: IncidentStatus
    severity: Severity
    awaits_verdict: bool
    """A verification is owed; survives restarts."""
    last_change: int
    """Number of the last change, from 1."""
    opened_at: UtcDatetime
    updated_at: UtcDatetime
    closed_at: UtcDatetime | None = None
    acknowledged_at: UtcDatetime | None = None
    acknowledged_by: str = ""
    candidate: Candidate
    risen_in: int = 0
    """Number of the change with which its severity last rose; 0 if it never did."""
    assessment: Assessment | None = None
    review: Review | None = None
    """A person's word; independent of `status`, which is the model's."""
    snapshot_uri: str = ""
    """Key of the annotated JPEG in the evidence store."""
    clip_uri: str = ""
    """Key of the MP4 of the seconds around it, once written."""

    @property
    def frame_numbers(self) -> dict[int, int]:
        """Sequence of a key frame to the number (from 1) by which the report cites it; in time order when nothing
        was sent to a model."""
        sent = self.assessment.frames_sent if self.assessment else ()
        in_time = sorted(self.candidate.key_frames, key=lambda key: key.captured_at)
        return {sequence: number for number, sequence in enumerate(sent or [key.sequence for key in in_time], 1)}


class IncidentChange(Contract):
    """A step, with the incident as it was right after it."""

    schema_version: Literal[1] = 1
    sequence: int
    kind: ChangeKind
    at: UtcDatetime
    incident: Incident
    note: str = ""

    @property
    def id(self) -> str:
        """Stable; receivers deduplicate by it."""
        return f"{self.incident.id}.{self.sequence}"


@dataclass(frozen=True, slots=True)
class Link:
    """Two incidents of different cameras that may be one happening."""

    incident_id: str
    other_id: str
    seconds_apart: float
    """From the end of the earlier to the start of the later; 0 when they overlap."""
    similarity: float | None
    """Of what the things look like, 0..1; None when that is not known of both."""


@dataclass(frozen=True, slots=True)
class WaitingVerdict:
    """A verdict that is owed and in nobody's hand."""

    incident_id: str
    camera_id: str
    priority: float
    """The severity's rank, and between whole steps how unusual and how uncertain it is."""
    since: datetime
    """Since when it has been owed."""


@dataclass(frozen=True, slots=True)
class VerdictQueue:
    """What awaits a verdict now."""

    heads: tuple[WaitingVerdict, ...]
    """Of every camera the first by priority and the first by age."""
    number: int
    """Of all that wait."""
    in_hand: int
    """Being judged, by whoever shares the store."""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents to list; newest first."""

    camera_id: str | None = None
    rule_id: str | None = None
    statuses: tuple[IncidentStatus, ...] = ()
    severities: tuple[Severity, ...] = ()
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    is_reviewed: bool | None = None
    """With a person's word, or without; None for both."""
    changed_from: datetime | None = None
    """Changed (`updated_at`) at or after."""
    camera_ids: tuple[str, ...] | None = None
    """Of one of these cameras alone; None for every one."""
    before: tuple[datetime, str] | None = None
    """(`opened_at`, id) of the last of the page before: what follows it in the order of the list."""
    limit: int = 100


class IncidentStore(Protocol):
    """Keeps incidents, their changes and the outbox. Thread-safe; `TransientError` when it cannot now.

    Several processes may share the verdicts that are owed, as they share an `Outbox`, and the relaying of changes.
    """

    def commit(self, change: IncidentChange, deliveries: Sequence[Delivery]) -> bool:
        """Store incident, change and deliveries in one transaction, durable on return.

        False, and nothing stored, when that change number of the incident is already taken: read again and
        decide again.
        """
        ...

    def get(self, incident_id: str) -> Incident | None:
        """The incident now, or None."""
        ...

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        """Newest first."""
        ...

    def changes(self, incident_id: str) -> list[IncidentChange]:
        """Its life, oldest first."""
        ...

    def link(self, links: Sequence[Link]) -> None:
        """Keep these; known pairs, whichever way round, are left as they are."""
        ...

    def links_of(self, incident_id: str) -> list[Link]:
        """Those that name it, seen from it (`incident_id` first), the most alike and then the closest first."""
        ...

    def claim_verdicts(self, owner: str, lease_seconds: float, limit: int) -> list[Incident]:
        """Take incidents that owe a verdict and are in nobody's hand: the more severe first, then the more unusual,
        then the older."""
        ...

    def verdict_queue(self, per_camera: int, limit: int) -> VerdictQueue:
        """Who waits: of each camera the `per_camera` first by priority and by age, `limit` in all, so that no storm
        on one camera hides the others."""
        ...

    def take_verdicts(self, owner: str, lease_seconds: float, incident_ids: Sequence[str]) -> list[Incident]:
        """Take these, as far as they owe a verdict still and are in nobody's hand; in the order given."""
        ...

    def renew_verdicts(self, owner: str, incident_ids: Sequence[str], lease_seconds: float) -> None:
        """Prolong what of these is still in the owner's hand."""
        ...

    def release_verdicts(self, owner: str) -> None:
        """Free all that the owner holds: at a clean stop, and at the start of one that always has the same name."""
        ...

    def verdicts_owed(self) -> Owed:
        """The verdicts that are owed, in hand or not."""
        ...

    def claim_news(self, lease_seconds: float, limit: int) -> list[IncidentChange]:
        """Take changes that the bus has not heard of, oldest first, of each incident the first such one.

        They come again when their time is over without `mark_relayed`.
        """
        ...

    def renew_news(self, changes: Sequence[IncidentChange], lease_seconds: float) -> None:
        """Their time begins anew; with 0 seconds they come again at once."""
        ...

    def mark_relayed(self, changes: Sequence[IncidentChange]) -> None:
        """The bus has these: each lets the next change of its incident follow."""
        ...

    def still_open(self) -> list[Incident]:
        """Incidents without `closed_at`, oldest first."""
        ...

    def last_told(self, since: datetime) -> list[Incident]:
        """Of each camera and rule the last incident of `last_alerts`, if it opened at or after `since`."""
        ...

    def last_alerts(self) -> Mapping[tuple[str, str], datetime]:
        """(camera_id, rule_id) to `opened_at` of the last incident that was told to anybody (or would have
        been, had there been a channel): where cooldowns resume after a restart."""
        ...
