"""Truth and predictions in, figures out: for all together, for each rule and for each camera."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import ConfigError
from pipeline.evaluation.curve import RATES_PER_HOUR, DetPoint, det_points, p_miss_at
from pipeline.evaluation.figures import Counts, Figures, intervals
from pipeline.evaluation.matching import Alignment, Criterion, align
from pipeline.evaluation.spans import ANY_LABEL, Event, Prediction, Truth

_SECONDS_AN_HOUR = 3600.0
_Span = TypeVar("_Span", Event, Prediction)


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything under one criterion."""

    pooled: Figures
    rules: dict[str, Figures]
    """Each rule by itself: its events, and those of no rule in particular, against its alerts."""
    cameras: dict[str, Figures]
    """All rules of one camera; without intervals and curve."""


def score(
    truth: Truth,
    predictions: Sequence[Prediction],
    criterion: Criterion,
    *,
    camera_hours: float | None = None,
    rates_per_hour: Sequence[float] = RATES_PER_HOUR,
    seed: int = 0,
) -> Scores:
    """Align and count. Predictions on cameras that the truth does not know are left out (`remarks` tells of them).

    `camera_hours` stands for the lengths of the recordings, in proportion to them if they are known, else in equal
    parts. `seed` is that of the bootstrap. `ConfigError` for hours or rates that are none.
    """
    if not all(math.isfinite(rate) and rate >= 0 for rate in rates_per_hour):
        raise ConfigError(f"rates of false alarms must be numbers from 0 on, got {', '.join(map(str, rates_per_hour))}")
    hours = _hours(truth, camera_hours)
    told = [one for one in predictions if one.camera_id in truth.lengths]
    pooled = _Group.of(truth.events, told, hours, criterion)
    names = sorted({*(event.label for event in truth.events), *(one.label for one in told)} - {ANY_LABEL})
    rules = {name: _Group.of(_of_rule(truth.events, name), _of_rule(told, name), hours, criterion) for name in names}
    return Scores(
        pooled.figures(rates_per_hour, seed),
        {name: group.figures(rates_per_hour, seed) for name, group in rules.items()},
        {camera_id: _figures([one], None, ()) for camera_id, one in pooled.by_camera.items()},
    )


def _hours(truth: Truth, camera_hours: float | None) -> dict[str, float | None]:
    """Camera to hours that it was looked at."""
    known = {name: None if length is None else length / _SECONDS_AN_HOUR for name, length in truth.lengths.items()}
    if camera_hours is None:
        return known
    if not (math.isfinite(camera_hours) and camera_hours > 0):
        raise ConfigError(f"the camera-hours must be more than 0, got {camera_hours}")
    shares = [hours for hours in known.values() if hours is not None]
    if len(shares) < len(known) or sum(shares) <= 0:
        return dict.fromkeys(known, camera_hours / max(len(known), 1))
    return {name: camera_hours * (hours or 0.0) / sum(shares) for name, hours in known.items()}


def _of_rule(spans: Iterable[_Span], name: str) -> list[_Span]:
    return [one for one in spans if one.label in (name, ANY_LABEL)]


def _by_camera(spans: Iterable[_Span]) -> dict[str, list[_Span]]:
    groups: dict[str, list[_Span]] = {}
    for one in spans:
        groups.setdefault(one.camera_id, []).append(one)
    return groups


@dataclass(frozen=True, slots=True)
class _Aligned:
    """One camera's events and predictions, aligned."""

    events: Sequence[Event]
    predictions: Sequence[Prediction]
    alignment: Alignment
    hours: float | None

    @property
    def counts(self) -> Counts:
        num_matched, num_duplicates = len(self.alignment.pairs), len(self.alignment.duplicates)
        num_false = len(self.predictions) - num_matched - num_duplicates
        return Counts(len(self.events), num_matched, num_false, num_duplicates, self.hours)

    def scores(self, *, is_matched: bool) -> list[float]:
        taken = set(self.alignment.pairs.values())
        return [one.usable_score for place, one in enumerate(self.predictions) if (place in taken) is is_matched]


@dataclass(frozen=True, slots=True)
class _Group:
    """Events and predictions that are counted together, by camera: no prediction reaches over to another camera."""

    by_camera: dict[str, _Aligned]

    @classmethod
    def of(
        cls,
        events: Sequence[Event],
        predictions: Sequence[Prediction],
        hours: Mapping[str, float | None],
        criterion: Criterion,
    ) -> _Group:
        there, told = _by_camera(events), _by_camera(predictions)
        by_camera = {}
        for camera_id, camera_hours in hours.items():
            here, said = there.get(camera_id, []), told.get(camera_id, [])
            by_camera[camera_id] = _Aligned(here, said, align(here, said, criterion), camera_hours)
        return cls(by_camera)

    def figures(self, rates_per_hour: Sequence[float], seed: int) -> Figures:
        cameras = list(self.by_camera.values())
        points = self._curve(_total([one.counts for one in cameras]))
        at = {rate: p_miss_at(points, rate) for rate in rates_per_hour} if points else None
        return _figures(cameras, at, points, seed)

    def _curve(self, total: Counts) -> tuple[DetPoint, ...]:
        matched = [value for one in self.by_camera.values() for value in one.scores(is_matched=True)]
        unmatched = [value for one in self.by_camera.values() for value in one.scores(is_matched=False)]
        has_scores = any(math.isfinite(value) for value in (*matched, *unmatched))
        if not has_scores or not total.num_events or not total.hours:
            return ()
        return tuple(det_points(matched, unmatched, total.num_events, total.hours))


def _figures(
    cameras: Sequence[_Aligned], p_miss: dict[float, float] | None, curve: tuple[DetPoint, ...], seed: int = 0
) -> Figures:
    counts = [one.counts for one in cameras]
    waits = sorted(wait for one in cameras for wait in one.alignment.seconds_to_alert.values())
    return Figures(_total(counts), tuple(waits), intervals(counts, seed), curve, p_miss)


def _total(counts: Sequence[Counts]) -> Counts:
    """Hours are known when those of every camera are."""
    hours = [one.hours for one in counts]
    return Counts(
        sum(one.num_events for one in counts),
        sum(one.num_matched for one in counts),
        sum(one.num_false for one in counts),
        sum(one.num_duplicates for one in counts),
        None if None in hours or not hours else sum(hour or 0.0 for hour in hours),
    )
