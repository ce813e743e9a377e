"""A model's P(yes) as people's reviews of one rule would have it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.contracts.assessment import Answer, Verdict
from pipeline.reasoning.verdict import decide
from pipeline.reasoning.verdict_calibration import calibrate, calibration_note, fit_scale
from pipeline.settings import ReasoningSettings
from tests.support.context import MODEL, PROMPT, simulated, verdict


def brier(kind: str, num_reviews: int, seed: int) -> tuple[float, float]:
    """(before, after) on 2,000 verdicts that were not learned from."""
    reviews = [verdict(float(raw), bool(so)) for raw, so in zip(*simulated(kind, num_reviews, seed), strict=True)]
    scale = fit_scale(reviews, MODEL, PROMPT)
    raw, truth = simulated(kind, 2000, seed + 1000)
    calibrated = np.array([scale.probability(float(each)) for each in raw])
    return float(np.mean((raw - truth) ** 2)), float(np.mean((calibrated - truth) ** 2))


@pytest.mark.parametrize(
    ("kind", "num_reviews", "least_gain"),
    [
        ("overconfident", 10, 0.0),
        ("overconfident", 50, 0.01),
        ("overconfident", 200, 0.015),
        ("biased", 10, 0.03),
        ("biased", 50, 0.08),
        ("biased", 200, 0.1),
        ("both", 10, 0.005),
        ("both", 200, 0.04),
        ("word", 200, 0.05),
        ("fair", 10, -0.01),
        ("fair", 50, -0.005),
        ("fair", 200, -0.002),
    ],
)
def test_reviews_bring_the_brier_score_down(kind: str, num_reviews: int, least_gain: float) -> None:
    """Ten reviews help a bad model and cost a good one at most 0.01; the mean over ten draws."""
    before, after = np.mean([brier(kind, num_reviews, seed) for seed in range(10)], axis=0)
    assert before - after >= least_gain


def test_without_reviews_nothing_changes() -> None:
    """Neither without any, nor with those of another model, nor with those of another wording."""
    answer = Answer(0.97, 0.02, 0.01, "yes")
    others = [verdict(0.9, False, model_id="other"), verdict(0.9, False, prompt_version="p0")] * 50
    assert calibrate(answer, (), MODEL, PROMPT) == answer
    assert calibrate(answer, others, MODEL, PROMPT) == answer


@pytest.mark.parametrize("raw", [0.9, 0.95, 1.0])
def test_few_reviews_do_not_turn_a_clear_verdict(raw: float) -> None:
    """Ten people in a row who say no leave a yes of 0.9 confirmed."""
    told = calibrate(Answer(raw, 1 - raw, 0.0), [verdict(raw, False)] * 10, MODEL, PROMPT)
    assert decide(told, ReasoningSettings())[0] is Verdict.CONFIRMED
    assert told.yes < raw


def test_reviews_alone_never_reject() -> None:
    """A hundred false alarms in a row make a yes unverified, which is told; what hides an alert is the model's no."""
    told = calibrate(Answer(0.8, 0.15, 0.05), [verdict(0.8, False)] * 100, MODEL, PROMPT)
    assert told.yes < 0.2
    assert decide(told, ReasoningSettings())[0] is Verdict.UNVERIFIED


def test_reviews_bring_back_what_a_model_rejects_wrongly() -> None:
    """What a shy model says of real events counts for more, and all still adds up to 1."""
    told = calibrate(Answer(0.2, 0.7, 0.1), [verdict(0.2, True)] * 50, MODEL, PROMPT)
    assert decide(told, ReasoningSettings())[0] is Verdict.CONFIRMED
    assert told.yes + told.no + told.cannot_tell == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_answers_is_kept(seed: int) -> None:
    """Even when people contradict the model throughout, more raw yes is never less calibrated yes."""
    rng = np.random.default_rng(seed)
    reviews = [verdict(float(raw), bool(raw < 0.5)) for raw in rng.random(60)]
    scale = fit_scale(reviews, MODEL, PROMPT)
    probabilities = [scale.probability(raw) for raw in np.linspace(0.0, 1.0, 201)]
    assert all(low <= high for low, high in pairwise(probabilities))
    assert all(0.0 <= each <= 1.0 for each in probabilities)


def test_the_reason_tells_what_the_model_itself_said() -> None:
    """Else nobody could see why a sure model is unverified."""
    raw = Answer(0.9, 0.1, 0.0)
    assert calibration_note(raw, calibrate(raw, (), MODEL, PROMPT)) == ""
    assert "yes 0.90" in calibration_note(raw, calibrate(raw, [verdict(0.9, False)] * 40, MODEL, PROMPT))
