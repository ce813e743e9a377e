"""What people's reviews do to the Brier score of a model's verdicts, on simulated models.

What is so is drawn from true logits of mean 0 and spread 1.5. A model shows them as they are, three times as large
(overconfident), two higher (biased), both, says only a word, or shows noise around 2 that knows nothing. Each is
reviewed so often, drawn 30 times; the score is taken on 2,000 verdicts that were not learned from. Last, the
share of draws after which the model's 0.9 is still confirmed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measure import parser, save, show
from numpy.typing import NDArray
from scipy.special import expit

from pipeline.contracts.assessment import Answer, ReviewedVerdict, Verdict
from pipeline.reasoning.verdict import decide
from pipeline.reasoning.verdict_calibration import calibrate, fit_scale
from pipeline.settings import ReasoningSettings

MODELS = ("fair", "overconfident", "biased", "both", "word", "knows nothing")
NUM_REVIEWS = (5, 10, 50, 200)
NUM_DRAWS = 30
NUM_HELD_OUT = 2000
_CLEAR = 0.9
_NAMES = ("model", "reviews", "brier_before", "brier_after", "worst_draw", "clear_still_confirmed")


def verdicts(model: str, number: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(P(yes), what was so)."""
    logits = rng.normal(0.0, 1.5, number)
    truth = rng.random(number) < expit(logits)
    shown = {
        "fair": logits,
        "overconfident": 3 * logits,
        "biased": logits + 2,
        "both": 3 * logits + 2,
        "word": np.where(logits > 0, 99.0, -99.0),
        "knows nothing": rng.normal(2.0, 1.0, number),
    }
    return expit(shown[model]), truth


def draw(model: str, num_reviews: int, seed: int) -> tuple[float, float, float]:
    """(Brier before, after, share of clear answers still confirmed)."""
    rng = np.random.default_rng(seed)
    learned, held_out = verdicts(model, num_reviews, rng), verdicts(model, NUM_HELD_OUT, rng)
    reviews = [ReviewedVerdict("m", "p", float(raw), bool(so)) for raw, so in zip(*learned, strict=True)]
    scale = fit_scale(reviews, "m", "p")
    raw, truth = held_out
    after = np.array([scale.probability(float(each)) for each in raw])
    clear = calibrate(Answer(_CLEAR, 1 - _CLEAR, 0.0), reviews, "m", "p")
    still = decide(clear, ReasoningSettings())[0] is Verdict.CONFIRMED
    return float(np.mean((raw - truth) ** 2)), float(np.mean((after - truth) ** 2)), float(still)


def row(model: str, num_reviews: int) -> tuple[object, ...]:
    """Means over the draws, and the draw in which the score got worst."""
    drawn = np.array([draw(model, num_reviews, seed) for seed in range(NUM_DRAWS)])
    before, after, still = drawn.mean(axis=0)
    worst = (drawn[:, 1] - drawn[:, 0]).max()
    return (model, num_reviews, *(round(float(each), 3) for each in (before, after, worst, still)))


def main() -> None:
    """Measure, print, and keep with `--save`."""
    arguments = parser(__doc__ or "").parse_args()
    rows = [row(model, num_reviews) for model in MODELS for num_reviews in NUM_REVIEWS]
    columns = ("model", "reviews", "Brier before", "after", "worst draw", "0.9 still confirmed")
    show("Brier score on verdicts that were not learned from", columns, rows)
    if arguments.save:
        print(save(Path(__file__).stem, {"rows": [dict(zip(_NAMES, line, strict=True)) for line in rows]}))


if __name__ == "__main__":
    main()
