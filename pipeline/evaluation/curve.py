"""Misses against false alarms as the threshold falls: the DET curve, and misses at fixed false-alarm rates.

As ActEV's scorer: the alignment is made once, with all predictions, and the threshold then sweeps over the scores;
everything that is not matched counts as a false alarm here, duplicates too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RATES_PER_HOUR = (60.0, 12.0, 9.0, 6.0, 1.8, 0.6)
"""1, .2, .15, .1, .03 and .01 a camera-minute, at which ActEV reports misses."""


@dataclass(frozen=True, slots=True)
class DetPoint:
    """What a threshold gives: everything that scores as much or more is told."""

    threshold: float | None
    """None: everything is told, that without a score too."""
    false_alarms_per_hour: float
    p_miss: float


def det_points(
    matched_scores: Sequence[float], unmatched_scores: Sequence[float], num_events: int, hours: float
) -> list[DetPoint]:
    """From the highest threshold to the lowest; minus infinity for no score. Needs events and hours."""
    points = []
    told = sorted([(score, True) for score in matched_scores] + [(score, False) for score in unmatched_scores])
    num_matched = num_unmatched = 0
    while told:
        threshold = told[-1][0]
        while told and told[-1][0] == threshold:
            is_matched = told.pop()[1]
            num_matched, num_unmatched = num_matched + is_matched, num_unmatched + (not is_matched)
        shown = threshold if math.isfinite(threshold) else None
        points.append(DetPoint(shown, num_unmatched / hours, 1 - num_matched / num_events))
    return points


def p_miss_at(points: Sequence[DetPoint], rate_per_hour: float) -> float:
    """Misses at a false-alarm rate; 1 where no threshold gives so few false alarms.

    Between two points in a straight line, beyond the last as the last (usnistgov/ActEV_Scorer,
    `get_points_along_confidence_curve`).
    """
    before: DetPoint | None = None
    for point in points:
        if point.false_alarms_per_hour > rate_per_hour:
            if before is None:
                return 1.0
            span = point.false_alarms_per_hour - before.false_alarms_per_hour
            share = (rate_per_hour - before.false_alarms_per_hour) / span
            return before.p_miss + share * (point.p_miss - before.p_miss)
        before = point
    return before.p_miss if before is not None else 1.0
