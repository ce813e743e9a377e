"""What can be wrong with a camera, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.values import Severity


class Condition(StrEnum):
    """One way in which a camera fails its watch, worst first: of several at once, the first is told."""

    OFFLINE = "offline"
    """No frames: not reachable, refused, silent, or no video that can be decoded."""
    FROZEN = "frozen"
    """Frames come, and all show the same picture to the last noise."""
    BLACK = "black"
    """Nothing can be seen for want of light or signal."""
    COVERED = "covered"
    """The view is blocked: next to no detail, and not for darkness."""
    MOVED = "moved"
    """The camera looks elsewhere than it did: zones and lines no longer fit."""
    BLURRED = "blurred"
    """Out of focus, or the lens is dirty."""
    LOW_FPS = "low_fps"
    """Frames come more seldom than the rules of the camera need."""
    CLOCK_WRONG = "clock_wrong"
    """The camera's clock, or its stream's, jumps or differs from this machine's by too much to be used."""


BLIND: frozenset[Condition] = frozenset({Condition.OFFLINE, Condition.FROZEN, Condition.BLACK, Condition.COVERED})
"""While one of these lasts nothing is being watched: a gap in the coverage."""

DEBOUNCE_SECONDS: Mapping[Condition, float] = {
    Condition.OFFLINE: 10.0,
    Condition.FROZEN: 20.0,
    Condition.BLACK: 10.0,
    Condition.COVERED: 10.0,
    Condition.MOVED: 10.0,
    Condition.BLURRED: 20.0,
    Condition.LOW_FPS: 30.0,
    Condition.CLOCK_WRONG: 10.0,
}
"""How long a condition must last before it is told, where the camera does not say otherwise. A frozen picture must
outlast the longest that an honest camera repeats one."""

SEVERITY: Mapping[Condition, Severity] = {
    Condition.OFFLINE: Severity.HIGH,
    Condition.FROZEN: Severity.HIGH,
    Condition.BLACK: Severity.HIGH,
    Condition.COVERED: Severity.HIGH,
    Condition.MOVED: Severity.MEDIUM,
    Condition.BLURRED: Severity.MEDIUM,
    Condition.LOW_FPS: Severity.LOW,
    Condition.CLOCK_WRONG: Severity.LOW,
}
"""Of a health rule that names none itself."""


@dataclass(frozen=True, slots=True)
class HealthChange:
    """A condition that lasted its debounce began, or a condition that was told is over."""

    camera_id: str
    condition: Condition
    is_on: bool
    since: datetime
    """When the condition began: the last moment that was good. The same in the change that ends it."""
    at: datetime
    """When it was told, or the first good moment after it: aware, UTC."""
    detail: str
    """For a person: `no answer within 10 s`, `mean brightness 3 of 255`. Never a password."""
    value: float | None = None
    """What was measured …"""
    threshold: float | None = None
    """… and what it was compared with, where there are numbers."""


class HealthListener(Protocol):
    """Who is told of changes. Called on the threads that read cameras and on one that watches time: be quick,
    never raise."""

    def changed(self, change: HealthChange) -> None:
        """A condition began or ended."""
        ...


class StreamListener(Protocol):
    """Who hears what becomes of one camera's connection and of its frames, on the thread that reads it."""

    def connected(self, at: datetime) -> None:
        """The first frame of a connection came."""
        ...

    def lost(self, at: datetime, reason: str) -> None:
        """There is no connection, and why; again at every try that fails."""
        ...

    def frame(self, frame: Frame | EncodedFrame) -> None:
        """A frame was read."""
        ...

    def clock_off(self, at: datetime, offset_seconds: float | None) -> None:
        """The camera's clock is that far from this machine's (positive: ahead) and is not used; None: all is well."""
        ...
