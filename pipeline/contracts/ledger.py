"""Reading side of the ledger of decisions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from pipeline.contracts.decision import DecisionCount


class DecisionStore(Protocol):
    """Keeps decision counts by minute. Thread-safe; `TransientError` when it cannot now."""

    def add(self, counts: Sequence[DecisionCount]) -> None:
        """Add to what is stored for the same camera, rule, minute, gate, verdict and reason."""
        ...

    def between(
        self, camera_id: str, start: datetime, end: datetime, rule_id: str | None = None
    ) -> list[DecisionCount]:
        """Minutes in [start, end), in time order and then in the order of the gates; with a rule, that rule's
        decisions and those that concern the camera as a whole."""
        ...


class NearMisses(Protocol):
    """What rules all but told. Thread-safe; `TransientError` when it cannot now."""

    def near_misses(self, camera_ids: Collection[str], start: datetime, end: datetime) -> list[DecisionCount]:
        """Refusals of these cameras' rules in minutes of [start, end) that came close, by camera and time: what was
        met, but not for long enough, too soon after an alert, or out of schedule; what measured nearly as much as it
        needs; an alert that no receiver took. One alert may have followed in that minute all the same."""
        ...
