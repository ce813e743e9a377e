"""Counts to figures: precision, recall, F1, false alarms an hour, time to alert, and how far chance may carry them.

A figure that cannot be known is None, never 0: recall without events, precision without alerts, a rate without hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.curve import DetPoint

RESAMPLES = 1000
CONFIDENCE = 0.95
_FEWEST_CAMERAS = 2
"""Of one alone chance shows nothing."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an alignment came to."""

    num_events: int
    num_matched: int
    num_false: int
    """Alerts on nothing."""
    num_duplicates: int
    """Alerts on an event that another alert had been matched to."""
    hours: float | None
    """Camera-hours looked at; None: not known."""

    @property
    def num_alerts(self) -> int:
        """Everything told."""
        return self.num_matched + self.num_false + self.num_duplicates

    @property
    def recall(self) -> float | None:
        """Share of the events that were told of."""
        return _ratio(self.num_matched, self.num_events)

    @property
    def precision(self) -> float | None:
        """Share of the alerts that were right, duplicates left aside."""
        return _ratio(self.num_matched, self.num_matched + self.num_false)

    @property
    def precision_with_duplicates(self) -> float | None:
        """The same with duplicates as false alarms, as ActEV counts."""
        return _ratio(self.num_matched, self.num_alerts)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where there was nothing to tell and nothing was told."""
        return _ratio(2 * self.num_matched, self.num_matched + self.num_false + self.num_events)

    @property
    def false_alarms_per_hour(self) -> float | None:
        """Alerts on nothing, a camera-hour."""
        return _ratio(self.num_false, self.hours) if self.hours is not None else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


@dataclass(frozen=True, slots=True)
class Interval:
    """Between these a figure lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is said of one group of events and alerts."""

    counts: Counts
    seconds_to_alert: tuple[float, ...]
    """Of each event that was told of, ascending."""
    intervals: dict[str, Interval]
    """By figure; those that cannot be known are left out."""
    curve: tuple[DetPoint, ...] = ()
    p_miss_at: dict[float, float] | None = None
    """False alarms a camera-hour to share of events missed; None without scores, events or hours."""

    def alert_percentile(self, percent: float) -> float | None:
        """Seconds to alert that so many percent of the told events keep to; None for none."""
        return float(np.percentile(self.seconds_to_alert, percent)) if self.seconds_to_alert else None


def intervals(by_camera: Sequence[Counts], seed: int, num_resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Percentile bootstrap over cameras: whole cameras are drawn again, as many as there are, with replacement.

    What happens on one camera hangs together, so events are not drawn one by one (Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993, chapters 8 and 13). Draws in which a figure has no value are left out.
    """
    if len(by_camera) < _FEWEST_CAMERAS:
        return {}
    rows = [(one.num_events, one.num_matched, one.num_false, one.hours or 0.0) for one in by_camera]
    places = np.random.default_rng(seed).integers(len(rows), size=(num_resamples, len(rows)))
    events, matched, false, hours = np.array(rows, dtype=float)[places].sum(axis=1).T
    drawn = {
        "recall": (matched, events),
        "precision": (matched, matched + false),
        "f1": (2 * matched, matched + false + events),
    }
    if all(one.hours is not None for one in by_camera):
        drawn["false_alarms_per_hour"] = (false, hours)
    found = {name: _interval(part, whole) for name, (part, whole) in drawn.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


def _interval(part: NDArray[np.float64], whole: NDArray[np.float64]) -> Interval | None:
    values = part[whole > 0] / whole[whole > 0]
    if not values.size:
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
