"""A verdict and its report in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline.cli.report_words import assessment_lines
from pipeline.contracts.assessment import (
    Action,
    Assessment,
    Element,
    Forecast,
    Grounding,
    Relation,
    RemovedClaim,
    Report,
    Verdict,
)
from pipeline.contracts.values import Severity

NOON = datetime(2026, 7, 10, 12, tzinfo=UTC)


def _assessment(**fields: Any) -> Assessment:
    given: dict[str, Any] = {"candidate_id": "c", "verdict": Verdict.CONFIRMED, "reason": "A man climbs."}
    return Assessment(**given | fields, model_id="qwen", started_at=NOON, finished_at=NOON)


def test_every_claim_stands_beside_its_picture() -> None:
    """Things with their place, relations, actions with their span, severity with its reason, and what may come."""
    report = Report(
        title="t",
        explanation="e",
        frames=(1,),
        elements=(Element(name="man", frame=1, box=(0.1, 0.2, 0.304, 1.0)), Element(name="gate", frame=2)),
        relations=(Relation(subject="man", relation="on top of", object="gate", frame=2),),
        actions=(Action(who="man", what="climbs", first_frame=1, last_frame=3),),
        severity=Severity.HIGH,
        severity_reason="It is night.",
        forecasts=(Forecast(what="He jumps.", within_seconds=5, probability=0.7),),
    )
    assert assessment_lines(_assessment(report=report, probability=0.93)) == [
        "confirmed (93% yes) by qwen: A man climbs.",
        "in picture 1: man (10-30% across, 20-100% down)",
        "in picture 2: gate",
        "in picture 2: man on top of gate",
        "in pictures 1 to 3: man: climbs",
        "the model calls it high: It is night.",
        "within 5 s: He jumps. (70%)",
    ]


def test_what_was_removed_is_told_with_the_reason() -> None:
    """How many of how many, and each; nothing where all were borne out."""
    removed = RemovedClaim(claim="dog in picture 1", reason="there is nothing in its box in picture 1")
    grounding = Grounding(num_checked=3, num_supported=2, removed=(removed,))
    assert assessment_lines(_assessment(grounding=grounding))[1:] == [
        "1 of 3 claims removed:",
        "  dog in picture 1: there is nothing in its box in picture 1",
    ]
    assert len(assessment_lines(_assessment(grounding=Grounding(num_checked=3, num_supported=3)))) == 1


def test_how_it_came_about_is_told() -> None:
    """What reviews, haste and words in the scene did to a verdict."""
    lines = assessment_lines(
        _assessment(probability=0.7, raw_probability=0.9, degraded="4 of 8 pictures", safety="asked again")
    )
    assert lines[1:] == [
        "the model said 90%; reviews of this rule's verdicts moved it",
        "4 of 8 pictures",
        "asked again",
    ]
