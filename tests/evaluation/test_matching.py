"""Which prediction is whose: the two published criteria, the alignment, duplicates and the time to alert."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from pipeline.evaluation.matching import Overlap, Window, align
from pipeline.evaluation.spans import Event, Prediction

OVERLAP, WINDOW = Overlap(), Window()


def event(start: float, end: float, label: str = "") -> Event:
    return Event("cam", start, end, label)


def told(
    start: float, end: float, score: float | None = None, label: str = "", alert: float | None = None
) -> Prediction:
    return Prediction("cam", start, end, label, score, alert)


@pytest.mark.parametrize(
    ("truth", "prediction", "is_match"),
    [
        pytest.param((10, 20), (19, 30), True, id="1 s of 10 s in common"),
        pytest.param((10, 20), (19.1, 30), False, id="0.9 s of 10 s in common"),
        pytest.param(
            (10, 11.5), (10.6, 30), False, id="0.9 s of 1.5 s: more than half, but it is not shorter than 1 s"
        ),
        pytest.param((10, 11), (10, 11), True, id="1 s: all of it"),
        pytest.param((10, 10.8), (10.4, 30), True, id="0.4 s of 0.8 s: half"),
        pytest.param((10, 10.8), (10.5, 30), False, id="0.3 s of 0.8 s: less than half"),
        pytest.param((10, 10), (9, 11), True, id="an instant within"),
        pytest.param((10, 10), (11, 12), False, id="an instant outside"),
        pytest.param((10, 20), (12, 12), False, id="an alert without length"),
    ],
)
def test_overlap_is_actevs(truth: tuple[float, float], prediction: tuple[float, float], is_match: bool) -> None:
    """1 s in common; half of an event shorter than 1 s.

    Source: usnistgov/ActEV_Scorer, `build_temporal_second_overlap_filter_v2(1 s, 0.5)` of protocol ActEV_SDL_V2: an
    instance shorter than the threshold needs intersection / its length >= 0.5, another needs intersection >= 1 s.
    """
    assert bool(align([event(*truth)], [told(*prediction)], OVERLAP).pairs) is is_match


@pytest.mark.parametrize(
    ("alert", "is_match"),
    [
        pytest.param(59.9, False, id="before the event"),
        pytest.param(60, True, id="at its start"),
        pytest.param(70, True, id="10 s later"),
        pytest.param(70.1, False, id="later than 10 s, while it lasts"),
    ],
)
def test_window_is_ilids(alert: float, is_match: bool) -> None:
    """An alarm counts from the event's start to 10 s after it; by hand from the i-LIDS User Guide, v4.9 (2011)."""
    assert bool(align([event(60, 120)], [told(50, 130, alert=alert)], WINDOW).pairs) is is_match


def test_window_of_a_short_event_is_as_long() -> None:
    """An alarm 8 s after the start of an event of 2 s is in time (i-LIDS: from the start, however long it lasts)."""
    assert align([event(60, 62)], [told(68, 68)], WINDOW).pairs == {0: 0}


def test_as_many_as_possible_are_matched() -> None:
    """A prediction goes to the event that has no other, though it fits another event better.

    By hand: the first overlaps A wholly and B by 1 s, the second only A; the best fit first would leave B missed.
    """
    events = [event(0, 10), event(11, 20)]
    assert align(events, [told(0, 12), told(0, 3)], OVERLAP).pairs == {0: 1, 1: 0}


def test_what_cannot_be_matched_stays_so() -> None:
    """Three of each, of which two may be matched: one miss, one false alarm.

    Source: usnistgov/ActEV_Scorer, test/test_alignment.py `test_munkres_unsolvable`: reference 1 may go with system 1
    and 2, references 2 and 3 with system 3 only; the better of them (3) is matched.
    """
    events = [event(0, 10), event(100, 104), event(102, 120)]
    predictions = [told(0, 5), told(5, 10), told(102, 120)]
    found = align(events, predictions, OVERLAP)
    assert set(found.pairs) == {0, 2}
    assert found.pairs[2] == 2
    assert len(found.duplicates) == 1  # the other of system 1 and 2 tells of reference 1 again


def test_the_higher_score_is_matched() -> None:
    """Of two that may be, the surer one is matched, as by ActEV's presence-confidence congruence; the other again."""
    found = align([event(0, 10)], [told(0, 10, 0.3), told(1, 5, 0.9), told(40, 50, 0.1)], OVERLAP)
    assert found.pairs == {0: 1}
    assert found.duplicates == {0: 0}


def test_scores_of_any_size_can_be_compared() -> None:
    """The largest and the smallest float there are, and what is not a number."""
    predictions = [told(0, 10, -1.7e308), told(1, 5, 1.7e308), told(2, 6, math.nan), told(2, 7, math.inf)]
    assert align([event(0, 10)], predictions, OVERLAP).pairs == {0: 1}


def test_without_scores_the_better_fit_is_matched() -> None:
    """Intersection over union: 9/10 against 5/10; by hand."""
    assert align([event(0, 10)], [told(0, 5), told(1, 10)], OVERLAP).pairs == {0: 1}


def test_time_to_alert_is_that_of_the_first_alert() -> None:
    """Matched is the surer one at 7 s, but the event was told of at 3 s already; one that was up before counts 0."""
    events = [event(10, 30), event(50, 60)]
    predictions = [told(11, 15, 0.2, alert=13), told(16, 30, 0.9, alert=17), told(45, 60, 0.5)]
    assert align(events, predictions, OVERLAP).seconds_to_alert == {0: 3.0, 1: 0.0}


def test_a_late_second_alert_within_an_event_is_a_duplicate_by_the_window() -> None:
    """Told at 2 s and again at 40 s while it lasts: once right, once again, nothing false."""
    found = align([event(0, 60)], [told(2, 5), told(40, 45)], WINDOW)
    assert found.pairs == {0: 0}
    assert found.duplicates == {1: 0}


def test_labels_must_agree_when_both_have_one() -> None:
    """A fall is not told by a fight; what has no label goes with any."""
    predictions = [told(0, 10, label="fight")]
    assert align([event(0, 10, "fall")], predictions, OVERLAP).pairs == {}
    assert align([event(0, 10)], predictions, OVERLAP).pairs == {0: 0}
    assert align([event(0, 10, "fall")], [told(0, 10)], OVERLAP).pairs == {0: 0}


@pytest.mark.parametrize("seed", range(20))
def test_no_alignment_has_more_matches(seed: int) -> None:
    """Against trying every order of six predictions."""
    chance = random.Random(seed)
    events = [event(start := chance.uniform(0, 20), start + chance.uniform(0, 6)) for _ in range(5)]
    predictions = [
        told(start := chance.uniform(0, 20), start + chance.uniform(0, 8), chance.random()) for _ in range(6)
    ]
    fits = {
        (row, column)
        for row, column in itertools.product(range(5), range(6))
        if align([events[row]], [predictions[column]], OVERLAP).pairs
    }
    most = max(
        sum((row, column) in fits for row, column in enumerate(order)) for order in itertools.permutations(range(6), 5)
    )
    found = align(events, predictions, OVERLAP).pairs
    assert len(found) == most
    assert set(found.items()) <= fits
