"""What a reader of the figures must know about the input: a sentence for everything that makes them say less than
they seem to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from pipeline.evaluation.matching import OVERLAP_SECONDS
from pipeline.evaluation.spans import ANY_LABEL, Event, Prediction, Truth, overlapping

_MOST_NAMES = 5


def remarks(truth: Truth, predictions: Sequence[Prediction], camera_hours: float | None = None) -> list[str]:
    """Sentences, the gravest first; none when all is as it should be.

    `camera_hours` as for `score`: with them it does not matter that lengths are not known.
    """
    checks: tuple[Callable[[Truth, Sequence[Prediction]], Iterable[str]], ...] = (
        _nothing_there,
        _cameras_apart,
        _labels_apart,
        _times_apart,
        _beyond_the_end,
        _events_overlap,
        _scores_missing,
        _alerts_without_length,
    )
    found = [sentence for check in checks for sentence in check(truth, predictions)]
    return found if camera_hours is not None else [*found, *_lengths_unknown(truth)]


def _nothing_there(truth: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    if not truth.events:
        yield "the truth has no events: recall cannot be known, every alert is false"
    if not predictions:
        yield "there are no predictions: precision cannot be known, every event is missed"


def _cameras_apart(truth: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    told = {one.camera_id for one in predictions}
    if not told:
        return
    if not told & set(truth.lengths):
        yield (
            f"no camera is in both: the truth has {_names(truth.lengths)}; the predictions have {_names(told)}; "
            "nothing could be compared"
        )
    elif unknown := told - set(truth.lengths):
        num_left_out = sum(one.camera_id in unknown for one in predictions)
        yield f"left out {num_left_out} of {len(predictions)} predictions: the truth says nothing of {_names(unknown)}"


def _labels_apart(truth: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    there, told = ({one.label for one in spans} for spans in (truth.events, predictions))
    if ANY_LABEL in there or ANY_LABEL in told:
        return
    if there and told and (silent := there - told):
        yield f"no prediction is of {_names(silent)} (the predictions: {_names(told)}); such events count as missed"
    if there and (untold := told - there):
        yield f"no event is of {_names(untold)} (the truth: {_names(there)}); such alerts count as false"


def _times_apart(truth: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    told = [one for one in predictions if one.camera_id in truth.lengths]
    if not truth.events or not told:
        return
    there, said = _hull(truth.events), _hull(told)
    if there[1] < said[0] or said[1] < there[0]:
        yield (
            f"truth and predictions have no time in common: events from {there[0]:.1f} to {there[1]:.1f} s, "
            f"predictions from {said[0]:.1f} to {said[1]:.1f} s; do both count from the same moment?"
        )


def _hull(spans: Sequence[Event] | Sequence[Prediction]) -> tuple[float, float]:
    return min(one.start_seconds for one in spans), max(one.end_seconds for one in spans)


def _beyond_the_end(truth: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    if not truth.counts_from_start:
        return
    for camera_id, length in truth.lengths.items():
        if length is None:
            continue
        num_events = sum(one.end_seconds > length + 1e-6 for one in truth.events if one.camera_id == camera_id)
        num_told = sum(one.start_seconds > length for one in predictions if one.camera_id == camera_id)
        if num_events or num_told:
            yield (
                f"{camera_id} is {length:.1f} s long, but {num_events} events end and {num_told} predictions begin "
                "after that: they are counted; is it the same recording?"
            )


def _events_overlap(truth: Truth, _: Sequence[Prediction]) -> Iterable[str]:
    if pairs := overlapping(truth.events):
        first, second = pairs[0]
        yield (
            f"{len(pairs)} events begin while another of the same camera and label lasts (first: {first.camera_id}, "
            f"{first.start_seconds:.1f}–{first.end_seconds:.1f} s and {second.start_seconds:.1f}–"
            f"{second.end_seconds:.1f} s); an alert can match only one of them; --merge 0s makes them one"
        )


def _scores_missing(_: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    num_missing = sum(one.score is None for one in predictions)
    num_broken = sum(one.score is not None and not math.isfinite(one.score) for one in predictions)
    if predictions and num_missing + num_broken == len(predictions):
        yield "no prediction has a score: no curve, and no misses at fixed false-alarm rates"
    elif num_missing + num_broken:
        yield (
            f"{num_missing + num_broken} of {len(predictions)} predictions have no usable score ({num_broken} not a "
            "number or infinite): in the curve they come last"
        )


def _alerts_without_length(_: Truth, predictions: Sequence[Prediction]) -> Iterable[str]:
    if num_points := sum(one.end_seconds <= one.start_seconds for one in predictions):
        yield (
            f"{num_points} of {len(predictions)} predictions have no length: by overlap they match no event of "
            f"{OVERLAP_SECONDS:.0f} s or more; go by the window"
        )


def _lengths_unknown(truth: Truth) -> Iterable[str]:
    if unknown := [camera_id for camera_id, length in truth.lengths.items() if length is None]:
        yield f"it is not known how long {_names(unknown)} was looked at: for rates an hour say --camera-hours"


def _names(names: Iterable[str]) -> str:
    """`a, b`, a few of them; `none`."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _MOST_NAMES} more" if len(ordered) > _MOST_NAMES else ""
    return ", ".join(ordered[:_MOST_NAMES]) + more or "none"
