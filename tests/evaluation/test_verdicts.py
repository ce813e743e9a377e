"""How far a model's probabilities could be believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.contracts.assessment import Verdict
from pipeline.contracts.incident import Incident
from pipeline.evaluation.verdicts import reliabilities
from tests.support.context import judged
from tests.support.store import START, make_assessment, make_candidate


def told(number: int, probability: float | None, *, is_right: bool | None = True, **changes: object) -> Incident:
    candidate = make_candidate(START + timedelta(minutes=number))
    said = make_assessment(candidate.id, Verdict.CONFIRMED, probability=probability, model_id="m", **changes)
    return judged(candidate, is_right=is_right, assessment=said).incident


def test_the_brier_score_of_raw_and_calibrated_values() -> None:
    """The mean squared distance to what people said; old rows without a raw value have one value for both."""
    rows = reliabilities([told(1, 0.8, raw_probability=1.0, is_right=False), told(2, 0.5)])
    assert [(row.rule_id, row.model_id, row.num_verdicts, row.num_right) for row in rows] == [("climb", "m", 2, 1)]
    assert rows[0].brier_raw == pytest.approx((1.0 + 0.25) / 2)
    assert rows[0].brier == pytest.approx((0.64 + 0.25) / 2)


def test_each_range_says_how_often_it_was_right() -> None:
    """A range begins at its lower bound; certainty is in the last one."""
    said = [(0.0, False), (0.19, True), (0.8, True), (1.0, True)]
    rows = reliabilities([told(n, p, is_right=right) for n, (p, right) in enumerate(said)])
    assert [(one.low, one.num_verdicts, one.share_right) for one in rows[0].bins] == [(0.0, 2, 0.5), (0.8, 2, 1.0)]
    assert rows[0].bins[1].mean_probability == pytest.approx(0.9)


def test_another_prompt_is_another_row_and_silence_none() -> None:
    """What nobody reviewed, and what no model answered, says nothing."""
    found = [told(1, 0.8), told(2, 0.8, prompt_version="p2"), told(3, 0.8, is_right=None), told(4, None)]
    assert [(row.prompt_version, row.num_verdicts) for row in reliabilities(found)] == [("", 1), ("p2", 1)]
