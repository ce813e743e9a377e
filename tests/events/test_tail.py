"""The upper tail of levels, on samples whose tails are known."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from pipeline.events.tail import HIGHEST, LOWEST, STEP, distance, level_for, level_over, to_logit, to_score


def downwards(*levels: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(sorted(levels, reverse=True))


@pytest.mark.parametrize("score", [0.001, 0.5, 0.73, 0.999])
def test_scores_come_back_from_the_logit_scale(score: float) -> None:
    """Within rounding; what is beyond has its end."""
    assert to_score(to_logit(score)) == pytest.approx(score, abs=1e-12)
    assert (to_logit(-3.0), to_logit(2.0)) == pytest.approx((LOWEST, HIGHEST))


def test_a_level_lies_half_way_between_what_is_allowed_and_what_is_not() -> None:
    """Counted by weight; above all where nothing is allowed, and under all where everything is."""
    levels, weights = downwards(5.0, 3.0, 3.0, 1.0), np.ones(4)
    assert level_over(levels, weights, 1.0) == 4.0
    assert level_over(levels, weights, 2.9) == 4.0  # of two alike both pass, or none
    assert level_over(levels, weights, 3.0) == 2.0
    assert level_over(levels, weights, 0.5) == 5.0 + STEP
    assert level_over(levels, weights, 4.0) == LOWEST
    assert level_over(levels, np.array([0.5, 1, 1, 1]), 0.5) == 4.0


@pytest.mark.parametrize(
    ("draw", "level_of"),
    [
        (lambda rng, n: rng.exponential(0.7, n), lambda share: -0.7 * math.log(share)),
        (lambda rng, n: rng.logistic(0, 0.5, n), lambda share: 0.5 * math.log(1 / share - 1)),
        (lambda rng, n: rng.normal(0, 1, n), lambda share: NormalDist().inv_cdf(1 - share)),
    ],
    ids=["exponential", "logistic", "gaussian"],
)
def test_a_rare_level_is_found_from_few_blocks(draw, level_of) -> None:  # type: ignore[no-untyped-def]
    """One in 400, from 200: within a tenth in the mean of 200 samples, by the tail and not by the highest seen."""
    rng = np.random.default_rng(1)
    found = [level_for(np.sort(draw(rng, 200))[::-1], np.ones(200), 1 / 400) for _ in range(200)]
    assert np.mean(found) == pytest.approx(level_of(1 / 400), rel=0.1)


def test_two_populations_are_counted_where_no_tail_fits() -> None:
    """A hundred quiet blocks to one loud one: the level asked for is passed by the loud ones alone."""
    levels = np.concatenate([np.full(20, 3.0), np.full(2000, -2.0)])
    assert level_for(levels, np.ones(2020), 4 / 2020) > 3.0
    assert -2.0 < level_for(levels, np.ones(2020), 40 / 2020) < 3.0 + STEP


def test_distances_by_hand() -> None:
    """0 of the same, 1 of what does not overlap, a half where half has moved; the earlier ones by weight."""
    earlier, ones = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4)
    assert distance(earlier, earlier, ones) == 0
    assert distance(earlier + 10, earlier, ones) == 1
    assert distance(np.array([1.0, 2.0, 13.0, 14.0]), earlier, ones) == 0.5
    assert distance(np.array([3.0, 4.0]), earlier, np.array([0.0, 0.0, 1.0, 1.0])) == 0
