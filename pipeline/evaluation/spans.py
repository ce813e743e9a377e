"""What happened and what was told, as spans of time on a camera: the scorer's input, whatever file it came from.

Times are seconds, either from the start of the recording or since 1970 (UTC); truth and predictions must count alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

ANY_LABEL = ""
"""Of an event: a prediction of any rule may match it; of a prediction: it may match any event."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that really happened; half-open, and an instant when `end_seconds` is `start_seconds`."""

    camera_id: str
    start_seconds: float
    end_seconds: float
    label: str = ANY_LABEL


@dataclass(frozen=True, slots=True)
class Prediction:
    """Something that was told."""

    camera_id: str
    start_seconds: float
    end_seconds: float
    label: str = ANY_LABEL
    """The rule that told it."""
    score: float | None = None
    """The higher the surer, on any scale; NaN and infinity count as none."""
    alert_seconds: float | None = None
    """When it was told; with its start when not given."""

    @property
    def alerted_at(self) -> float:
        """When it was told."""
        return self.start_seconds if self.alert_seconds is None else self.alert_seconds

    @property
    def usable_score(self) -> float:
        """The score; without one it comes last: minus infinity."""
        return self.score if self.score is not None and math.isfinite(self.score) else -math.inf


@dataclass(frozen=True, slots=True)
class Truth:
    """Every event of some recordings."""

    events: tuple[Event, ...]
    lengths: Mapping[str, float | None]
    """Every camera that was looked through, those without events too, and for how many seconds; None: not known."""
    counts_from_start: bool = True
    """Times are from the start of each recording, not since 1970."""


def overlapping(events: Iterable[Event]) -> list[tuple[Event, Event]]:
    """Events of one camera and label of which the second begins before an earlier one has ended."""
    found = []
    for group in _by_camera_and_label(events):
        last = group[0]
        for event in group[1:]:
            if event.start_seconds < last.end_seconds:
                found.append((last, event))
            last = max(last, event, key=lambda one: one.end_seconds)
    return found


def merged(events: Iterable[Event], gap_seconds: float) -> tuple[Event, ...]:
    """Events of one camera and label become one when they overlap, touch, or lie no more than `gap_seconds` apart."""
    result: list[Event] = []
    for group in _by_camera_and_label(events):
        joined = [group[0]]
        for event in group[1:]:
            last = joined[-1]
            if event.start_seconds - last.end_seconds <= gap_seconds:
                joined[-1] = replace(last, end_seconds=max(last.end_seconds, event.end_seconds))
            else:
                joined.append(event)
        result += joined
    return tuple(result)


def runs(flags: Iterable[bool], fps: float) -> list[tuple[float, float]]:
    """(start, end) in seconds of every unbroken run of true frames; frame n lasts from n / fps to (n + 1) / fps."""
    padded = [False, *flags, False]
    edges = [index for index, (before, now) in enumerate(pairwise(padded)) if before != now]
    return [(start / fps, end / fps) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _by_camera_and_label(events: Iterable[Event]) -> list[list[Event]]:
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda one: (one.camera_id, one.label, one.start_seconds, one.end_seconds)):
        groups.setdefault((event.camera_id, event.label), []).append(event)
    return list(groups.values())
