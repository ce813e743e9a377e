"""Builders for what a request brings beside its pictures: precedents, reviewed verdicts, simulated models."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pipeline.contracts.assessment import Assessment, Precedent, ReviewedVerdict, Verdict
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus, Review
from pipeline.contracts.values import pack_vector
from tests.support.store import START, make_assessment, make_candidate

MODEL, PROMPT = "m", "p1"


def precedent(minutes_ago: float = 60.0, words: str = "a person at the fence", **changes: Any) -> Precedent:
    """An incident of the rule `climb` that a person found wrong."""
    fields: dict[str, Any] = {
        "incident_id": f"i{minutes_ago}",
        "at": START - timedelta(minutes=minutes_ago),
        "rule_id": "climb",
        "words": words,
        "outcome": "a person said: a false alarm (the gardener)",
        "is_false_alarm": True,
        "likeness": 0.9,
    }
    return Precedent(**fields | changes)


def verdict(raw: float, is_right: bool, model_id: str = MODEL, prompt_version: str = PROMPT) -> ReviewedVerdict:
    """One that a person reviewed."""
    return ReviewedVerdict(model_id, prompt_version, raw, is_right)


def seen(vector: list[float], encoder: str = "clip", at: datetime = START, **changes: Any) -> Candidate:
    """A candidate with an embedding."""
    embedding = pack_vector(np.asarray(vector, np.float32))
    return make_candidate(at, embedding=embedding, models={"encoder": encoder}, **changes)


def judged(
    candidate: Candidate, *, is_right: bool | None = None, note: str = "", assessment: Assessment | None = None
) -> IncidentChange:
    """An incident as it is stored once a model, and perhaps a person, had its say."""
    review = None if is_right is None else Review(is_right=is_right, by="ann", at=candidate.opened_at, note=note)
    said = assessment or make_assessment(candidate.id, Verdict.CONFIRMED, probability=0.9, model_id=MODEL)
    incident = Incident(
        id=candidate.id,
        camera_id=candidate.camera_id,
        rule_id=candidate.rule_id,
        status=IncidentStatus.CONFIRMED,
        severity=candidate.severity,
        awaits_verdict=False,
        last_change=1,
        opened_at=candidate.opened_at,
        updated_at=candidate.opened_at,
        candidate=candidate,
        assessment=said,
        review=review,
    )
    return IncidentChange(sequence=1, kind=ChangeKind.CONFIRMED, at=candidate.opened_at, incident=incident)


def simulated(kind: str, number: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(raw P(yes), what was so) of a model that is `fair`, `overconfident` (logits times 3), `biased` (plus 2), both,
    or says only a `word`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.5, number)
    truth = rng.random(number) < expit(logits)
    shown = {
        "fair": logits,
        "overconfident": 3 * logits,
        "biased": logits + 2,
        "both": 3 * logits + 2,
        "word": np.where(logits > 0, 99.0, -99.0),
    }
    return expit(shown[kind]), truth
