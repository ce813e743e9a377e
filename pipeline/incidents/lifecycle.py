"""The life of an incident: what is known, and what came in, to the next step, or to none.

Pure functions, one step a call. None means there is nothing to say, which is the answer to everything that is
told twice: whoever sends may send again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.contracts.assessment import Assessment, Verdict
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus, Review
from pipeline.contracts.values import Severity

_STATUS = {
    Verdict.CONFIRMED: IncidentStatus.CONFIRMED,
    Verdict.REJECTED: IncidentStatus.REJECTED,
    Verdict.UNVERIFIED: IncidentStatus.UNVERIFIED,
}


def open_incident(
    candidate: Candidate, at: datetime, *, will_verify: bool, snapshot_uri: str = "", clip_uri: str = ""
) -> IncidentChange:
    """The first step: provisional, or unverified at once when nothing will judge it."""
    status = IncidentStatus.PROVISIONAL if will_verify else IncidentStatus.UNVERIFIED
    incident = Incident(
        id=candidate.id,
        camera_id=candidate.camera_id,
        rule_id=candidate.rule_id,
        status=status,
        severity=candidate.severity,
        awaits_verdict=will_verify,
        last_change=1,
        opened_at=candidate.opened_at,
        updated_at=at,
        candidate=candidate,
        snapshot_uri=snapshot_uri,
        clip_uri=clip_uri,
    )
    return IncidentChange(sequence=1, kind=ChangeKind(status.value), at=at, incident=incident)


def follow_candidate(
    incident: Incident, candidate: Candidate, at: datetime, *, snapshot_uri: str = "", clip_uri: str = ""
) -> IncidentChange | None:
    """The candidate of an incident that is known grew, ended, or was met again. What is known stays as it is, and
    what is closed takes in repeats alone."""
    if incident.closed_at is not None:
        return _repeat(incident, candidate, at)
    candidate = _with_known_pictures(candidate, incident)
    if not _is_news(candidate, incident.candidate):
        return None
    news = _new_uris(incident, snapshot_uri, clip_uri) | _severity(incident, candidate)
    news["candidate"] = candidate
    if candidate.state is CandidateState.CLOSED:
        return _step(incident, ChangeKind.CLOSED, at, closed_at=candidate.ended_at or at, **news)
    return _step(incident, ChangeKind.UPDATED, at, **news)


def judge(incident: Incident, assessment: Assessment, at: datetime) -> IncidentChange | None:
    """The verdict that was owed, also when the incident is closed by now; None when none is owed."""
    if not incident.awaits_verdict:
        return None
    status = _STATUS[assessment.verdict]
    kind = ChangeKind(status.value)
    return _step(incident, kind, at, status=status, awaits_verdict=False, assessment=assessment)


def acknowledge(incident: Incident, by: str, note: str, at: datetime) -> IncidentChange | None:
    """A person has seen it; None when the same person says so again with nothing to add."""
    if incident.acknowledged_at is not None and incident.acknowledged_by == by and not note:
        return None
    change = _step(incident, ChangeKind.ACKNOWLEDGED, at, acknowledged_at=at, acknowledged_by=by)
    return change.model_copy(update={"note": note})


def review(incident: Incident, word: Review) -> IncidentChange | None:
    """A person says whether it was right to tell; None when the same person says the same, with nothing to add."""
    said = incident.review
    if said is not None and (said.is_right, said.by) == (word.is_right, word.by) and word.note in ("", said.note):
        return None
    change = _step(incident, ChangeKind.REVIEWED, word.at, review=word)
    return change.model_copy(update={"note": word.note})


def attach(incident: Incident, at: datetime, *, snapshot_uri: str = "", clip_uri: str = "") -> IncidentChange | None:
    """Evidence was written later; also to a closed incident. None when it is known already."""
    news = _new_uris(incident, snapshot_uri, clip_uri)
    return _step(incident, ChangeKind.UPDATED, at, **news) if news else None


def _repeat(incident: Incident, candidate: Candidate, at: datetime) -> IncidentChange | None:
    """It was met again within its rule's cooldown: `repeated`, or `updated` when that makes it more severe.

    Two tellings are in order by what they count: the one that knows more holds.
    """
    known = incident.candidate
    again_until = max((t for t in (known.repeated_at, candidate.repeated_at) if t is not None), default=None)
    repeats = max(known.repeats, candidate.repeats)
    severity = _severity(incident, candidate)
    if (repeats, again_until) == (known.repeats, known.repeated_at) and "risen_in" not in severity:
        return None
    counted = known.model_copy(
        update={"repeats": repeats, "repeated_at": again_until, "severity": _worse(known.severity, candidate.severity)}
    )
    kind = ChangeKind.UPDATED if "risen_in" in severity else ChangeKind.REPEATED
    return _step(incident, kind, at, candidate=counted, **severity)


def _severity(incident: Incident, candidate: Candidate) -> dict[str, Any]:
    """What becomes of its severity with the next step: it rises, or stays."""
    worse = _worse(incident.severity, candidate.severity)
    return {} if worse is incident.severity else {"severity": worse, "risen_in": incident.last_change + 1}


def _step(incident: Incident, kind: ChangeKind, at: datetime, **news: Any) -> IncidentChange:
    sequence = incident.last_change + 1
    after = incident.model_copy(update={"last_change": sequence, "updated_at": at, **news})
    return IncidentChange(sequence=sequence, kind=kind, at=at, incident=after)


def _is_news(candidate: Candidate, known: Candidate) -> bool:
    """Ending always is; growth is when it differs from, and does not reach back before, what is known."""
    if candidate.state is CandidateState.CLOSED:
        return True
    if candidate.state is CandidateState.OPENED:
        return False
    return candidate != known and _known_until(candidate) >= _known_until(known)


def _known_until(candidate: Candidate) -> datetime:
    """The last moment a candidate tells of: what orders two of its updates."""
    moments = [candidate.opened_at, *(frame.captured_at for frame in candidate.key_frames)]
    moments += [fact.at for fact in (*candidate.facts, *candidate.track_notes)]
    return max(moments)


def _with_known_pictures(candidate: Candidate, incident: Incident) -> Candidate:
    """Key frames told again keep the key of their picture; those a verdict cites, or may yet, stay with the incident
    when the candidate has chosen others since."""
    known = {frame.sequence: frame for frame in incident.candidate.key_frames}
    told = {frame.sequence: frame for frame in candidate.key_frames}
    cited = known.keys() if incident.awaits_verdict else incident.assessment.frames_sent if incident.assessment else ()
    kept = {sequence: known[sequence] for sequence in cited if sequence in known}
    fresh = {
        sequence: frame.model_copy(update={"uri": frame.uri or known[sequence].uri}) if sequence in known else frame
        for sequence, frame in told.items()
    }
    frames = sorted((kept | fresh).values(), key=lambda frame: frame.captured_at)
    appearance = candidate.appearance or incident.candidate.appearance  # looked at once, with the opening
    news: dict[str, Any] = {"key_frames": tuple(frames), "appearance": appearance}
    if not candidate.outlook:  # what is told last foretells nothing: it is over
        news |= {"outlook": incident.candidate.outlook, "courses": incident.candidate.courses}
    return candidate.model_copy(update=news)


def _new_uris(incident: Incident, snapshot_uri: str, clip_uri: str) -> dict[str, Any]:
    given = {"snapshot_uri": snapshot_uri, "clip_uri": clip_uri}
    return {field: uri for field, uri in given.items() if uri and uri != getattr(incident, field)}


def _worse(one: Severity, other: Severity) -> Severity:
    return max(one, other, key=lambda severity: severity.rank)
