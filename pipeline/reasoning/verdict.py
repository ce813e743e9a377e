"""Probabilities → verdict, with a band in which nobody claims to know."""

from __future__ import annotations

from pipeline.contracts.assessment import Answer, Verdict
from pipeline.settings import ReasoningSettings

_MAJORITY = 0.5


def decide(answer: Answer, settings: ReasoningSettings) -> tuple[Verdict, str]:
    """The verdict and why, in words.

    A rejection hides an alert, so it needs more than a small P(yes): most of the probability on `no`. What
    leans on `cannot tell` is thereby unverified.
    """
    numbers = f"yes {answer.yes:.2f}, no {answer.no:.2f}, cannot tell {answer.cannot_tell:.2f}"
    if answer.yes >= settings.confirm_above:
        return Verdict.CONFIRMED, f"the model says yes ({numbers})"
    if answer.yes <= settings.reject_below and answer.no >= _MAJORITY:
        return Verdict.REJECTED, f"the model says no ({numbers})"
    return Verdict.UNVERIFIED, f"the model cannot tell ({numbers})"
