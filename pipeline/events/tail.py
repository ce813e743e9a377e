"""The upper tail of what a camera's scores reach: which level is passed so often, and whether the levels have moved.

In: highest levels of equal blocks of watched time, on the logit scale (`to_logit`), and their weights. Out: levels and
distances. Which block counts how much, and what becomes of a level, is left to the caller.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]
Weights = NDArray[np.float64]

_CLIP = 1e-4
LOWEST, HIGHEST = math.log(_CLIP / (1 - _CLIP)), math.log((1 - _CLIP) / _CLIP)
"""Ends of the logit scale: scores closer to 0 or 1 than 0.0001 are taken to be alike."""
STEP = 0.1
"""Logits; just above a level: 0.025 in the middle of the scores, 0.009 at 0.9."""
_TAIL_BLOCKS = 30
"""A tail is fitted to so many blocks if that is between a tenth and half of those that show anything."""
_MIN_TAIL_BLOCKS = 5
"""With fewer there is nothing to fit."""
_SHAPE_PRIOR_BLOCKS = 70.0
"""How strongly the shape is drawn to 0, an exponential tail: a deviation of 0.12 is expected of shapes (Martins &
Stedinger, Water Resources Research 36(3), 2000), and n blocks know theirs to about n^-1/2; 0.12^-2 is 70."""
_MAX_SHAPE = 0.5
_MIN_SCALE = 0.05
"""Logits; of a camera whose scores are all alike, so that a threshold stands off from them."""
_COUNTS_RULE = 10.0
"""Blocks expected over a level from which on they are counted and nothing is fitted: they are right to a third."""


def to_logit(score: float) -> float:
    """A score of 0..1 on a scale on which tails have a shape; what is beyond 0..1 counts as its end."""
    bounded = min(max(score, _CLIP), 1 - _CLIP)
    return math.log(bounded / (1 - bounded))


def to_score(logit: float) -> float:
    """The other way round."""
    return 1 / (1 + math.exp(-logit))


def level_for(levels: Levels, weights: Weights, share: float) -> float:
    """The level that this share of blocks reaches; `levels` from the highest down, with their weights.

    Counted where enough blocks speak (`level_over`); else by a generalised Pareto tail over a high level (peaks over
    threshold, as SPOT does for streams: Siffer et al., KDD 2017), and where more or fewer blocks lie above that than
    chance would have it (scores with three values, two kinds of days), by the count all the same.
    """
    expected = share * float(weights.sum())
    counted = level_over(levels, weights, expected)
    if expected >= _COUNTS_RULE:
        return counted
    fitted = _fitted(levels, weights, share)
    if fitted is None:
        return counted
    seen = float(weights[levels >= fitted].sum())
    return counted if abs(seen - expected) > 2 * math.sqrt(expected) else fitted


def level_over(levels: Levels, weights: Weights, allowed: float) -> float:
    """The lowest level that blocks of no more than `allowed` weight reach: half way up to the next of these.

    `levels` from the highest down, with their weights.
    """
    first_too_many = int(np.searchsorted(np.cumsum(weights), allowed, side="right"))
    if first_too_many >= len(levels):
        return LOWEST
    must_pass = float(levels[first_too_many])
    higher = levels[:first_too_many][levels[:first_too_many] > must_pass]
    return (must_pass + float(higher[-1])) / 2 if higher.size else must_pass + STEP


def distance(recent: Levels, earlier: Levels, earlier_weights: Weights) -> float:
    """Of two distributions, 0 alike .. 1 apart: the largest difference of shares (Kolmogorov–Smirnov)."""
    points = np.concatenate([recent, earlier])
    order = np.argsort(earlier)
    cumulated = np.concatenate([[0.0], np.cumsum(earlier_weights[order])]) / earlier_weights.sum()
    share_earlier = cumulated[np.searchsorted(earlier[order], points, side="right")]
    share_recent = np.searchsorted(np.sort(recent), points, side="right") / len(recent)
    return float(np.abs(share_recent - share_earlier).max())


def _fitted(levels: Levels, weights: Weights, share: float) -> float | None:
    """By the tail's shape; None when the level lies below the tail, or nothing can be fitted."""
    num_active = int((levels > LOWEST).sum())
    if num_active < 2 * _MIN_TAIL_BLOCKS:
        return None
    tail = max(_MIN_TAIL_BLOCKS, int(num_active * min(max(_TAIL_BLOCKS / num_active, 0.1), 0.5)))
    base = float(levels[tail])
    excess, of_tail = levels[:tail] - base, weights[:tail]
    tail_share = float(of_tail.sum() / weights.sum())
    if share >= tail_share:
        return None
    scale, shape = _pareto(excess, of_tail)
    rarity = math.log(tail_share / share)
    return base + (scale * rarity if abs(shape) < 1e-6 else scale * math.expm1(shape * rarity) / shape)


def _pareto(excess: Levels, weights: Weights) -> tuple[float, float]:
    """(scale, shape) of a generalised Pareto distribution; `excess` from the highest to the lowest.

    By probability-weighted moments (Hosking & Wallis, Technometrics 29(3), 1987), good for few values and in closed
    form.
    """
    total = float(weights.sum())
    above = (np.cumsum(weights) - weights / 2) / total
    mean = float((weights * excess).sum()) / total
    moment = float((weights * above * excess).sum()) / total
    if mean <= _MIN_SCALE:
        return _MIN_SCALE, 0.0
    shape = 2 - mean / max(mean - 2 * moment, 1e-9)
    shape = min(max(shape, -_MAX_SHAPE), _MAX_SHAPE) * len(excess) / (len(excess) + _SHAPE_PRIOR_BLOCKS)
    return max(mean * (1 - shape), _MIN_SCALE), shape
