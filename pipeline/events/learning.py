"""What is learned of one camera: thresholds of its scored rules, and what it normally sees.

It outlives fresh starts of the camera's watch and changes of its rules. What is kept of it goes out as `Learned`, and
comes back as such in another process. A plain object for one thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from zoneinfo import ZoneInfo

import numpy as np
import structlog
from numpy.typing import NDArray

from pipeline.contracts.incident import Incident
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import unpack_vector
from pipeline.errors import InvalidMessage
from pipeline.events.calibration import Calibration
from pipeline.events.normal import NormalBank
from pipeline.events.schedule import scheduled_share
from pipeline.events.state_machine import PACES, SCORED, fixed_levels
from pipeline.settings import EventSettings

log = structlog.get_logger()
_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_REVIEWS = 200
"""Of one camera, the latest."""
_KEEP_EVERY = {LearnedKind.CALIBRATION: timedelta(minutes=1), LearnedKind.NORMAL: timedelta(minutes=10)}
"""What a killed process may lose. A bank is some hundred KiB, a calibration a few."""


@dataclass(slots=True)
class _Kept:
    """One learner, and when it was last given out to be kept."""

    learner: Calibration | NormalBank
    basis: str
    given_at: datetime = _NEVER
    alerts_per_day: float = 0.0


class CameraLearning:
    """Made once a camera; used by one thread."""

    def __init__(
        self,
        camera_id: str,
        settings: EventSettings,
        timezone: ZoneInfo,
        encoder_id: str,
        known: Iterable[Learned],
    ) -> None:
        """`known`: what was kept, of any camera."""
        self._camera_id = camera_id
        self._settings = settings
        self._encoder_id = encoder_id
        self._known = {(one.rule_id, one.kind): one for one in known if one.camera_id == camera_id}
        self._reviews: dict[str, Incident] = {}
        self._kept: dict[tuple[str, LearnedKind], _Kept] = {}
        self._normal_until = _NEVER
        """What people said until then is in the normal that was kept."""
        self.normal: NormalBank | None = None
        """What the camera normally sees; None without an encoder, or where that is not to be learned."""
        if encoder_id and settings.learn_normal:
            known_normal = self._known.get(("", LearnedKind.NORMAL))
            self._normal_until = known_normal.updated_at if known_normal is not None else _NEVER
            self.normal = NormalBank(timezone, after_seconds=settings.normal_after)
            self._take_on("", LearnedKind.NORMAL, self.normal, encoder_id)

    def calibration(self, rule: Rule) -> Calibration | None:
        """Where the rule is met on this camera, learned; None for a rule whose threshold is fixed."""
        if not rule.is_scored or rule.timing.threshold is not None:
            return None
        basis, key = _basis(rule, self._encoder_id), (rule.id, LearnedKind.CALIBRATION)
        kept = self._kept.get(key)
        alerts_per_day = self._alerts_per_day(rule)
        if kept is not None and kept.basis == basis and isinstance(kept.learner, Calibration):
            if kept.alerts_per_day == alerts_per_day:
                return kept.learner
            now = datetime.now(UTC)
            self._known[key] = Learned(self._camera_id, *key, basis, now, kept.learner.dump())
        calibration = self._new_calibration(rule, alerts_per_day)
        self._take_on(rule.id, LearnedKind.CALIBRATION, calibration, basis, alerts_per_day)
        for incident in self._reviews.values():
            if incident.rule_id == rule.id:
                _teach_calibration(calibration, incident)
        return calibration

    def review(self, incident: Incident, rule: Rule | None) -> None:
        """A person has judged an incident of this camera; `rule`: the one that told it, if there still is one."""
        if incident.review is None:
            return
        self._reviews.pop(incident.id, None)
        self._reviews[incident.id] = incident
        if len(self._reviews) > _MOST_REVIEWS:
            del self._reviews[next(iter(self._reviews))]
        kept = self._kept.get((incident.rule_id, LearnedKind.CALIBRATION))
        if kept is not None and isinstance(kept.learner, Calibration):
            _teach_calibration(kept.learner, incident)
        vector = vector_of(incident, self._encoder_id)
        # What a rule has seen of a thing by itself is no picture of the camera's.
        is_picture = rule is not None and not rule.object
        if self.normal is not None and vector is not None and is_picture and incident.review.at > self._normal_until:
            self.normal.reviewed(vector, incident.opened_at, is_right=incident.review.is_right)

    def take(self, now: datetime, *, is_last: bool = False) -> list[Learned]:
        """What is due to be kept at `now`, by the wall clock; all that there is when it is the last time."""
        due = []
        for (rule_id, kind), kept in self._kept.items():
            if is_last or now - kept.given_at >= _KEEP_EVERY[kind]:
                kept.given_at = now
                due.append(Learned(self._camera_id, rule_id, kind, kept.basis, now, kept.learner.dump()))
        return due

    def _new_calibration(self, rule: Rule, alerts_per_day: float) -> Calibration:
        dwell = rule.timing.dwell
        return Calibration(
            fixed_levels(rule),
            alerts_per_day=alerts_per_day,
            after_seconds=self._settings.calibrate_after,
            dwell_seconds=PACES[SCORED].dwell_seconds if dwell is None else dwell,
            smoothing_seconds=rule.timing.smoothing,
        )

    def _alerts_per_day(self, rule: Rule) -> float:
        """Of scheduled time: what a rule that is on eight hours a day may say in them, it would say thrice in a day."""
        budget = self._settings.alerts_per_day if rule.alerts_per_day is None else rule.alerts_per_day
        return budget / scheduled_share(rule.schedule)

    def _take_on(
        self,
        rule_id: str,
        kind: LearnedKind,
        learner: Calibration | NormalBank,
        basis: str,
        alerts_per_day: float = 0.0,
    ) -> None:
        """Go on from what is known, if that was learned of the same thing."""
        known = self._known.get((rule_id, kind))
        if known is not None and known.basis == basis:
            try:
                learner.load(known.body)
            except InvalidMessage as error:
                log.warning("what was learned cannot be used; learning anew", camera=self._camera_id, error=str(error))
        elif known is not None:
            log.info("what was learned is of another encoder or rule; learning anew", camera=self._camera_id)
        self._kept[rule_id, kind] = _Kept(learner, basis, alerts_per_day=alerts_per_day)


def vector_of(incident: Incident, encoder_id: str) -> NDArray[np.float32] | None:
    """(D,), what its rule went by, if that was seen by this encoder."""
    candidate = incident.candidate
    is_same = bool(encoder_id) and candidate.models.get("encoder", "") == encoder_id
    return unpack_vector(candidate.embedding) if is_same else None


def _teach_calibration(calibration: Calibration, incident: Incident) -> None:
    if incident.review is not None:
        opened_seconds = incident.opened_at.timestamp()
        peak = incident.candidate.peak_score
        calibration.reviewed(incident.id, opened_seconds, peak, is_right=incident.review.is_right)


def _basis(rule: Rule, encoder_id: str) -> str:
    """Fingerprint of all that a score goes by; not of when and to whom it is told."""
    files = rule.examples.model_dump() if rule.examples is not None else {}
    names = {kind: [PurePath(path).name for path in paths] for kind, paths in files.items()}
    timing = (rule.timing.smoothing, rule.timing.dwell)
    parts = (encoder_id, rule.when, names, rule.unusual, rule.object, rule.zone, timing)
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
