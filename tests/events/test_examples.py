"""Examples as a scorer: what is like them, what is not, reviews, words beside them, and bad input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.example import ExampleSet, ReviewedVector
from pipeline.events.examples import MAX_REVIEWS, NO_EXAMPLES, PROBE_AFTER, ExampleScorer, with_reviews
from pipeline.events.scored import Match
from tests.support.events import START

SIZE = 32
FALL, SIT, SCENE, CAT = np.eye(SIZE, dtype=np.float32)[:4]


def near(direction: NDArray[np.float32], count: int, seed: int = 0, noise: float = 0.15) -> NDArray[np.float32]:
    """(count, D) unit vectors about one direction of one scene, as an encoder's narrow cone gives them."""
    rng = np.random.default_rng(seed)
    rows = 2 * SCENE + direction + rng.normal(0, noise, (count, SIZE)) / math.sqrt(SIZE) * 4
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def shown(num_positive: int, num_negative: int) -> ExampleSet:
    return ExampleSet(
        near(FALL, num_positive),
        near(SIT, num_negative, seed=1),
        tuple(f"fall-{n}.jpg" for n in range(num_positive)),
        tuple(f"sit-{n}.jpg" for n in range(num_negative)),
    )


def scores(scorer: ExampleScorer, vectors: NDArray[np.float32]) -> list[float]:
    return [match.score for match in scorer.match(vectors, START)]


class Words:
    """Says the same of every vector."""

    missing = ""

    def __init__(self, score: float) -> None:
        self._score = score

    def match(self, vectors: NDArray[np.float32], at: object) -> list[Match]:
        return [Match(self._score, "words")] * len(vectors)


def review(vector: NDArray[np.float32], *, is_positive: bool, name: str = "incident 1") -> ReviewedVector:
    return ReviewedVector(vector, is_positive, name)


@pytest.mark.parametrize("num_negative", [1, 3, 5])
@pytest.mark.parametrize("num_positive", [1, 3, 5])
def test_like_the_examples_is_over_the_threshold(num_positive: int, num_negative: int) -> None:
    """From one example of each kind on, what is alike is told apart from what is not, about the cold threshold .6."""
    scorer = ExampleScorer(shown(num_positive, num_negative))
    assert np.mean(np.array(scores(scorer, near(FALL, 50, seed=7))) > 0.6) > 0.9
    assert max(scores(scorer, near(SIT, 50, seed=8))) < 0.4


@pytest.mark.parametrize("num_positive", [1, 3, 5])
def test_positive_examples_alone_make_a_rule(num_positive: int) -> None:
    """Without anything to compare it with, an example's like scores higher than what has nothing to do with it."""
    scorer = ExampleScorer(shown(num_positive, 0))
    assert min(scores(scorer, near(FALL, 50, seed=7))) > max(scores(scorer, near(CAT, 50, seed=8)))
    assert scores(scorer, near(FALL, num_positive))[0] > 0.9


def test_what_is_like_nothing_shown_scores_low() -> None:
    """A cat is no fall, though no example says so."""
    assert max(scores(ExampleScorer(shown(3, 3)), near(CAT, 20, seed=9))) < 0.6


def test_the_cameras_normal_counts_against() -> None:
    """What the camera sees every day is nothing to tell, however much its scene is like the example's."""
    normal = near(SIT, 40, seed=3)
    scorer = ExampleScorer(shown(1, 0), normal=normal)
    (match,) = scorer.match(near(SIT, 1, seed=4), START)
    assert match.score < 0.4
    assert "what is normal here" in match.reason
    assert min(scores(scorer, near(FALL, 20, seed=5))) > 0.6


def test_the_reason_names_the_example() -> None:
    """Which example it is most like, how much, and the nearest of the other kind."""
    (match,) = ExampleScorer(shown(3, 2)).match(shown(3, 2).positive[1:2], START)
    assert match.reason.startswith("most like fall-1.jpg (1.00); of the others most like sit-")


def test_the_frames_of_a_clip_are_one_example() -> None:
    """Frames of one clip, which are nearly the same, do not make the rule fit that clip alone."""
    frames = near(FALL, 5, noise=0.01)
    clip = ExampleSet(frames, np.empty((0, SIZE), np.float32), ("fall.mp4",) * 5, ())
    assert scores(ExampleScorer(clip), near(FALL, 20, seed=7)) == pytest.approx(
        scores(ExampleScorer(ExampleSet(frames[:1], clip.negative, ("fall.mp4",), ())), near(FALL, 20, seed=7)), abs=0.1
    )


def test_enough_examples_train_a_probe() -> None:
    """Where much differs that has nothing to do with the rule, a probe finds what has; the nearest example is chance.

    Seven names for the same vectors are seven examples, too few for a probe.
    """
    rows = [near(kind, 24, seed=seed, noise=0.6) for seed, kind in enumerate((0.8 * FALL, 0.8 * SIT))]
    names = [f"{n}" for n in range(24)]
    few = [str(n % (PROBE_AFTER - 1)) for n in range(24)]
    probe, nearest = (ExampleScorer(ExampleSet(rows[0], rows[1], tuple(n), tuple(n))) for n in (names, few))
    unseen = near(0.8 * FALL, 200, seed=7, noise=0.6), near(0.8 * SIT, 200, seed=8, noise=0.6)

    def share_right(scorer: ExampleScorer) -> float:
        of_both = np.array(scores(scorer, unseen[0])), np.array(scores(scorer, unseen[1]))
        return float((of_both[0][:, None] > of_both[1][None, :]).mean())

    assert share_right(probe) > share_right(nearest) + 0.02


def test_a_rejected_alert_is_not_told_again() -> None:
    """What was told and rejected scores under the threshold at once, and what was confirmed still over it."""
    scorer, told = ExampleScorer(shown(3, 1)), near(0.7 * FALL + 0.5 * CAT, 1, seed=11)
    before = scores(scorer, told)[0]
    scorer.update(with_reviews(shown(3, 1), [review(told[0], is_positive=False)]))
    assert scores(scorer, told)[0] < 0.5 < before
    assert min(scores(scorer, near(FALL, 10, seed=12))) > 0.5


def test_of_two_reviews_of_the_same_the_later_holds() -> None:
    """Confirmed, then rejected: it is rejected."""
    (told,) = near(CAT, 1)
    kept = with_reviews(shown(1, 1), [review(told, is_positive=True), review(told, is_positive=False, name="later")])
    assert (len(kept.positive), kept.negative_names[1:]) == (1, ("later",))


def test_a_review_does_not_contradict_the_site_file() -> None:
    """What shows the same as an example of the file is left out: the file says what it is."""
    examples = shown(2, 1)
    kept = with_reviews(examples, [review(examples.positive[0], is_positive=False)])
    assert len(kept.negative) == 1


def test_a_storm_of_reviews_stays_bounded() -> None:
    """Of a thousand reviews the latest two hundred count, and the file's examples always."""
    storm = [review(v, is_positive=False, name=str(n)) for n, v in enumerate(near(CAT, 1000, seed=5))]
    kept = with_reviews(shown(2, 1), storm)
    assert len(kept.positive) == 2
    assert len(kept.negative) == 1 + MAX_REVIEWS
    assert (kept.negative_names[0], kept.negative_names[-1]) == ("sit-0.jpg", "999")


@pytest.mark.parametrize(
    "vector",
    [np.zeros(SIZE), np.full(SIZE, np.nan), np.ones(3), np.ones((2, SIZE))],
    ids=["zero", "NaN", "short", "two"],
)
def test_a_review_that_is_no_vector_is_left_out(vector: NDArray[np.float64]) -> None:
    """Corrupt or of another encoder: the examples stay as they are."""
    kept = with_reviews(shown(1, 1), [review(vector.astype(np.float32), is_positive=True)])
    assert kept.positive_names == ("fall-0.jpg",)


def test_reviews_alone_correct_the_words() -> None:
    """A rule in words without examples: what was rejected scores lower, what is like neither stays as it was."""
    rejected = with_reviews(NO_EXAMPLES, [review(one, is_positive=False) for one in near(SIT, 3, seed=1)])
    words = ExampleScorer(NO_EXAMPLES, Words(0.7))
    assert scores(words, near(SIT, 2)) == [0.7, 0.7]
    words.update(rejected)
    assert max(scores(words, near(SIT, 3, seed=1))) < 0.3
    assert scores(words, np.asarray([-CAT], np.float32)) == pytest.approx([0.7], abs=0.01)


def test_words_and_examples_add_up() -> None:
    """Words that say yes raise what is like an example, words that say no lower it; both reasons are given."""
    vectors = near(FALL, 3, seed=7)
    alone = scores(ExampleScorer(shown(3, 3), Words(0.5)), vectors)
    assert all(low < middle for low, middle in zip(_with(Words(0.2), vectors), alone, strict=True))
    assert all(high > middle for high, middle in zip(_with(Words(0.8), vectors), alone, strict=True))
    assert ExampleScorer(shown(1, 0), Words(0.5)).match(vectors, START)[0].reason.startswith("words; most like")


def _with(words: Words, vectors: NDArray[np.float32]) -> Sequence[float]:
    return scores(ExampleScorer(shown(3, 3), words), vectors)


def test_without_a_positive_example_it_says_what_is_missing() -> None:
    """No words and no example: it cannot score, and says why."""
    assert ExampleScorer(NO_EXAMPLES).missing == "no example of what is to be told"
    assert ExampleScorer(shown(1, 0)).missing == ""


@pytest.mark.parametrize("vectors", [np.ones((2, 3)), np.full((2, SIZE), np.nan)], ids=["another size", "NaN"])
def test_vectors_that_cannot_be_scored_are_nan(vectors: NDArray[np.float64]) -> None:
    """One NaN a row, without a warning."""
    found = ExampleScorer(shown(2, 2)).match(vectors.astype(np.float32), START)
    assert [math.isnan(match.score) for match in found] == [True, True]


def test_one_bad_row_fails_alone() -> None:
    """The others of the same call are scored."""
    rows = near(FALL, 3)
    rows[1] = np.inf
    assert [math.isnan(one) for one in scores(ExampleScorer(shown(2, 2)), rows)] == [False, True, False]


@pytest.mark.parametrize("words", [0.9, 0.999, 1.0])
def test_what_is_just_like_a_rejected_alert_is_not_told_however_sure_the_words_are(words: float) -> None:
    """Scores of a CLIP saturate; one rejection must be enough all the same."""
    rejected = with_reviews(NO_EXAMPLES, [review(FALL, is_positive=False)])
    like, unlike = scores(ExampleScorer(rejected, Words(words)), np.stack([FALL, CAT]))
    assert like < 0.4
    assert unlike == pytest.approx(words, abs=0.05)
