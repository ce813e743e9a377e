"""`unusual: true`: scores and reasons from a camera's normal, and from captions."""

from __future__ import annotations

import math
from datetime import datetime
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.events.normal import NormalBank
from pipeline.events.scored import Match
from pipeline.events.state_machine import DEFAULT_RELEASE, DEFAULT_THRESHOLD
from pipeline.events.surprise import SurpriseSketch
from pipeline.events.unusual import UnusualScorer, score_of
from tests.support.normal import ATTACK, DAY, EMPTY, HOUR, PEOPLE, at, bank, day_and_night, picture, show

TUESDAY_NIGHT = 8 * DAY + 3 * HOUR


class Captions:
    """A memory of captions in which one kind of picture is alarming, and all others are nearly nothing."""

    def __init__(self, alarming: int, missing: str = "") -> None:
        self._alarming = picture(alarming, noise=0)
        self.missing = missing

    def match(self, vectors: NDArray[np.float32], at: datetime) -> list[Match]:
        return [Match(float(np.clip(vector @ self._alarming, 0, 1)), "like “a fight”") for vector in vectors]


@cache
def _week() -> bytes:
    made = bank()
    show(made, day_and_night, 0, 7 * DAY)
    return made.dump()


def _learned() -> NormalBank:
    made = bank()
    made.load(_week())
    return made


def _match(scorer: UnusualScorer, kind: int, seconds: float = 7 * DAY + 12 * HOUR) -> Match:
    (found,) = scorer.match(picture(kind, seed=77)[None], at(seconds))
    return found


def test_the_fixed_levels_are_sensible() -> None:
    """What one normal picture in a thousand reaches meets the fixed threshold, one in twenty not even the release."""
    assert score_of(3.0) == pytest.approx(DEFAULT_THRESHOLD)
    assert score_of(-math.log10(0.05)) < DEFAULT_RELEASE + 0.01
    assert 0 == score_of(0.0) < score_of(15.0) < score_of(16.0) < 1


def test_scores_what_is_new_and_not_what_is_known() -> None:
    """After burn-in pictures of known kinds, rare ones too, do not meet the fixed threshold; one of a new kind does."""
    scorer = UnusualScorer(_learned())
    assert _match(scorer, EMPTY).score < DEFAULT_RELEASE
    assert _match(scorer, PEOPLE).score < DEFAULT_THRESHOLD
    assert _match(scorer, ATTACK).score > DEFAULT_THRESHOLD


def test_says_why_in_words() -> None:
    """The reason names the share, the hour of the week, and where the nearest normal picture belongs."""
    reason = _match(UnusualScorer(_learned()), PEOPLE, TUESDAY_NIGHT).reason
    assert reason.startswith("unlike 99.")
    assert "% of what this camera sees on Tuesdays around 03:00; nearest to what it sees on" in reason


def test_waits_for_burn_in() -> None:
    """Without captions nothing is said until it is known what is normal."""
    scorer = UnusualScorer(bank())
    assert scorer.missing == "learning what is normal: 0 h of 24 h"
    assert math.isnan(_match(scorer, EMPTY).score)


def test_captions_speak_during_burn_in() -> None:
    """Until burn-in is over the captions' own score and reason hold."""
    scorer = UnusualScorer(bank(), Captions(ATTACK))
    assert scorer.missing == ""
    found = _match(scorer, ATTACK)
    assert found.score > 0.9
    assert found.reason == "like “a fight”"


def test_captions_that_are_not_ready_do_not_speak() -> None:
    """While the captions are missing too, what the bank lacks is told; after burn-in it speaks alone."""
    assert UnusualScorer(bank(), Captions(ATTACK, "no words")).missing.startswith("learning")
    scorer = UnusualScorer(_learned(), Captions(ATTACK, "no words"))
    assert scorer.missing == ""
    assert _match(scorer, ATTACK).score > DEFAULT_THRESHOLD


def test_a_caption_that_is_rare_here_raises_the_score() -> None:
    """A known picture whose caption scores as nothing normal does here is unusual, and the caption comes first."""
    made = _learned()
    for _ in range(500):
        made.captions.add(0.05)
    found = _match(UnusualScorer(made, Captions(PEOPLE)), PEOPLE)
    assert found.score > DEFAULT_THRESHOLD
    assert found.reason.startswith("like “a fight”; unlike ")


def test_a_caption_that_always_fires_here_is_discounted() -> None:
    """Where the captions find every normal picture alarming, the bank decides."""
    scorer = UnusualScorer(_learned(), Captions(EMPTY))
    for number in range(500):
        _match(scorer, EMPTY, 7 * DAY + 8 * HOUR + 10 * number)
    assert _match(scorer, EMPTY).score < DEFAULT_RELEASE
    assert _match(scorer, ATTACK).score > DEFAULT_THRESHOLD


def test_an_attack_does_not_teach_the_captions() -> None:
    """What the bank finds novel does not raise what captions normally score here."""
    made = _learned()
    scorer = UnusualScorer(made, Captions(ATTACK))
    for number in range(500):
        _match(scorer, ATTACK, 7 * DAY + 8 * HOUR + 10 * number)
    assert made.captions.counts.sum() == 0


def test_nothing_is_said_of_nothing() -> None:
    """A vector of NaN or of another size has no score."""
    scorer = UnusualScorer(_learned(), Captions(ATTACK, "no words"))
    bad = np.full((2, 32), np.nan, np.float32)
    assert all(math.isnan(match.score) for match in scorer.match(bad, at(0)))
    assert math.isnan(scorer.match(np.eye(8, dtype=np.float32)[:1], at(0))[0].score)


def test_surprise_is_the_share_that_is_as_high() -> None:
    """Of evenly spread scores, one in ten is above 0.9: a surprise of 1."""
    sketch = SurpriseSketch()
    for score in np.random.default_rng(1).random(20_000):
        sketch.add(float(score))
    assert sketch.surprise(0.9) == pytest.approx(1.0, abs=0.02)
    assert sketch.surprise(0.5) == pytest.approx(-math.log10(0.5), abs=0.02)


def test_the_tail_goes_on_where_the_scores_end() -> None:
    """Of exponential scores one in 10,000 is told from 5,000 of them to a fifth, and beyond all it still rises."""
    sketch, scale = SurpriseSketch(), 0.03
    for score in np.random.default_rng(2).exponential(scale, 5000):
        sketch.add(float(score))
    rare = sketch.surprise(scale * math.log(10_000))
    assert rare == pytest.approx(4, rel=0.2)
    levels = [sketch.surprise(score) or 0.0 for score in np.linspace(0, 1, 300)]
    assert levels == sorted(levels)
    assert levels[-1] > levels[-2]


def test_few_scores_say_nothing() -> None:
    """Of fewer than a hundred scores no share is told, nor of NaN."""
    sketch = SurpriseSketch()
    for _ in range(99):
        sketch.add(0.1)
    assert sketch.surprise(0.5) is None
    for _ in range(60):
        sketch.add(0.1)
    assert sketch.surprise(0.5) is not None
    assert sketch.surprise(math.nan) is None
