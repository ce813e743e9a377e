"""What people's words on alerts have changed, for the console: learned thresholds, and the share found right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from pipeline.app.stores import Stores
from pipeline.console.host import Lesson, Record
from pipeline.contracts.incident import IncidentFilter
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.errors import InvalidMessage
from pipeline.evaluation.reviews import precisions
from pipeline.events.calibration_state import CalibrationState

_MOST_REVIEWS = 1_000
"""The latest: some 0.3 s to read."""


class KeptLessons:
    """`Lessons` of what is kept."""

    def __init__(self, stores: Stores, zone: tzinfo) -> None:
        self._stores = stores
        self._zone = zone

    def threshold(self, camera_id: str, rule_id: str) -> Lesson | None:
        """None of a rule without a score, and before anything was learned."""
        learned = self._stores.learned.load(camera_id)
        wanted = (camera_id, rule_id, LearnedKind.CALIBRATION)
        return next((_lesson(one) for one in learned if (one.camera_id, one.rule_id, one.kind) == wanted), None)

    def records(self, since: datetime, camera_ids: Sequence[str] | None = None, rule_id: str = "") -> list[Record]:
        """By rule and week."""
        wanted = IncidentFilter(
            rule_id=rule_id or None,
            opened_from=since,
            is_reviewed=True,
            camera_ids=None if camera_ids is None else tuple(camera_ids),
            limit=_MOST_REVIEWS,
        )
        found = precisions(self._stores.incidents.find(wanted), self._zone, "week")
        return [Record(one.rule_id, one.start, one.num_right, one.num_wrong, one.interval) for one in found]


def _lesson(learned: Learned) -> Lesson | None:
    """None of a damaged one, which the next start begins afresh."""
    try:
        state = CalibrationState.load(learned.body)
    except InvalidMessage:
        return None
    right = sum(review.is_right for review in state.reviews.values())
    return Lesson(
        threshold=state.threshold,
        is_learned=state.is_learned,
        words=state.words,
        num_right=right,
        num_wrong=len(state.reviews) - right,
        updated_at=learned.updated_at,
    )
