"""One gate's verdict on one thing at one time: the grain of the ledger behind `why`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

NO_RULE = ""
"""The rule id of a decision that concerns a camera as a whole."""


class Gate(StrEnum):
    """The gates in the order a frame meets them."""

    CAMERA = "camera"
    SAMPLING = "sampling"
    PERCEPTION = "perception"
    SCHEDULE = "schedule"
    PREDICATE = "predicate"
    THRESHOLD = "threshold"
    DWELL = "dwell"
    COOLDOWN = "cooldown"
    INCIDENT = "incident"
    VERIFICATION = "verification"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict. `value` and `threshold` are the numbers compared, in the unit that `reason` implies."""

    camera_id: str
    gate: Gate
    passed: bool
    reason: str
    """A short stable phrase, e.g. `no motion`, `below threshold`, `cooldown`, `out of schedule`."""
    at: datetime
    """The frame's time (aware, UTC), not the time of deciding."""
    rule_id: str = NO_RULE
    value: float | None = None
    threshold: float | None = None
    detail: str = ""
    """Free text for a person; only the last one of a minute is kept."""


class DecisionSink(Protocol):
    """Where decisions go. Called for every frame and rule: never blocks, never raises. Thread-safe."""

    def record(self, decision: Decision) -> None:
        """Take note."""
        ...


class NullDecisionSink:
    """Forgets everything; for tests and benchmarks of a single stage."""

    def record(self, decision: Decision) -> None:
        """Forget."""


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """All decisions of one camera, rule, minute, gate and reason, added up."""

    camera_id: str
    rule_id: str
    minute: datetime
    """Start of the minute, aware UTC."""
    gate: Gate
    passed: bool
    reason: str
    count: int
    min_value: float | None
    max_value: float | None
    threshold: float | None
    """Of the last decision that had one."""
    detail: str
