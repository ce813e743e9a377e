"""Two lists of alerts on the same recordings: which are about the same thing, and which only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.matching import Columns, Flags, Numbers, Overlap, align
from pipeline.evaluation.spans import Event, Prediction

NEAR_SECONDS = 1.0


class Near:
    """Two alerts are about the same thing when they overlap, or lie no more than a second apart.

    Looser than the criteria for truth: an alert may be an instant, which two versions of a rule tell a frame apart.
    """

    name = "near"
    words = "overlapping, or no more than 1 s apart"

    def matches(self, event: Event, told: Columns) -> tuple[Flags, Numbers]:
        """Fit: intersection over union."""
        apart = np.maximum(told.starts, event.start_seconds) - np.minimum(told.ends, event.end_seconds)
        return apart <= NEAR_SECONDS, Overlap().matches(event, told)[1]

    def repeats(self, event: Event, told: Columns) -> Flags:
        """The same thing once more."""
        return self.matches(event, told)[0]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Places in the two lists that were given."""

    both: tuple[tuple[int, int], ...]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]


def compare(first: Sequence[Prediction], second: Sequence[Prediction]) -> Comparison:
    """One to one, so that the most are matched; only alerts of one camera and label can be."""
    both: list[tuple[int, int]] = []
    for camera_id in sorted({one.camera_id for one in first}):
        here = [place for place, one in enumerate(first) if one.camera_id == camera_id]
        there = [place for place, one in enumerate(second) if one.camera_id == camera_id]
        events = [_as_event(first[place]) for place in here]
        pairs = align(events, [second[place] for place in there], Near()).pairs
        both += [(here[row], there[column]) for row, column in pairs.items()]
    in_first, in_second = {one for one, _ in both}, {other for _, other in both}
    return Comparison(
        tuple(sorted(both)),
        tuple(place for place in range(len(first)) if place not in in_first),
        tuple(place for place in range(len(second)) if place not in in_second),
    )


def _as_event(one: Prediction) -> Event:
    return Event(one.camera_id, one.start_seconds, one.end_seconds, one.label)
