"""The DET curve and misses at fixed false-alarm rates."""

from __future__ import annotations

import math

import pytest

from pipeline.evaluation.curve import DetPoint, det_points, p_miss_at


def points(*pairs: tuple[float, float]) -> list[DetPoint]:
    return [DetPoint(None, rate, missed) for rate, missed in pairs]


FIRST = points(
    (0, 6 / 7), (0, 5 / 7), (1, 5 / 7), (2, 5 / 7), (2, 4 / 7), (3, 4 / 7), (4, 3 / 7), (4, 3 / 7), (4, 2 / 7)
)
SECOND = points((1, 1), (1, 5 / 6), (2, 5 / 6), (2, 4 / 6), (3, 4 / 6), (3, 3 / 6))
THIRD = points((0, 5 / 6), (0, 4 / 6), (1, 4 / 6), (3, 3 / 6), (3, 3 / 6), (3, 3 / 6))
FIFTH = points((0.2, 6 / 30))


@pytest.mark.parametrize(
    ("curve", "rate", "missed"),
    [
        ([], 0, 1.0),
        ([], 1, 1.0),
        *((FIRST, rate, share / 7) for rate, share in [(0, 5), (1, 5), (1.5, 5), (2, 4), (2.5, 4), (3, 4), (3.5, 3.5)]),
        (FIRST, 4, 2 / 7),
        (FIRST, 5, 2 / 7),
        (SECOND, 0, 1.0),
        *((SECOND, rate, share / 6) for rate, share in [(2, 4), (2.5, 4), (3, 3), (4, 3)]),
        *((THIRD, rate, share / 6) for rate, share in [(0, 4), (2, 3.5), (2.5, 3.25), (3, 3), (4, 3)]),
        (FIFTH, 0.033, 1.0),
        (FIFTH, 0.1, 1.0),
        (FIFTH, 0.2, 0.2),
        (FIFTH, 0.5, 0.2),
    ],
)
def test_misses_at_a_rate_are_nists(curve: list[DetPoint], rate: float, missed: float) -> None:
    """The figures of NIST's own test.

    Source: usnistgov/ActEV_Scorer, test/test_metrics.py, `testGetPointsAlongConfidenceCurve` (public domain).
    """
    assert p_miss_at(curve, rate) == pytest.approx(missed, abs=1e-10)


def test_a_curve_worked_by_hand() -> None:
    """4 events in 2 h: .9 right, .8 false, .7 right and false, none right.

    After .9: 0 false, 3 of 4 missed; after .8: 1 / 2 h; after .7: 2 / 2 h, 2 of 4; at last everything: 1 of 4 missed.
    """
    found = det_points([0.9, 0.7, -math.inf], [0.8, 0.7], num_events=4, hours=2)
    assert [(p.threshold, p.false_alarms_per_hour, p.p_miss) for p in found] == [
        (0.9, 0.0, 0.75),
        (0.8, 0.5, 0.75),
        (0.7, 1.0, 0.5),
        (None, 1.0, 0.25),
    ]
