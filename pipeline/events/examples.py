"""`examples: [fall-1.jpg, fall-2.mp4]`: how well a vector fits what was shown, and reviews of what was told.

In: unit vectors of pictures, positive and negative, by `perception.examples` and from reviews; optionally another
scorer (the rule's words) and the camera's normal. Out: a score 0..1 with the example it goes by. No example is looked
at here, only its vector.

With few examples the nearest of each kind decides, by an affinity that falls with distance as Tip-Adapter's does
(arXiv 2111.03930), after the vectors were centred and brought to unit length again (SimpleShot, arXiv 1911.04623):
what all pictures of a camera have in common says nothing. `reach` is the distance at which examples of one kind stand
from one another. Where `d+` and `d-` are the distances to the nearest example of each kind, in reaches:

    score = a(d+) / (a(d+) + max(a(d-), a(1.5)))        a(d) = exp(-2 d)

So what is as near to an example as examples are to one another scores .73, what is like nothing shown scores low
though nothing speaks against it, and half way between the kinds the score is .5: .6 is a threshold to begin with.
From `PROBE_AFTER` examples of each kind on, a linear probe (logistic, L2) takes the place of the nearest example, as
far as that is near.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.contracts.example import ExampleSet, ReviewedVector
from pipeline.events.scored import Match, Scorer, Vectors

MAX_REVIEWS = 200
"""Of which a set learns, the latest; its own examples stay whatever comes."""
PROBE_AFTER = 8
"""Different examples of each kind from which a linear probe is trained. CLIP's authors needed four a class for a probe
to be as good as words alone (arXiv 2103.00020, figure 6); an operator's examples are more alike than those."""
SAME = 1e-3
"""1 - cosine below which two vectors show the same. With YOLOX-nano's features, JPEG at quality 85 moves a picture's
vector by up to 4e-4 and keeping it as float16 by 1e-7; the same camera two seconds later is 4e-3 away and more."""
_SHARPNESS = 2.0
_NOTHING_LIKE_IT = 1.5
"""In reaches: the distance from which on an example says nothing; with the sharpness they set the scores above."""
_REACH_UNKNOWN = 0.5
_REACH_UNCENTRED = 0.1
"""Of a single example with nothing to compare it with, in 1 - cosine. Centred vectors that have nothing to do with
one another are 1 apart; others, of the encoders in use, a few tenths."""
_LEAST_REACH = 1e-3
_MIN_NORMAL = 10
"""Vectors of a camera's normal from which their mean says what its pictures have in common."""
_PROBE_STRENGTH = 10.0
"""Inverse of the probe's L2 penalty on the summed loss, in which each kind weighs as `PROBE_AFTER` examples however
many there are: where all examples of a kind are the same, it lets their score reach .98. Not tuned on anything."""
_LOGIT_LIMIT = 6.0
_WORDS_LIMIT = 2.0
"""Of the log-odds of words beside an example that a vector is just like: .88. What is just like a rejected alert then
scores .27 at most, whatever the words say."""

NO_EXAMPLES = ExampleSet(np.empty((0, 0), np.float32), np.empty((0, 0), np.float32), (), ())
"""Of a rule in words, before its first review."""


def with_reviews(examples: ExampleSet, reviews: Sequence[ReviewedVector]) -> ExampleSet:
    """A set with the latest `MAX_REVIEWS` of them, oldest first, as further examples.

    Of two that show the same the later holds. What shows the same as one of the set's own is left out: those are
    what the operator wrote down. Vectors of another size, zero or not finite are left out.
    """
    size = max(examples.positive.shape[1], examples.negative.shape[1]) or (len(reviews[-1].vector) if reviews else 0)
    usable = [one for one in reviews if _is_new(one.vector, examples, size)][-MAX_REVIEWS:]
    kept = _latest_of_same(usable)
    confirmed, rejected = [one for one in kept if one.is_positive], [one for one in kept if not one.is_positive]
    return ExampleSet(
        _stacked(examples.positive, confirmed),
        _stacked(examples.negative, rejected),
        (*examples.positive_names, *(one.name for one in confirmed)),
        (*examples.negative_names, *(one.name for one in rejected)),
        examples.remarks,
    )


class ExampleScorer:
    """Scores vectors by examples, or by words and examples together. Used by one thread.

    Words and examples add up as logarithms of odds, as Tip-Adapter adds its cache to the words' logits; an example
    that a vector is not like leaves the words as they are.
    """

    def __init__(self, examples: ExampleSet, words: Scorer | None = None, normal: Vectors | None = None) -> None:
        """`normal`: (M, D), unit length, what the camera normally sees: negatives, of which there are enough to say
        what all its pictures have in common."""
        self._words = words
        self._normal = normal
        self.update(examples)

    def update(self, examples: ExampleSet, normal: Vectors | None = None) -> None:
        """Score by these from now on; at most some tenths of a second. Without a `normal` the last one holds."""
        self._normal = normal if normal is not None else self._normal
        self._space = _Space(examples, self._normal)

    @property
    def missing(self) -> str:
        """What is missing before it can score, or `""`."""
        if self._words is not None:
            return self._words.missing
        return "" if self._space.has_positive else "no example of what is to be told"

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:
        """One match a row; NaN where a row is of another size or not finite."""
        if self._words is None:
            return [_match(logit, why) for logit, why in self._space.judge(vectors, is_alone=True)]
        spoken = self._words.match(vectors, at)
        if self._space.is_empty:
            return spoken
        judged = self._space.judge(vectors, is_alone=False)
        return [_joined(said, logit, why) for said, (logit, why) in zip(spoken, judged, strict=True)]


class _Space:
    """Examples where they can be compared: centred, with their reach, and with a probe once there are enough."""

    def __init__(self, examples: ExampleSet, normal: Vectors | None) -> None:
        positive, negative = _finite(examples.positive), _finite(examples.negative)
        self._size = max(positive.shape[1], negative.shape[1])
        self.has_positive = len(positive) > 0
        self.is_empty = not self.has_positive and not len(negative)
        known = _finite(normal) if normal is not None else np.empty((0, 0))
        known = known if known.shape[1] == self._size else np.empty((0, self._size))
        self._centre, is_centred = _centre(positive, negative, known)
        self._positive_names = examples.positive_names
        self._negative_names = (*examples.negative_names, *(["what is normal here"] * len(known)))
        contrast = [rows for rows in (negative, known) if len(rows)]
        self._positive = self._centred(positive)
        self._negative = self._centred(np.concatenate(contrast) if contrast else negative)
        self._reach = self._find_reach(is_centred)
        enough = all(len({*names}) >= PROBE_AFTER for names in (self._positive_names, examples.negative_names))
        self._probe = _trained(self._positive, self._negative) if enough else None

    def judge(self, vectors: Vectors, *, is_alone: bool) -> list[tuple[float, str]]:
        """(log-odds, reason) of each row. `is_alone`: like nothing shown means no; otherwise it says nothing: 0."""
        if vectors.ndim != 2 or vectors.shape[1] != self._size:
            return [(math.nan, "")] * len(vectors)
        rows = self._centred(_finite(vectors))
        likeness, likest = _nearest(rows, self._positive)
        unlikeness, unlikest = _nearest(rows, self._negative)
        logits = self._logits(rows, self._log_affinity(likeness), self._log_affinity(unlikeness), is_alone)
        logits = np.where(np.isfinite(vectors).all(axis=1), np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT), math.nan)
        return [
            (float(logit), self._reason(*pair)) for logit, *pair in zip(logits, likeness, likest, unlikest, strict=True)
        ]

    def _logits(
        self, rows: NDArray[np.float64], towards: NDArray[np.float64], against: NDArray[np.float64], is_alone: bool
    ) -> NDArray[np.float64]:
        """Log-odds by the nearest example of each kind; by the probe where there is one, which is never surer than
        the nearest example is near."""
        nothing = -_SHARPNESS * _NOTHING_LIKE_IT
        most = towards - nothing if is_alone else np.maximum(towards - nothing, 0)
        least = np.maximum(against - nothing, 0)
        if self._probe is None:
            return np.asarray(most - least)
        probed = rows @ self._probe[:-1] + self._probe[-1]
        return np.asarray(np.minimum(probed if is_alone else np.maximum(probed, -least), most))

    def _reason(self, likeness: float, likest: int, unlikest: int) -> str:
        unlike = self._negative_names[unlikest] if len(self._negative) else ""
        if not self.has_positive:
            return f"nearest rejected: {unlike}"
        like = f"most like {self._positive_names[likest]} ({likeness:.2f})"
        return f"{like}; of the others most like {unlike}" if unlike else like

    def _log_affinity(self, likeness: NDArray[np.float64]) -> NDArray[np.float64]:
        return -_SHARPNESS * (1 - likeness) / self._reach

    def _centred(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(rows):
            return np.empty((0, self._size))
        moved = rows - self._centre
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12))

    def _find_reach(self, is_centred: bool) -> float:
        """Mean distance of an example to the nearest other one of its kind.

        What would be thought without examples to compare counts as one of them, so that three pictures of the same
        moment do not make a rule that only fits that moment.
        """
        expected = _REACH_UNKNOWN if is_centred else _REACH_UNCENTRED
        if self.has_positive and len(self._negative):
            expected = float((1 - _nearest(self._positive, self._negative)[0]).mean()) / 2
        kind = (self._positive, self._positive_names) if self.has_positive else (self._negative, self._negative_names)
        return max(float(np.append(_to_others(*kind), expected).mean()), _LEAST_REACH)


def _centre(
    positive: NDArray[np.floating], negative: NDArray[np.floating], normal: NDArray[np.floating]
) -> tuple[NDArray[np.float64], bool]:
    """(D,) what all pictures have in common, and whether that is known: the normal's mean, or between the kinds."""
    size = max(positive.shape[1], negative.shape[1])
    if len(normal) >= _MIN_NORMAL:
        return np.asarray(normal.mean(axis=0), np.float64), True
    if len(positive) and len(negative):
        return np.asarray((positive.mean(axis=0) + negative.mean(axis=0)) / 2, np.float64), True
    return np.zeros(size), False


def _to_others(rows: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """(examples,) distance of each example to the nearest one of another name; empty for fewer than two."""
    labels = np.array(names[: len(rows)], dtype=np.str_)
    if len({*labels.tolist()}) < 2:
        return np.empty(0)
    likeness = np.where(labels[:, None] == labels[None, :], -np.inf, rows @ rows.T)
    nearest = 1 - likeness.max(axis=1)
    return np.array([nearest[labels == name].min() for name in dict.fromkeys(labels.tolist())])


def _nearest(rows: NDArray[np.float64], among: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Cosine to the nearest of `among`, and which it is; minus infinity where there is none."""
    if not len(among):
        return np.full(len(rows), -math.inf), np.zeros(len(rows), np.intp)
    likeness = rows @ among.T
    best = likeness.argmax(axis=1)
    return likeness[np.arange(len(rows)), best], best


def _trained(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D + 1,) weights and intercept of a logistic probe, the two kinds weighing the same."""
    rows = np.concatenate((positive, negative))
    signs = np.concatenate((np.ones(len(positive)), -np.ones(len(negative))))
    weights = np.where(signs > 0, 0.5 / len(positive), 0.5 / len(negative)) * 2 * PROBE_AFTER

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (rows @ at[:-1] + at[-1])
        pull = -weights * signs * expit(-margins)
        value = weights @ np.logaddexp(0, -margins) + at[:-1] @ at[:-1] / (2 * _PROBE_STRENGTH)
        return float(value), np.append(pull @ rows + at[:-1] / _PROBE_STRENGTH, pull.sum())

    return np.asarray(minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x)


def _match(logit: float, reason: str) -> Match:
    return Match(float(expit(logit)), reason if math.isfinite(logit) else "")


def _joined(said: Match, logit: float, reason: str) -> Match:
    if not (math.isfinite(said.score) and math.isfinite(logit)):
        return said
    odds = math.log(max(said.score, 1e-9) / max(1 - said.score, 1e-9))
    # Words can be surer than any example: the more an example says, the less their certainty beyond a bound counts.
    say = min(abs(logit) / (_SHARPNESS * _NOTHING_LIKE_IT), 1.0)
    odds += say * (min(max(odds, -_WORDS_LIMIT), _WORDS_LIMIT) - odds)
    return Match(float(expit(odds + logit)), "; ".join(filter(None, (said.reason, reason))))


def _is_new(vector: NDArray[np.float32], examples: ExampleSet, size: int) -> bool:
    if vector.shape != (size,) or not np.isfinite(vector).all() or not vector.any():
        return False
    own = [rows for rows in (examples.positive, examples.negative) if len(rows)]
    return all(float((rows @ vector).max()) < 1 - SAME for rows in own)


def _latest_of_same(reviews: Sequence[ReviewedVector]) -> list[ReviewedVector]:
    """Oldest first, without those that a later one shows again."""
    kept: list[ReviewedVector] = []
    for one in reversed(reviews):
        if all(float(other.vector @ one.vector) < 1 - SAME for other in kept):
            kept.append(one)
    return kept[::-1]


def _stacked(rows: Vectors, more: Sequence[ReviewedVector]) -> Vectors:
    return np.stack([*rows, *(one.vector for one in more)]) if more else rows


def _finite(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, D) as float64; refuses nothing: rows that are not finite become zero, which is like nothing."""
    return np.nan_to_num(np.asarray(rows, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
