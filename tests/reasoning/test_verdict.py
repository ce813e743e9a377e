"""Probabilities to verdict."""

from __future__ import annotations

import pytest

from pipeline.contracts.assessment import Answer, Verdict
from pipeline.reasoning.verdict import decide
from pipeline.settings import ReasoningSettings


@pytest.mark.parametrize(
    ("yes", "no", "cannot_tell", "verdict"),
    [
        pytest.param(0.9, 0.1, 0.0, Verdict.CONFIRMED, id="clear yes"),
        pytest.param(0.6, 0.4, 0.0, Verdict.CONFIRMED, id="at confirm_above"),
        pytest.param(0.5, 0.5, 0.0, Verdict.UNVERIFIED, id="in the band"),
        pytest.param(0.4, 0.6, 0.0, Verdict.REJECTED, id="at reject_below"),
        pytest.param(0.1, 0.9, 0.0, Verdict.REJECTED, id="clear no"),
        pytest.param(0.1, 0.2, 0.7, Verdict.UNVERIFIED, id="cannot tell"),
        pytest.param(0.35, 0.45, 0.2, Verdict.UNVERIFIED, id="little yes is not yet no"),
    ],
)
def test_verdict_follows_the_bands(yes: float, no: float, cannot_tell: float, verdict: Verdict) -> None:
    """Yes confirms above its threshold, a majority of no rejects, anything else is unverified."""
    assert decide(Answer(yes, no, cannot_tell), ReasoningSettings())[0] is verdict
