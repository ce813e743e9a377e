"""What spans say of things: ids and figures, never words or pictures of a scene."""

from __future__ import annotations

from pipeline.contracts.assessment import Assessment
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame, Frame

Attributes = dict[str, str | int | float | bool]


def of_frame(frame: Frame | EncodedFrame) -> Attributes:
    """Whose frame, and which."""
    return {"sightline.camera": frame.camera_id, "sightline.frame": frame.sequence}


def of_candidate(candidate: Candidate) -> Attributes:
    """Which incident, where, by which rule."""
    return {
        "sightline.incident": candidate.id,
        "sightline.camera": candidate.camera_id,
        "sightline.rule": candidate.rule_id,
        "sightline.severity": candidate.severity.value,
    }


def of_verdict(assessment: Assessment) -> Attributes:
    """What was said, by which model, for how many tokens; `gen_ai.…` are OpenTelemetry's own names."""
    about: Attributes = {
        "sightline.incident": assessment.candidate_id,
        "sightline.verdict": assessment.verdict.value,
        "sightline.is_degraded": bool(assessment.degraded),
        "gen_ai.request.model": assessment.model_id,
    }
    if assessment.probability is not None:
        about["sightline.probability"] = assessment.probability
    if assessment.usage is not None:
        about["sightline.calls"] = assessment.usage.calls
        about["gen_ai.usage.input_tokens"] = assessment.usage.input_tokens
        about["gen_ai.usage.output_tokens"] = assessment.usage.output_tokens
    return about


def of_claims(assessment: Assessment) -> Attributes:
    """What became of a report's claims."""
    grounding = assessment.grounding
    about: Attributes = {"sightline.incident": assessment.candidate_id}
    if grounding is not None:
        about["sightline.claims_supported"] = grounding.num_supported
        about["sightline.claims_removed"] = len(grounding.removed)
    return about
