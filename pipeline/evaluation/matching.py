"""Which prediction tells of which event: two published criteria, and the best one-to-one alignment under each.

* `overlap`, as ActEV's surveillance track scores (SDL_V2): at least 1 s in common, or, when the event is shorter than
  1 s, at least half of the event (usnistgov/ActEV_Scorer, `build_temporal_second_overlap_filter_v2` with 1 s and 0.5).
* `window`, as i-LIDS scores: told within 10 s from the event's start, however long the event lasts (Home Office,
  "The i-LIDS User Guide", v4.9, 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.evaluation.spans import ANY_LABEL, Event, Prediction

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

OVERLAP_SECONDS = 1.0
SHORT_EVENT_SHARE = 0.5
WINDOW_SECONDS = 10.0
_TICK_SECONDS = 1e-6
"""Lengths this close are equal: times are sums and quotients of floats."""


class Columns(NamedTuple):
    """Predictions of one camera, a number each."""

    starts: Numbers
    ends: Numbers
    alerts: Numbers
    labels: NDArray[np.str_]

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> Columns:
        """In their order."""
        return cls(
            np.array([one.start_seconds for one in predictions], dtype=float),
            np.array([one.end_seconds for one in predictions], dtype=float),
            np.array([one.alerted_at for one in predictions], dtype=float),
            np.array([one.label for one in predictions], dtype=np.str_),
        )


class Criterion(Protocol):
    """When a prediction tells of an event; labels are looked at elsewhere."""

    name: str
    words: str

    def matches(self, event: Event, told: Columns) -> tuple[Flags, Numbers]:
        """For each prediction whether it is right, and how well it fits (0..1; compared only among right ones)."""
        ...

    def repeats(self, event: Event, told: Columns) -> Flags:
        """For each prediction whether it tells of the event once more, when another has been matched to it."""
        ...


class Overlap:
    """ActEV's: enough time in common."""

    name = "overlap"
    words = "at least 1 s in common with the event, or half of an event shorter than 1 s"

    def matches(self, event: Event, told: Columns) -> tuple[Flags, Numbers]:
        """Fit: intersection over union."""
        length = event.end_seconds - event.start_seconds
        needed = OVERLAP_SECONDS if length >= OVERLAP_SECONDS else SHORT_EVENT_SHARE * length
        shared = np.minimum(told.ends, event.end_seconds) - np.maximum(told.starts, event.start_seconds)
        union = np.maximum(told.ends, event.end_seconds) - np.minimum(told.starts, event.start_seconds)
        fit = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
        return shared >= needed - _TICK_SECONDS, fit

    def repeats(self, event: Event, told: Columns) -> Flags:
        """Right, but the event is taken."""
        return self.matches(event, told)[0]


class Window:
    """i-LIDS's: told soon enough."""

    name = "window"
    words = "told within 10 s from the event's start"

    def matches(self, event: Event, told: Columns) -> tuple[Flags, Numbers]:
        """Fit: the sooner the better."""
        delay = told.alerts - event.start_seconds
        is_right = (delay >= -_TICK_SECONDS) & (delay <= WINDOW_SECONDS + _TICK_SECONDS)
        return is_right, 1 - delay / WINDOW_SECONDS

    def repeats(self, event: Event, told: Columns) -> Flags:
        """Told while the event lasts, or within its window."""
        last = max(event.end_seconds, event.start_seconds + WINDOW_SECONDS)
        return (told.alerts >= event.start_seconds - _TICK_SECONDS) & (told.alerts <= last + _TICK_SECONDS)


CRITERIA: tuple[Criterion, ...] = (Overlap(), Window())


@dataclass(frozen=True, slots=True)
class Alignment:
    """Who is whose, by place in the lists that were given."""

    pairs: dict[int, int]
    """Event to prediction."""
    duplicates: dict[int, int]
    """Prediction to the event, matched already, that it tells of once more."""
    seconds_to_alert: dict[int, float]
    """Of every matched event, from its start to the first alert on it; 0 for one that was up already."""


def align(events: Sequence[Event], predictions: Sequence[Prediction], criterion: Criterion) -> Alignment:
    """The alignment of one camera's events and predictions with the most matches.

    Among those, the one whose matched scores are highest (as ActEV's), and among those the one that fits best.
    """
    if not events or not predictions:
        return Alignment({}, {}, {})
    told = Columns.of(predictions)
    rows, columns, fits = _right_pairs(events, told, criterion)
    worth = _congruence(predictions)[columns] + fits / 1000
    pairs = _best_pairs(rows, columns, worth / 1.001, len(events), len(predictions))
    duplicates = _duplicates(events, told, criterion, pairs)
    return Alignment(pairs, duplicates, _seconds_to_alert(events, told, pairs, duplicates))


def _right_pairs(
    events: Sequence[Event], told: Columns, criterion: Criterion
) -> tuple[NDArray[np.intp], NDArray[np.intp], Numbers]:
    """Places of events and of predictions that may be matched, and how well they fit."""
    rows, columns, fits = [], [], []
    for row, event in enumerate(events):
        is_right, fit = criterion.matches(event, told)
        (found,) = np.nonzero(is_right & _has_label(event, told))
        rows.append(np.full(len(found), row, dtype=np.intp))
        columns.append(found)
        fits.append(np.clip(fit[found], 0.0, 1.0))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(fits)


def _has_label(event: Event, told: Columns) -> Flags:
    if event.label == ANY_LABEL:
        return np.ones(len(told.labels), dtype=np.bool_)
    return np.isin(told.labels, (event.label, ANY_LABEL))


def _congruence(predictions: Sequence[Prediction]) -> Numbers:
    """Scores from 0 for the lowest to 1 for the highest, as ActEV's presence-confidence congruence."""
    scores = np.array([one.usable_score for one in predictions])
    is_usable = np.isfinite(scores)
    if not is_usable.any():
        return np.zeros(len(scores))
    halved = scores / 2  # the largest floats have a difference too
    lowest, highest = halved[is_usable].min(), halved[is_usable].max()
    spread = highest - lowest
    scaled = (halved - lowest) / spread if spread > 0 else np.ones(len(scores))
    return np.where(is_usable, scaled, 0.0)


def _best_pairs(
    rows: NDArray[np.intp], columns: NDArray[np.intp], worth: Numbers, num_events: int, num_predictions: int
) -> dict[int, int]:
    """Most pairs first, then most worth (each 0..1). Solved for each group that hangs together by itself."""
    size = num_events + num_predictions
    graph = coo_array((np.ones(len(rows)), (rows, columns + num_events)), shape=(size, size))
    _, group_of = connected_components(graph, directed=False)
    pairs: dict[int, int] = {}
    order = np.argsort(group_of[rows], kind="stable")
    for places in np.split(order, np.nonzero(np.diff(group_of[rows][order]))[0] + 1):
        of_group_rows, row_at = np.unique(rows[places], return_inverse=True)
        of_group_columns, column_at = np.unique(columns[places], return_inverse=True)
        value = np.zeros((len(of_group_rows), len(of_group_columns)))
        # All worth of a group together counts less than one more pair.
        value[row_at, column_at] = 1 + worth[places] / (1 + min(value.shape))
        for row, column in zip(*linear_sum_assignment(value, maximize=True), strict=True):
            if value[row, column] > 0:
                pairs[int(of_group_rows[row])] = int(of_group_columns[column])
    return pairs


def _duplicates(events: Sequence[Event], told: Columns, criterion: Criterion, pairs: dict[int, int]) -> dict[int, int]:
    taken = set(pairs.values())
    duplicates: dict[int, int] = {}
    for row in sorted(pairs):
        again = criterion.repeats(events[row], told) & _has_label(events[row], told)
        for column in np.nonzero(again)[0]:
            if int(column) not in taken:
                duplicates.setdefault(int(column), row)
    return duplicates


def _seconds_to_alert(
    events: Sequence[Event], told: Columns, pairs: dict[int, int], duplicates: dict[int, int]
) -> dict[int, float]:
    first = {row: float(told.alerts[column]) for row, column in pairs.items()}
    for column, row in duplicates.items():
        first[row] = min(first[row], float(told.alerts[column]))
    return {row: max(alert - events[row].start_seconds, 0.0) for row, alert in first.items()}
