"""Figures of a whole evaluation, worked by hand; and what is said of input from which less can be known."""

from __future__ import annotations

import math

import pytest

from pipeline.errors import ConfigError
from pipeline.evaluation.figures import Counts, intervals
from pipeline.evaluation.matching import CRITERIA, Overlap, Window
from pipeline.evaluation.remarks import remarks
from pipeline.evaluation.scorer import score
from pipeline.evaluation.spans import Event, Prediction, Truth, merged

OVERLAP = Overlap()
HOUR = 3600.0


def truth(*events: Event, **lengths: float | None) -> Truth:
    return Truth(events, lengths)


EXAMPLE = truth(
    Event("a", 10, 20, "fall"),
    Event("a", 50, 60, "fall"),
    Event("b", 5, 8, "fall"),
    Event("b", 30, 40, "fight"),
    a=HOUR,
    b=HOUR / 2,
    c=HOUR / 2,
)
TOLD = [
    Prediction("a", 11, 18, "fall", 0.9, 12),
    Prediction("a", 12, 15, "fall", 0.5),  # again
    Prediction("a", 100, 120, "fall", 0.8),  # false
    Prediction("b", 5, 8, "fight", 0.7),  # false: there it was a fall
    Prediction("b", 31, 39, "fight", 0.6, 35),
]


def test_the_example_by_hand() -> None:
    """4 events, 2 found; 5 alerts, 2 right, 1 again, 2 false; 2 camera-hours.

    Precision 2 / 4 (with the duplicate 2 / 5), recall 2 / 4, F1 2·2 / (2 + 2 + 4), false alarms 2 / 2 h; told after
    2 s and 5 s: median 3.5, 95th percentile 2 + .95·3.
    """
    found = score(EXAMPLE, TOLD, OVERLAP).pooled
    counts = found.counts
    assert (counts.num_events, counts.num_matched, counts.num_false, counts.num_duplicates) == (4, 2, 2, 1)
    assert (counts.precision, counts.precision_with_duplicates, counts.recall, counts.f1) == (0.5, 0.4, 0.5, 0.5)
    assert counts.false_alarms_per_hour == 1.0
    assert found.seconds_to_alert == (2.0, 5.0)
    assert found.alert_percentile(50) == pytest.approx(3.5)
    assert found.alert_percentile(95) == pytest.approx(4.85)


def test_misses_at_false_alarm_rates_by_hand() -> None:
    """By score: right .9, false .8, false .7, right .6, again .5 (which counts as false here), in 2 h.

    At .25 an hour between 0 (3 of 4 missed) and .5 (3 of 4); at 1 an hour everything down to .6: 2 of 4.
    """
    found = score(EXAMPLE, TOLD, OVERLAP, rates_per_hour=(0.25, 1.0)).pooled
    assert found.p_miss_at == {0.25: 0.75, 1.0: 0.5}


def test_rules_and_cameras_by_themselves() -> None:
    """Falls: 1 of 3 found, 1 false, 1 again; fights: 1 of 1 found, 1 false; camera c: nothing there, nothing told."""
    found = score(EXAMPLE, TOLD, OVERLAP)
    assert {name: (one.counts.num_matched, one.counts.num_false) for name, one in found.rules.items()} == {
        "fall": (1, 1),
        "fight": (1, 1),
    }
    assert found.rules["fall"].counts.recall == pytest.approx(1 / 3)
    nothing = found.cameras["c"].counts
    assert (nothing.recall, nothing.precision, nothing.f1, nothing.false_alarms_per_hour) == (None, None, None, 0.0)


def test_nists_case_of_short_overlaps() -> None:
    """Misses as NIST's scorer gives them for its own case: "Closing" .0 at 1 and at .01 a minute, "Entering" 1.0.

    Source: usnistgov/ActEV_Scorer (public domain), protocol ActEV_SDL_V2, test/data/test_11-4.json (truth),
    test_20-0_fake-sysout.json (predictions), checkfiles/test_20_0/scores_by_activity.csv; frames at VIRAT's 30 fps.
    By hand: 25 of 40 frames are .83 s of 1.33 s, too little as the event is not shorter than 1 s; 10 of 25 frames
    are less than half of an event that is.
    """
    there = [("Closing", 3100, 3120), ("Entering", 3500, 3540), ("Entering", 3700, 3725)]
    said = [("Closing", 3030, 3050, 0.796), ("Closing", 3100, 3120, 0.874)]
    said += [("Entering", 3500, 3525, 0.8), ("Entering", 3700, 3710, 0.8)]
    events = truth(*(Event("virat", start / 30, end / 30, label) for label, start, end in there), virat=600.0)
    told = [Prediction("virat", start / 30, end / 30, label, conf) for label, start, end, conf in said]
    found = score(events, told, OVERLAP, rates_per_hour=(60.0, 0.6)).rules
    assert found["Closing"].p_miss_at == {60.0: 0.0, 0.6: 0.0}
    assert found["Entering"].p_miss_at == {60.0: 1.0, 0.6: 1.0}


def test_nists_smooth_curve() -> None:
    """Each threshold adds one that is right and one that is false, as NIST expects; the eighth event is missed.

    Source: usnistgov/ActEV_Scorer (public domain), test/data/SmoothCurve.ref.json and SmoothCurve.sys.json, whose
    `expected_confusion` says which are right; frames at 30 fps, in a recording of an hour.
    """
    events = truth(*(Event("virat", n * 100 / 30, (n + 1) * 100 / 30) for n in range(8)), virat=HOUR)
    told = [Prediction("virat", n * 100 / 30, (n + 1) * 100 / 30, score=1 - n / 10) for n in range(7)]
    told += [Prediction("virat", 1100 / 30, 1200 / 30, score=1 - n / 10) for n in range(7)]
    found = score(events, told, OVERLAP).pooled
    assert (found.counts.num_matched, found.counts.num_false, found.counts.num_duplicates) == (7, 7, 0)
    points = [(point.false_alarms_per_hour, point.p_miss) for point in found.curve]
    assert points == [(n, pytest.approx(1 - n / 8)) for n in range(1, 8)]


def test_an_event_without_a_label_is_every_rules() -> None:
    """Two rules tell of it: each found it; together one found it and the other told it again."""
    there = truth(Event("a", 0, 10), a=HOUR)
    found = score(there, [Prediction("a", 0, 10, "x"), Prediction("a", 1, 10, "y")], OVERLAP)
    assert [one.counts.recall for one in found.rules.values()] == [1.0, 1.0]
    assert (found.pooled.counts.num_matched, found.pooled.counts.num_duplicates) == (1, 1)


def test_camera_hours_replace_the_lengths() -> None:
    """Given hours are shared out as the lengths are, or equally when those are not known; 0 is refused."""
    found = score(EXAMPLE, TOLD, OVERLAP, camera_hours=4)
    assert found.pooled.counts.false_alarms_per_hour == 0.5
    assert found.cameras["a"].counts.hours == pytest.approx(2)
    unknown = truth(Event("a", 0, 5), a=None, b=None)
    assert score(unknown, [], OVERLAP).pooled.counts.false_alarms_per_hour is None
    assert score(unknown, [], OVERLAP, camera_hours=4).cameras["b"].counts.hours == 2
    with pytest.raises(ConfigError, match="more than 0"):
        score(EXAMPLE, TOLD, OVERLAP, camera_hours=math.nan)


def test_intervals_are_the_same_for_the_same_seed() -> None:
    """And hold the figure itself; another seed draws otherwise."""
    cameras = [Counts(4, found, false, 0, 0.5) for found, false in [(4, 0), (1, 3), (2, 1), (3, 2), (0, 0)]]
    first = intervals(cameras, seed=1)
    assert first == intervals(cameras, seed=1)
    assert first != intervals(cameras, seed=2)
    assert first["recall"].low < 0.5 < first["recall"].high
    assert first["false_alarms_per_hour"].low < 2.4 < first["false_alarms_per_hour"].high


def test_intervals_of_cameras_that_are_alike_have_no_width() -> None:
    """Whatever is drawn is the same: recall 1/2, precision 2/3, F1 4/7, 2 an hour; by hand."""
    found = intervals([Counts(4, 2, 1, 0, 0.5)] * 3, seed=0)
    told = {name: (one.low, one.high) for name, one in found.items()}
    for name, value in {"recall": 1 / 2, "precision": 2 / 3, "f1": 4 / 7, "false_alarms_per_hour": 2.0}.items():
        assert told[name] == pytest.approx((value, value))


def test_one_camera_has_no_intervals() -> None:
    """Chance between cameras cannot be seen on one."""
    assert intervals([Counts(4, 2, 1, 0, 0.5)], seed=0) == {}


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda one: one.name)
def test_no_events(criterion: Overlap | Window) -> None:
    """Recall is not known, precision is 0, every alert is false; and that is said."""
    there = truth(a=HOUR)
    counts = score(there, [Prediction("a", 0, 5, score=1.0)], criterion).pooled.counts
    assert (counts.recall, counts.precision, counts.false_alarms_per_hour) == (None, 0.0, 1.0)
    assert "no events" in remarks(there, [Prediction("a", 0, 5)])[0]


def test_no_predictions() -> None:
    """Recall is 0, precision is not known; and that is said."""
    counts = score(EXAMPLE, [], OVERLAP).pooled.counts
    assert (counts.recall, counts.precision, counts.f1) == (0.0, None, 0.0)
    assert "no predictions" in remarks(EXAMPLE, [])[0]


def test_no_camera_in_both() -> None:
    """Nothing can be compared: every event missed, no alert counted, and both lists of names are told."""
    told = [Prediction("yard", 10, 20, "fall")]
    counts = score(EXAMPLE, told, OVERLAP).pooled.counts
    assert (counts.recall, counts.num_alerts) == (0.0, 0)
    assert "no camera is in both: the truth has a, b, c; the predictions have yard" in remarks(EXAMPLE, told)[0]


def test_alerts_on_cameras_that_the_truth_does_not_know_are_left_out_and_told() -> None:
    """They can be neither right nor false."""
    told = [*TOLD, Prediction("yard", 10, 20, "fall")]
    assert score(EXAMPLE, told, OVERLAP).pooled.counts.num_alerts == len(TOLD)
    assert any("left out 1 of 6 predictions: the truth says nothing of yard" in one for one in remarks(EXAMPLE, told))


def test_no_time_in_common() -> None:
    """Truth from the start of the file, alerts by the clock: everything is missed, and the reason is suggested."""
    told = [Prediction("a", 1.8e9, 1.8e9 + 5, "fall")]
    assert any("have no time in common" in one for one in remarks(EXAMPLE, told))


def test_overlapping_truth() -> None:
    """One alert matches only one of two events that overlap; it is told, and merging makes them one."""
    there = truth(Event("a", 0, 10), Event("a", 5, 15), Event("a", 30, 40), a=HOUR)
    told = [Prediction("a", 0, 15)]
    assert score(there, told, OVERLAP).pooled.counts.recall == pytest.approx(1 / 3)
    assert any("begin while another" in one for one in remarks(there, told))
    assert merged(there.events, 0) == (Event("a", 0, 15), Event("a", 30, 40))
    assert merged(there.events, 15) == (Event("a", 0, 40),)


def test_scores_that_are_not_numbers() -> None:
    """They come last in the curve and break nothing; it is told how many."""
    told = [Prediction("a", 10, 20, "fall", math.nan), Prediction("a", 50, 60, "fall", 0.5)]
    found = score(EXAMPLE, told, OVERLAP).pooled
    assert [(point.threshold, point.p_miss) for point in found.curve] == [(0.5, 0.75), (None, 0.5)]
    assert any("1 of 2 predictions have no usable score (1 not a number" in one for one in remarks(EXAMPLE, told))


def test_no_scores_at_all() -> None:
    """No curve and no misses at rates, and the reason."""
    told = [Prediction("a", 10, 20, "fall")]
    found = score(EXAMPLE, told, OVERLAP).pooled
    assert (found.curve, found.p_miss_at) == ((), None)
    assert any("no prediction has a score" in one for one in remarks(EXAMPLE, told))


def test_recordings_shorter_than_what_is_told_of_them() -> None:
    """An event or alert after the end is counted, and told: it may be another recording."""
    told = [Prediction("b", 2000, 2010, "fall")]
    assert score(EXAMPLE, told, OVERLAP).pooled.counts.num_false == 1
    assert any(one.startswith("b is 1800.0 s long, but 0 events end and 1 pred") for one in remarks(EXAMPLE, told))


def test_unknown_lengths_are_told_unless_hours_are_given() -> None:
    """A rate cannot be known; it is not 0."""
    there = truth(Event("a", 0, 5), a=None)
    assert any("how long a was looked at" in one for one in remarks(there, []))
    assert not any("how long" in one for one in remarks(there, [], camera_hours=1))


def test_labels_that_never_meet_are_told() -> None:
    """Both ways: events of no rule, alerts of no label."""
    told = [Prediction("a", 10, 20, "tumble")]
    first, second = remarks(EXAMPLE, told)[:2]
    assert "no prediction is of fall, fight (the predictions: tumble)" in first
    assert "no event is of tumble" in second


def test_alerts_without_length_are_told() -> None:
    """By overlap they can match nothing."""
    assert any(
        "1 of 1 predictions have no length" in one for one in remarks(EXAMPLE, [Prediction("a", 12, 12, "fall")])
    )
