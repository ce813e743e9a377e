"""What a model's P(yes) is worth on one rule, by what people said of its verdicts there.

In: an answer, and reviewed verdicts of the same rule (`RequestContext.reviewed`). Out: the answer with P(yes)
calibrated by Platt's sigmoid over the logit of the raw value (Platt 1999; on logits, temperature scaling, Guo et al.
2017, is the case without an offset), for one model and one wording of the prompt. A pure function: the same reviews
give the same value on any machine.

Three things keep it safe. The prior is `PRIOR_REVIEWS` reviews, evenly over the logits from -3 to 3, that agree with
the model as it is, so none leaves it as it is. A value moves by no more than `MAX_SHIFT` logits a review, so few never
turn a clear verdict. And what people take from `yes` goes to `cannot tell`: reviews alone make a verdict unverified,
never rejected, which would hide it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.contracts.assessment import Answer, ReviewedVerdict

PRIOR_REVIEWS = 20.0
MAX_SHIFT = 0.1
"""Logits a review: ten reviews that all say no make 0.77 of 0.90."""
_PRIOR_LOGITS = np.linspace(-3.0, 3.0, 7)
_MAX_LOGIT = math.log(0.99 / 0.01)
"""Of a raw value, either way: backends that only choose a word say 0 or 1."""
_SLOPES, _OFFSETS = (0.05, 5.0), (-6.0, 6.0)
"""A slope over 0 keeps the order of the model's answers."""


@dataclass(frozen=True, slots=True)
class VerdictScale:
    """logit P(yes) = slope · logit(raw) + offset, at most `max_shift` logits from raw."""

    slope: float
    offset: float
    max_shift: float
    num_reviews: int

    def probability(self, raw: float) -> float:
        """Calibrated P(yes); never falls as `raw` rises."""
        if not self.num_reviews:
            return raw
        logit = _logit(raw)
        moved = self.slope * logit + self.offset
        return float(expit(min(max(moved, logit - self.max_shift), logit + self.max_shift)))


def fit_scale(reviewed: Sequence[ReviewedVerdict], model_id: str, prompt_version: str) -> VerdictScale:
    """The scale of this model under this wording; reviews of others are left out. About 2 ms for 200."""
    ours = [one for one in reviewed if (one.model_id, one.prompt_version) == (model_id, prompt_version)]
    if not ours:
        return VerdictScale(1.0, 0.0, 0.0, 0)
    logits = np.concatenate([_PRIOR_LOGITS, [_logit(one.raw_probability) for one in ours]])
    truth = np.concatenate([expit(_PRIOR_LOGITS), [float(one.is_right) for one in ours]])
    weights = np.concatenate([np.full(len(_PRIOR_LOGITS), PRIOR_REVIEWS / len(_PRIOR_LOGITS)), np.ones(len(ours))])
    slope, offset = _fit(logits, truth, weights)
    return VerdictScale(slope, offset, MAX_SHIFT * len(ours), len(ours))


def calibrate(answer: Answer, reviewed: Sequence[ReviewedVerdict], model_id: str, prompt_version: str) -> Answer:
    """The same answer with P(yes) as people's reviews would have it; unchanged without any."""
    scale = fit_scale(reviewed, model_id, prompt_version)
    raw = min(max(answer.yes, 0.0), 1.0)
    yes = scale.probability(raw)
    if yes == raw:
        return answer
    if yes < raw:
        return replace(answer, yes=yes, cannot_tell=answer.cannot_tell + raw - yes)
    rest = (1 - yes) / (1 - raw)
    return replace(answer, yes=yes, no=answer.no * rest, cannot_tell=answer.cannot_tell * rest)


def calibration_note(raw: Answer, calibrated: Answer) -> str:
    """For the reason of a verdict: what the model itself said; empty when that is what counts."""
    return "" if raw.yes == calibrated.yes else f"; without people's reviews of this rule: yes {raw.yes:.2f}"


def _fit(logits: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of least weighted cross-entropy: convex, so it has one minimum."""

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved = at[0] * logits + at[1]
        wrong = weights * (expit(moved) - truth)
        entropy = float(np.sum(weights * (np.logaddexp(0.0, moved) - truth * moved)))
        return entropy, np.array([np.sum(wrong * logits), np.sum(wrong)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, _OFFSETS])
    return float(found.x[0]), float(found.x[1])


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-12), 1 - 1e-12)
    return min(max(math.log(bounded / (1 - bounded)), -_MAX_LOGIT), _MAX_LOGIT)
