"""What a request brings beside pictures and rule: scene card, policy, precedents, and what people said of verdicts.

Looked up in the database on the verifier's threads, by then the provisional alert is out; kept for a few seconds, so a
burst asks once. Without the database there is what was known, or nothing: a verdict does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

import numpy as np
from numpy.typing import NDArray

from pipeline.clock import Clock
from pipeline.contracts.assessment import (
    Precedent,
    RequestContext,
    ReviewedVerdict,
    SceneCard,
    Verdict,
    VerificationRequest,
)
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStore
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import unpack_vector
from pipeline.errors import TransientError
from pipeline.site import Site
from pipeline.telemetry import FaultLog

MAX_REVIEWED, MAX_UNREVIEWED = 4, 2
"""Precedents of each kind: those that nobody judged say what a model thought, and are to lead the next one little."""
_MOST_OF_CAMERA, _MOST_OF_RULE = 30, 200
"""The latest that are searched: of the camera, and of the rule on all cameras with a person's word. To read one takes
about half a millisecond."""
_FRESH_SECONDS = 10.0
_MAX_WORDS = 120


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is kept of an earlier incident: about 3 kB, of the 45 kB it has when it is read."""

    precedent: Precedent
    """Its `likeness` is not known yet."""
    camera_id: str
    vector: NDArray[np.float32] | None
    """(D,), unit length: what the rule's score was made from."""
    encoder: str
    verdict: ReviewedVerdict | None
    """None when a model, or a person, said nothing."""


class ContextBook:
    """Gathers the context of requests. Thread-safe."""

    def __init__(self, store: IncidentStore, site: Site, clock: Clock) -> None:
        self._store = store
        self._site = site
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[IncidentFilter, tuple[float, list[Earlier]]] = {}
        """By what was looked up: when (monotonic), and what was there."""
        self._fault = FaultLog("earlier incidents", "verdicts go without them", done="looked up")

    def follow(self, site: Site) -> None:
        """The site file changed."""
        with self._lock:
            self._site = site
            self._known.clear()

    def request(
        self, incident: Incident, rule: Rule, camera: Camera, frames: Sequence[EncodedFrame]
    ) -> VerificationRequest:
        """All that the judging of an incident by this rule needs, in full."""
        site = self._site.site
        return VerificationRequest(
            candidate=incident.candidate,
            rule=rule,
            frames=tuple(frames),
            site_name=site.name,
            camera_labels=camera.labels,
            zones=camera.zones,
            timezone=site.timezone,
            language=site.language,
            context=self.of(incident),
        )

    def of(self, incident: Incident) -> RequestContext:
        """The context of what is to be judged: only of incidents that opened before it."""
        site, camera = self._site.site, self._site.camera(incident.camera_id)
        of_rule = self._before(
            incident, IncidentFilter(rule_id=incident.rule_id, is_reviewed=True, limit=_MOST_OF_RULE)
        )
        of_camera = self._before(incident, IncidentFilter(camera_id=incident.camera_id, limit=_MOST_OF_CAMERA))
        return RequestContext(
            scene=(camera.scene if camera else None) or SceneCard(),
            policy=site.policy,
            precedents=precedents_of(incident.candidate, [*of_rule, *of_camera], site.zone_info),
            questions=site.questions,
            reviewed=tuple(one.verdict for one in of_rule if one.verdict is not None),
        )

    def _before(self, incident: Incident, wanted: IncidentFilter) -> list[Earlier]:
        found = self._look_up(wanted)
        return [
            one for one in found if one.precedent.at < incident.opened_at and one.precedent.incident_id != incident.id
        ]

    def _look_up(self, wanted: IncidentFilter) -> Sequence[Earlier]:
        """As of at most some seconds ago; when the database is away, what was known, and it is spared for as long."""
        now = self._clock.monotonic()
        with self._lock:
            looked_at, known = self._known.get(wanted, (-float("inf"), []))
        if now - looked_at < _FRESH_SECONDS:
            return known
        try:
            known = [earlier(one) for one in self._store.find(wanted) if _was_judged(one)]
            self._fault.worked()
        except TransientError as error:
            self._fault.failed(error)
        with self._lock:
            self._known[wanted] = (now, known)
        return known


def earlier(incident: Incident) -> Earlier:
    """What is kept of an incident."""
    candidate, review = incident.candidate, incident.review
    precedent = Precedent(
        incident_id=incident.id,
        at=incident.opened_at,
        rule_id=incident.rule_id,
        words=_words(incident)[:_MAX_WORDS],
        outcome=_outcome(incident),
        is_false_alarm=None if review is None else not review.is_right,
        likeness=None,
    )
    encoder = candidate.models.get("encoder", "")
    return Earlier(precedent, incident.camera_id, _direction(candidate), encoder, reviewed_verdict(incident))


def reviewed_verdict(incident: Incident) -> ReviewedVerdict | None:
    """What a model and what a person said of it; None when one of them said nothing."""
    assessment, review = incident.assessment, incident.review
    if assessment is None or review is None or assessment.probability is None:
        return None
    raw = assessment.raw_probability  # rows from before verdicts were calibrated have the raw value alone
    raw = assessment.probability if raw is None else raw
    return ReviewedVerdict(assessment.model_id, assessment.prompt_version, raw, review.is_right)


def precedents_of(candidate: Candidate, found: Iterable[Earlier], zone: tzinfo) -> tuple[Precedent, ...]:
    """The nearest to it: first those that people judged, then those that a model alone did.

    Near is what looks alike to the same encoder. Where that is not known of both: the same rule, then the same camera,
    then the time of day, then the latest.
    """
    place = _Place(candidate, zone)
    distinct = {one.precedent.incident_id: one for one in found}
    ranked = sorted(distinct.values(), key=place.rank, reverse=True)
    judged = [one for one in ranked if one.precedent.is_false_alarm is not None][:MAX_REVIEWED]
    others = [one for one in ranked if one.precedent.is_false_alarm is None][:MAX_UNREVIEWED]
    return tuple(replace(one.precedent, likeness=place.likeness(one)) for one in [*judged, *others])


class _Place:
    """A candidate to which others are near or far."""

    def __init__(self, candidate: Candidate, zone: tzinfo) -> None:
        self._candidate = candidate
        self._zone = zone
        self._vector = _direction(candidate)
        self._encoder = candidate.models.get("encoder", "")

    def likeness(self, other: Earlier) -> float | None:
        """Cosine, not under 0; None when one has no vector, or one of another space."""
        if self._vector is None or other.vector is None or other.encoder != self._encoder:
            return None
        if other.vector.shape != self._vector.shape:
            return None
        return min(max(float(other.vector @ self._vector), 0.0), 1.0)

    def rank(self, other: Earlier) -> tuple[float, bool, bool, float, datetime]:
        """The greater, the nearer."""
        likeness, precedent = self.likeness(other), other.precedent
        return (
            -1.0 if likeness is None else likeness,
            precedent.rule_id == self._candidate.rule_id,
            other.camera_id == self._candidate.camera_id,
            -self._hours_apart(precedent.at),
            precedent.at,
        )

    def _hours_apart(self, at: datetime) -> float:
        """By the clock on the wall, whole hours, 0 to 12."""
        hours = (_hour(at, self._zone) - _hour(self._candidate.opened_at, self._zone)) % 24
        return round(min(hours, 24 - hours))


def _direction(candidate: Candidate) -> NDArray[np.float32] | None:
    vector = unpack_vector(candidate.embedding)
    length = 0.0 if vector is None else float(np.linalg.norm(vector))
    return vector / np.float32(length) if vector is not None and length else None


def _hour(at: datetime, zone: tzinfo) -> float:
    local = at.astimezone(zone)
    return local.hour + local.minute / 60


def _was_judged(incident: Incident) -> bool:
    """By a person, or by a model that could tell; trouble with a camera is measured."""
    could_tell = incident.assessment is not None and incident.assessment.verdict is not Verdict.UNVERIFIED
    return incident.candidate.condition is None and (could_tell or incident.review is not None)


def _words(incident: Incident) -> str:
    report = incident.assessment.report if incident.assessment else None
    if report is not None:
        return report.title
    facts = incident.candidate.facts
    return facts[0].text if facts else "nothing was measured"


def _outcome(incident: Incident) -> str:
    review = incident.review
    if review is None:
        return f"{incident.status} by a model"
    said = "a right alert" if review.is_right else "a false alarm"
    return f"a person said: {said}" + (f" ({review.note[:_MAX_WORDS]})" if review.note else "")
