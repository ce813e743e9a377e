"""Thresholds from the scores that a camera has shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.rule import Rule
from pipeline.errors import InvalidMessage
from pipeline.events.calibration import MAX_THRESHOLD, MIN_THRESHOLD, Calibration
from pipeline.events.calibration_state import MAX_BLOCKS, MAX_REVIEWS
from pipeline.events.reading import Reading
from pipeline.events.state_machine import FixedLevels, Moment, RuleMachine

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86_400.0
FIXED = FixedLevels(0.6, 0.4)
STEP_SECONDS = 60.0


def calibration(**given: Any) -> Calibration:
    """Of one alert a day after six hours, without dwell and smoothing, unless told."""
    values = {"alerts_per_day": 1.0, "after_seconds": 6 * HOUR, "dwell_seconds": 0.0, "smoothing_seconds": 0.0}
    return Calibration(FIXED, **values | given)


def feed(subject: Calibration, scores: Iterable[float], begin: float = BEGIN, step: float = STEP_SECONDS) -> float:
    """One score a step; the time after the last."""
    seconds = begin
    for score in scores:
        subject.note(seconds, score)
        seconds += step
    return seconds


def noise(days: float, level: float = -2.0, spread: float = 0.6, seed: int = 1) -> list[float]:
    """Scores around `level` logits, one a minute."""
    logits = np.random.default_rng(seed).normal(level, spread, round(days * DAY / STEP_SECONDS))
    return [float(score) for score in 1 / (1 + np.exp(-logits))]


def learned(days: float = 3.0, **given: Any) -> Calibration:
    """One that has watched plain noise for so long."""
    subject = calibration(**given)
    feed(subject, noise(days))
    return subject


def exceeded(scores: Sequence[float], threshold: float) -> int:
    """Minutes at or over it: in this noise each is an excursion of its own."""
    return int((np.array(scores) >= threshold).sum())


def test_until_enough_was_watched_the_fixed_levels_hold() -> None:
    """To the last digit, and the words say how long it still takes."""
    subject = calibration()
    feed(subject, noise(3.2 / 24))
    assert (subject.threshold, subject.release, subject.is_learned) == (0.6, 0.4, False)
    assert subject.words == "fixed threshold: 3 h of 6 h watched"


@pytest.mark.parametrize("budget", [0.5, 2.0, 20.0])
def test_the_budget_is_kept_on_scores_that_were_not_learned_from(budget: float) -> None:
    """Between a third and twice as many a day as allowed, over 100 days of the same kind: what chance explains."""
    subject = learned(14.0, alerts_per_day=budget)
    given = exceeded(noise(100.0, seed=2), subject.threshold) / 100
    assert budget / 3 <= given <= budget * 2


def test_cameras_get_thresholds_of_their_own() -> None:
    """The same rule on a camera that scores high stands higher; the budget decides, not the raw similarity."""
    high, low = calibration(), calibration()
    feed(high, noise(3.1, level=1.0))
    feed(low, noise(3.1, level=-3.0))
    assert low.threshold < 0.5 < 0.9 < high.threshold
    assert high.words == "1 alert a day by 3 days of this camera"


def test_a_larger_budget_has_a_lower_threshold() -> None:
    """At every step."""
    thresholds = [learned(alerts_per_day=budget).threshold for budget in (0.1, 0.5, 1, 3, 10, 50)]
    assert thresholds == sorted(thresholds, reverse=True)


def test_before_a_whole_day_a_lower_threshold_comes_by_and_by_and_a_higher_at_once() -> None:
    """One night knows nothing of the day."""
    low, high = calibration(), calibration()
    feed(low, noise(6.5 / 24, level=-3))
    feed(high, noise(6.5 / 24, level=2))
    assert low.is_learned
    assert 0.5 < low.threshold < 0.6
    assert high.threshold > 0.9


@pytest.mark.parametrize(
    "scores",
    [[0.0], [1.0], [0.5], [0.3, math.nan, 2.0, -1.0], [0.1, 0.1, 0.1, 0.5, 0.9], [0.2] * 999 + [0.9], [0.0, 1.0]],
    ids=["all 0", "all 1", "all equal", "beyond 0..1", "three values", "one value now and then", "ends"],
)
def test_no_scores_lead_to_nonsense(scores: list[float]) -> None:
    """The threshold stays within its bounds, the release below it, and the words are words."""
    subject = calibration()
    feed(subject, scores * (3 * 1440 // len(scores)))
    assert MIN_THRESHOLD - 1e-9 <= subject.threshold <= MAX_THRESHOLD + 1e-9
    assert 0 <= subject.release < subject.threshold
    assert "nan" not in subject.words


def test_what_no_threshold_can_keep_is_said() -> None:
    """A camera on which the rule is at the top many times a day is over its budget, and the words say so."""
    subject = calibration()
    feed(subject, [*noise(1.0), *([0.1] * 30 + [1.0] * 5) * 100])
    assert subject.words.endswith("; more often than that they reach the top of the scale")


def test_a_value_seen_too_often_is_no_longer_met() -> None:
    """Scores with three values, the highest ten times a day: the threshold stands just above it."""
    subject = calibration()
    feed(subject, ([0.1, 0.5] * 72 + [0.9]) * 100)
    assert 0.9 < subject.threshold < 0.95


def test_a_value_seen_less_often_than_allowed_is_met() -> None:
    """And the threshold stands between it and the rest."""
    subject = calibration()
    feed(subject, ([0.1, 0.3] * 2160 + [0.9]) * 4)
    assert 0.3 < subject.threshold <= 0.9


def test_only_watched_time_counts() -> None:
    """A night without pictures, time without scores and time that must not be learned from add nothing."""
    subject = calibration()
    end = feed(subject, [0.2] * 61)
    subject.note(end + 8 * HOUR, 0.2)
    subject.note(end + 8 * HOUR + 30, 0.99, learns=False)
    subject.note(end + 8 * HOUR + 60, 0.2)
    assert subject.watched_seconds == HOUR


def test_a_score_missing_now_and_then_takes_no_time_away() -> None:
    """Observations without a score stand between others."""
    subject = calibration()
    for number in range(121):
        subject.note(BEGIN + number * 30.0, 0.2 if number % 2 == 0 else None)
    assert subject.watched_seconds == HOUR


def test_time_may_jump() -> None:
    """A clock that goes ten years forward and back again costs two steps, and breaks nothing."""
    subject = learned()
    before, watched = subject.threshold, subject.watched_seconds
    end = feed(subject, noise(0.2), BEGIN + 10 * 365 * DAY)
    subject.reviewed("a", end, 0.9, True)
    feed(subject, noise(0.2), BEGIN + 3 * DAY)
    feed(subject, noise(0.2), -5.0)
    assert subject.watched_seconds == pytest.approx(watched + 0.6 * DAY, abs=5 * STEP_SECONDS)
    assert subject.threshold == pytest.approx(before, abs=0.1)


def test_what_is_not_held_for_the_dwell_does_not_count() -> None:
    """Single high scores among low ones would open nothing with a dwell of two minutes: they raise nothing."""
    scores = noise(3.0)
    scores[::30] = [0.95] * len(scores[::30])
    held, brief = calibration(), calibration(dwell_seconds=120.0)
    feed(held, scores)
    feed(brief, scores)
    assert held.threshold > 0.95
    assert brief.threshold < 0.5


@pytest.mark.parametrize("fps", [5.0, 0.2])
def test_what_would_have_opened_is_what_is_counted(fps: float) -> None:
    """The state machine opens on the peak at a threshold just below the level of its block, and not just above."""
    peak = [0.1] * 4 + [0.5, 0.8, 0.85, 0.7, 0.75, 0.6] + [0.1] * 4
    peak = [score for score in peak for _ in range(max(1, round(fps / 2)))]

    def opens(threshold: float) -> bool:
        machine = RuleMachine(
            "c",
            Rule(id="r", when="a door opens"),
            NullDecisionSink(),
            levels=FixedLevels(threshold, _release(threshold)),
        )
        told = []
        for number, score in enumerate(peak):
            at = datetime.fromtimestamp(BEGIN, UTC) + timedelta(seconds=number / fps)
            told += machine.update(Moment(at, at.timestamp(), at), Reading(score))
            subject.note(at.timestamp(), machine.score)
        return any(transition.state is CandidateState.OPENED for transition in told)

    subject = calibration(dwell_seconds=1.0, smoothing_seconds=1.0)
    found = [threshold for threshold in np.arange(0.3, 0.9, 0.005) if opens(float(threshold))]
    assert 1 / (1 + math.exp(-subject._begun_level)) == pytest.approx(max(found), abs=0.02)


def _release(threshold: float) -> float:
    """As far below on the logit scale as 0.4 is below 0.6: what a calibration that has learned nothing takes."""
    return 1 / (1 + math.exp(-(math.log(threshold / (1 - threshold)) - 2 * math.log(1.5))))


def test_right_lowers_and_wrong_raises_at_once() -> None:
    """By a bounded step; before anything was learned, too."""
    for subject in (calibration(), learned()):
        before = subject.threshold
        subject.reviewed("a", BEGIN + HOUR, 0.95, False)
        raised = subject.threshold
        subject.reviewed("a", BEGIN + HOUR, 0.95, True)
        assert subject.threshold < before < raised < before + 0.15
        assert subject.release < subject.threshold


def test_wrong_ones_raise_no_further_than_above_their_highest_peak() -> None:
    """What is surely above them is not given up."""
    subject = learned()
    peak = subject.threshold + 0.02
    for number in range(50):
        subject.reviewed(f"i{number}", BEGIN + number * HOUR, peak, False)
    assert peak < subject.threshold < peak + 0.03


def test_confirmed_events_are_not_held_against_the_budget() -> None:
    """Ten true events a day would use up a budget of one; confirmed, the next are told all the same."""
    scores = noise(5.0)
    events = range(100, len(scores), 144)
    for event in events:
        scores[event] = 0.9
    subject = calibration()
    feed(subject, scores)
    assert subject.threshold > 0.9
    for event in events:
        subject.reviewed(f"i{event}", BEGIN + event * STEP_SECONDS, 0.9, True)
    assert 0.4 < subject.threshold < 0.85


Word = tuple[int, float, bool]
words_given: st.SearchStrategy[list[Word]] = st.lists(
    st.tuples(st.integers(0, 40), st.floats(0.01, 0.99), st.booleans()), max_size=40, unique_by=lambda word: word[0]
)
TWO_DAYS = learned(2.0).dump()


def told(given_words: Sequence[Word]) -> Calibration:
    """Two days of noise, and these reviews: of the incident that opened at that hour."""
    subject = calibration()
    subject.load(TWO_DAYS)
    for hour, peak, is_right in given_words:
        subject.reviewed(f"i{hour}", BEGIN + hour * HOUR, peak, is_right)
    return subject


@given(words_given, st.randoms())
def test_the_order_of_reviews_does_not_matter(given_words: list[Word], random: Any) -> None:
    """Contradicting ones included; only the last word on an incident counts."""
    shuffled = list(given_words)
    random.shuffle(shuffled)
    overruled = [(hour, 1 - peak, not is_right) for hour, peak, is_right in given_words[:10]]
    assert told(shuffled).threshold == pytest.approx(told([*overruled, *given_words]).threshold, abs=1e-12)


@given(words_given, st.integers(41, 47), st.floats(0.01, 0.99), st.booleans())
def test_wrong_never_lowers_and_right_never_raises(
    given_words: list[Word], hour: int, peak: float, is_right: bool
) -> None:
    """Whatever was said before."""
    before = told(given_words).threshold
    after = told([*given_words, (hour, peak, is_right)]).threshold
    assert after <= before + 1e-12 if is_right else after >= before - 1e-12


def test_a_storm_of_reviews_is_bounded() -> None:
    """Ten thousand words: the latest incidents stay, and the threshold stays within its bounds."""
    subject = calibration()
    feed(subject, noise(0.2))
    for number in range(10_000):
        subject.reviewed(f"i{number % 3000}", BEGIN + number, 0.9, number % 3 == 0)
    assert len(subject.dump()) < 40 * MAX_REVIEWS
    assert MIN_THRESHOLD <= subject.threshold <= MAX_THRESHOLD


def test_a_review_without_a_time_or_a_peak_is_refused() -> None:
    """In clear words, and nothing has changed."""
    subject = learned()
    before = subject.threshold
    with pytest.raises(InvalidMessage, match="expected a time and a peak"):
        subject.reviewed("a", math.nan, 0.9, True)
    assert subject.threshold == before


def test_drift_is_told_and_what_is_new_takes_over() -> None:
    """Two days after all scores have risen the budget is kept again, and the words had said why."""
    subject = calibration()
    end = feed(subject, noise(8.0))
    assert subject.drift is not None
    assert subject.drift < 0.3
    assert not subject.is_drifting
    end = feed(subject, noise(1.0, level=-0.5, seed=3), end)
    assert subject.is_drifting
    assert subject.words.endswith("; the scores have changed since the days before")
    feed(subject, noise(2.0, level=-0.5, seed=4), end)
    assert exceeded(noise(100.0, level=-0.5, seed=5), subject.threshold) / 100 < 2.5
    assert not subject.is_drifting


def test_a_day_far_over_the_budget_raises_the_threshold_within_it() -> None:
    """Scores that rise tenfold after two quiet weeks give a handful of alarms, not one for each hour left."""
    subject = calibration()
    end = feed(subject, noise(14.0))
    over = 0
    for score in noise(1.0, level=0.5, seed=6):
        over += score >= subject.threshold
        end = feed(subject, [score], end)
    assert over < 100  # minutes of 1,440, four blocks' worth of them in the first hour
    assert subject.threshold > 0.8


def test_memory_is_bounded() -> None:
    """More than two weeks leave no more than two weeks do."""
    subject = calibration()
    feed(subject, np.tile(noise(1.0), 20))
    assert subject.watched_seconds > 19 * DAY
    assert len(subject.dump()) < 9 * MAX_BLOCKS


def test_a_restart_changes_nothing() -> None:
    """Dumped and loaded it has the same levels and words, and goes on as if nothing had been."""
    first, second = learned(4.3), calibration()
    first.reviewed("a", BEGIN + HOUR, 0.9, True)
    second.load(first.dump())
    assert second.dump() == first.dump()
    for subject in (first, second):
        feed(subject, noise(1.0, level=-1.0, seed=7), BEGIN + 4.3 * DAY)
    assert (second.threshold, second.release, second.words) == (first.threshold, first.release, first.words)


def test_another_budget_goes_on_with_the_same_history() -> None:
    """Who wants fewer alerts does not begin afresh."""
    fewer = calibration(alerts_per_day=0.2)
    fewer.load(learned().dump())
    assert fewer.is_learned
    assert fewer.threshold > learned().threshold


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: b"SLC9" + body[4:],
        lambda body: body[:-100],
        lambda body: body[:500] + bytes([body[500] ^ 1]) + body[501:],
        lambda body: b"\x80\x04N.",
        lambda body: body[:20],
    ],
    ids=["empty", "another version", "cut short", "a bit turned", "something else", "only a head"],
)
def test_what_cannot_be_read_is_refused_and_changes_nothing(damage: Any) -> None:
    """The caller starts afresh, or goes on."""
    subject = learned()
    before = subject.dump()
    with pytest.raises(InvalidMessage, match="calibration"):
        subject.load(damage(before))
    assert subject.dump() == before


def test_blocks_too_long_for_the_budget_are_refused() -> None:
    """Ten minutes at a time cannot tell a thousand alerts a day apart."""
    with pytest.raises(InvalidMessage, match="too long for 1000 alerts a day"):
        calibration(alerts_per_day=1000).load(learned().dump())


def test_minutes_are_enough_where_the_fixed_levels_hold_for_minutes() -> None:
    """Short clips can be calibrated: what is scarce is named in the words."""
    subject = calibration(after_seconds=200.0, alerts_per_day=240.0)
    scores: NDArray[np.float64] = np.array(noise(1.0))
    feed(subject, scores[:150], step=1.0)
    assert subject.words == "fixed threshold: 2 min of 3.33333 min watched"
    feed(subject, scores[150:400], BEGIN + 150, step=1.0)
    assert subject.is_learned
    assert subject.threshold < 0.6
