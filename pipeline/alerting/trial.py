"""Trying a channel: a clearly marked test message, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import Clock
from pipeline.contracts.alert import Channel
from pipeline.contracts.assessment import Assessment, Verdict
from pipeline.contracts.candidate import Candidate, CandidateState, candidate_id
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.contracts.values import Severity

_NAME = "sightline-test"
_WORDS = "This is a test of the channel; nothing has happened."


@dataclass(frozen=True, slots=True)
class ChannelTrial:
    """What a test message met with."""

    channel: str
    is_ok: bool
    status: int | None
    """HTTP status; None when no answer came."""
    latency_seconds: float
    problem: str
    """What was wrong, without the URL or its secrets; empty when nothing was."""


def try_channel(channel: Channel, sender: WebhookSender, clock: Clock) -> ChannelTrial:
    """Send one test message, once; never raises for what the receiver does."""
    change = _test_change(clock.now())
    started = clock.monotonic()
    try:
        status: int | None = sender.post(change, channel, is_test=True)
        problem = ""
    except DeliveryError as error:
        status, problem = error.status, str(error)
    return ChannelTrial(channel.name, not problem, status, clock.monotonic() - started, problem)


def _test_change(now: datetime) -> IncidentChange:
    incident_id = f"test-{candidate_id(_NAME, _NAME, now)}"
    candidate = Candidate(
        id=incident_id,
        camera_id=_NAME,
        rule_id=_NAME,
        rule_version="",
        state=CandidateState.OPENED,
        severity=Severity.LOW,
        started_at=now,
        opened_at=now,
        score=0.0,
        peak_score=0.0,
        threshold=0.0,
    )
    incident = Incident(
        id=incident_id,
        camera_id=_NAME,
        rule_id=_NAME,
        status=IncidentStatus.UNVERIFIED,
        severity=Severity.LOW,
        awaits_verdict=False,
        last_change=1,
        opened_at=now,
        updated_at=now,
        candidate=candidate,
        assessment=_test_assessment(incident_id, now),
    )
    return IncidentChange(sequence=1, kind=ChangeKind.UNVERIFIED, at=now, incident=incident, note=_WORDS)


def _test_assessment(incident_id: str, now: datetime) -> Assessment:
    return Assessment(
        candidate_id=incident_id, verdict=Verdict.UNVERIFIED, reason=_WORDS, started_at=now, finished_at=now
    )
