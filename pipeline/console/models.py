"""What the API answers with and takes: shared by the routes, their OpenAPI and the Python client.

An answer may say more in a later version, so unknown keys are let through; a request may not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.contracts.alert import Delivery
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus, Review
from pipeline.contracts.rule import Line, Polygon
from pipeline.contracts.values import Severity
from pipeline.search.found import headline, numbered_frames

API = "/api/v1"


class Answer(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """Base of what is sent: closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraView(Answer):
    """A camera as an operator may know it: without its address."""

    id: str
    labels: tuple[str, ...]
    zones: dict[str, Polygon]
    lines: dict[str, Line]
    masks: tuple[Polygon, ...]
    rules: tuple[str, ...]
    """Those that look at it and are switched on."""
    is_in_site: bool
    """False of one that only kept data knows."""
    wrong: Condition | None
    """What is wrong with it now, the worst first; None while nothing is known to be."""
    wrong_since: datetime | None
    blind: GapView | None = None
    """The gap in its coverage that lasts by now, from its beginning; None while it is watched, and when nobody ever
    told of it. What the last half minute was may not be known yet."""
    watched_share: float | None
    """Of the last hour, 0..1; None when nobody ever told of it."""
    last_watched: datetime | None
    """Within that hour."""
    frame_at: datetime | None
    """When its newest picture was taken; None without one."""


class CameraList(Answer):
    """By name."""

    items: tuple[CameraView, ...]


class EvidenceItem(Answer):
    """A picture or clip that is kept."""

    name: str
    """`snapshot`, `clip`, `picture-2`: that number cites it in reports."""
    media_type: str
    url: str
    """Below the server's address."""
    link: str = ""
    """Opens it without signing in, for `access.evidence_link`; in an answer about one incident, when asked for."""


class IncidentRow(Answer):
    """An incident in a list."""

    id: str
    camera_id: str
    rule_id: str
    status: IncidentStatus
    severity: Severity
    headline: str
    awaits_verdict: bool
    last_change: int
    """Its version: the ETag of the whole, and what If-Match is held against."""
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    review: Review | None
    condition: Condition | None
    """Of an incident about the camera itself."""
    evidence: tuple[EvidenceItem, ...]
    picture: str = ""
    """Which of these shows it best; empty without a picture."""


class IncidentPage(Answer):
    """Newest first."""

    items: tuple[IncidentRow, ...]
    next: str | None
    """Cursor of the page that follows; None at the end."""
    unwatched: tuple[str, ...] = ()
    """When nothing was found: when these cameras were not watched in the while that was asked about."""


class MomentView(Answer):
    """A moment of a camera that looks like what was asked for."""

    camera_id: str
    captured_at: datetime
    similarity: float
    """Cosine, -1 to 1: it ranks, and proves nothing."""
    labels: tuple[str, ...]
    zones: tuple[str, ...]
    incident: IncidentRow | None
    """The incident whose peak it is, with its pictures; None for a moment of which no picture was kept."""


class MomentList(Answer):
    """The most alike first."""

    items: tuple[MomentView, ...]
    unwatched: tuple[str, ...]
    """When these cameras were not watched in the while that was asked about."""
    num_not_compared: int = 0
    """Moments of that while that another encoder saw, before the site's was changed: they are not looked through."""


class Step(Answer):
    """One change of an incident, in its history."""

    id: str
    sequence: int
    kind: ChangeKind
    at: datetime
    note: str


class LinkView(Answer):
    """Another incident that may be the same happening."""

    incident: IncidentRow
    seconds_apart: float
    similarity: float | None


class WholeIncident(Answer):
    """Everything known of one."""

    incident: Incident
    evidence: tuple[EvidenceItem, ...]
    changes: tuple[Step, ...]
    links: tuple[LinkView, ...]
    deliveries: tuple[Delivery, ...]


class Decided(Request):
    """A person's word on an incident; who says it is whoever asks."""

    note: Annotated[str, Field(max_length=500)] = ""


class Changed(Answer):
    """A change of an incident: what a decision answers, and what events carry."""

    id: str
    """Stable: the same change always has it."""
    sequence: int
    kind: ChangeKind
    at: datetime
    note: str
    incident: IncidentRow


class GapView(Answer):
    """[start, end) in which a camera was not watched."""

    start: datetime
    end: datetime
    seconds: float
    reason: str
    detail: str


class CoveragePart(Answer):
    """How a camera, or a rule on it, was watched."""

    seconds: float
    watched_seconds: float
    share: float
    gaps: tuple[GapView, ...]


class CameraCoverage(CoveragePart):
    """Of one camera."""

    camera: str
    never_watched: bool
    rules: dict[str, CoveragePart]
    """Those that fared otherwise."""


class CoverageView(Answer):
    """Of all that were asked about."""

    start: datetime
    end: datetime
    cameras: tuple[CameraCoverage, ...]


class GateCount(Answer):
    """One gate's verdicts of one minute, added up."""

    camera_id: str
    rule_id: str
    minute: datetime
    gate: str
    passed: bool
    reason: str
    count: int
    min_value: float | None
    max_value: float | None
    threshold: float | None
    detail: str


class NearMisses(Answer):
    """What rules all but told, by camera and time."""

    start: datetime
    end: datetime
    items: tuple[GateCount, ...]


class WhyView(Answer):
    """Why there was an alert, or why there was none."""

    camera: str
    start: datetime
    end: datetime
    answers: tuple[str, ...]
    rules: tuple[str, ...] = ()
    """Whom each answer is about; `""` for the camera."""
    unwatched: tuple[GapView, ...]
    gates: tuple[GateCount, ...]
    incidents: tuple[IncidentRow, ...]


def evidence_of(incident: Incident) -> tuple[EvidenceItem, ...]:
    """What is kept of it, by the names that its evidence is asked for with."""
    return tuple(
        EvidenceItem(name=name, media_type=media_type_of(key), url=evidence_path(incident, name))
        for name, key in evidence_keys(incident).items()
    )


def evidence_path(incident: Incident, name: str) -> str:
    """Where a piece of its evidence is asked for; not escaped."""
    return f"{API}/incidents/{incident.id}/evidence/{name}"


def evidence_keys(incident: Incident) -> dict[str, str]:
    """Name to key in the evidence store."""
    keys = {"snapshot": incident.snapshot_uri, "clip": incident.clip_uri}
    keys |= {f"picture-{number}": key.uri for number, key in numbered_frames(incident).items()}
    return {name: key for name, key in keys.items() if key}


def media_type_of(key: str) -> str:
    """Of what lies under a key: never anything that a browser would run."""
    return {".jpg": "image/jpeg", ".mp4": "video/mp4"}.get(key[key.rfind(".") :], "application/octet-stream")


def row_of(incident: Incident) -> IncidentRow:
    """An incident as a list shows it."""
    shown = {name: getattr(incident, name) for name in IncidentRow.model_fields if name in Incident.model_fields}
    return IncidentRow(
        **shown,
        headline=headline(incident),
        condition=incident.candidate.condition,
        evidence=evidence_of(incident),
        picture=_best_picture(incident),
    )


def _best_picture(incident: Incident) -> str:
    """The peak's, as a camera saw it; else the snapshot."""
    kept = {key.role: f"picture-{number}" for number, key in numbered_frames(incident).items() if key.uri}
    return kept.get("peak") or next(iter(kept.values()), "snapshot" if incident.snapshot_uri else "")


def changed_of(change: IncidentChange) -> Changed:
    """A change as it is told."""
    return Changed(
        id=change.id,
        sequence=change.sequence,
        kind=change.kind,
        at=change.at,
        note=change.note,
        incident=row_of(change.incident),
    )
