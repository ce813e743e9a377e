"""What people say of alerts, added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.contracts.incident import Incident, Review
from pipeline.evaluation.reviews import precisions
from tests.support.store import START, make_candidate, opened

BERLIN = ZoneInfo("Europe/Berlin")


def told(at: datetime, is_right: bool | None = None, camera: str = "yard") -> Incident:
    incident = opened(make_candidate(at)).incident.model_copy(update={"camera_id": camera})
    review = None if is_right is None else Review(is_right=is_right, by="ann", at=at)
    return incident.model_copy(update={"review": review})


def test_precision_is_of_what_was_reviewed() -> None:
    """Alerts nobody has judged count as told, not as right or wrong."""
    (row,) = precisions([told(START, True), told(START, True), told(START, False), told(START)], UTC, "all")
    assert (row.num_incidents, row.num_right, row.num_wrong, row.precision) == (4, 2, 1, pytest.approx(2 / 3))


def test_the_interval_is_clopper_and_pearsons() -> None:
    """9 of 10 right: .555 to .997, as in published tables; nobody asked: anything."""
    (row,) = precisions([told(START, number > 0) for number in range(10)], UTC, "all")
    assert row.interval == pytest.approx((0.5550, 0.9975), abs=1e-4)
    (unknown,) = precisions([told(START)], UTC, "all")
    assert (unknown.precision, unknown.interval) == (None, (0.0, 1.0))


def test_weeks_begin_on_the_sites_monday() -> None:
    """Sunday 23:30 UTC is Monday in Berlin."""
    sunday = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    rows = precisions([told(sunday - timedelta(hours=2)), told(sunday)], BERLIN, "week")
    assert [row.start for row in rows] == [datetime(2026, 2, 23, tzinfo=BERLIN), datetime(2026, 3, 2, tzinfo=BERLIN)]


def test_cameras_can_be_kept_apart() -> None:
    """One camera's weather must not hide behind another's quiet."""
    rows = precisions([told(START, True), told(START, False, "gate")], UTC, "all", by_camera=True)
    assert [(row.camera_id, row.precision) for row in rows] == [("gate", 0.0), ("yard", 1.0)]
    assert len(precisions([told(START, True), told(START, False, "gate")], UTC, "all")) == 1
