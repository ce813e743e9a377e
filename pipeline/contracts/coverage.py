"""When was a camera, or a rule on it, really being watched? The account that keeps "nothing happened" honest.

Two layers write it, each by itself: what reads the camera (`pictures`), and what judges the rules (`rules`). An
interval says that the layer was at work, or that it was blind and why. What no interval covers was not watched
either: nobody was there. So a process that is killed leaves an end, not a lie.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

ALL_RULES = ""
"""The rule id of an interval that concerns every rule of its camera."""
WATCHED = ""
"""The reason of an interval in which there is nothing to complain of."""
NO_FRAMES = "no frames"
"""Frames were missing for longer than is honest, and nobody said why."""
NOT_JUDGED = "not judged"
"""The rules were not judged for longer than is honest, and nobody said why."""
NOT_RUNNING = "not running"
"""Nobody was there: the reason of time that no interval covers; never stored."""
STOPPED = "stopped"
"""Sightline was stopped, as asked."""
ENDED = "ended"
"""A recording was over."""


class Layer(StrEnum):
    """Who says so."""

    PICTURES = "pictures"
    """Frames came, could be seen, and were looked at."""
    RULES = "rules"
    """The rules were judged."""


@dataclass(frozen=True, slots=True)
class Interval:
    """[start, end) of one camera's time, aware UTC."""

    camera_id: str
    layer: Layer
    start: datetime
    end: datetime
    reason: str = WATCHED
    """`""` while watched; else a short stable phrase: `offline`, `frozen`, `black`, `covered`, `overloaded`,
    `perception failed`, …"""
    detail: str = ""
    """For a person."""
    rule_id: str = ALL_RULES


class CoverageStore(Protocol):
    """Keeps intervals. Thread-safe; `TransientError` when it cannot now."""

    def extend(self, intervals: Sequence[Interval]) -> None:
        """Store; one with the camera, layer, rule, reason and start of a stored one replaces its end and detail."""
        ...

    def between(self, camera_ids: Collection[str] | None, start: datetime, end: datetime) -> list[Interval]:
        """Those that reach into [start, end), of these cameras or of all (None), by camera and then by start."""
        ...

    def known_since(self, camera_ids: Collection[str] | None = None) -> Mapping[tuple[str, Layer], datetime]:
        """(camera, layer) to the start of the first interval that is kept: which layers a camera has at all."""
        ...
