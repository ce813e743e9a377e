"""Forecasts for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.contracts.forecast import ForecastSource, KeptForecast, Outcome

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_KEPT = KeptForecast(
    incident_id="1",
    camera_id="gate",
    rule_id="fence",
    source=ForecastSource.MEASURED,
    kind="enters",
    target="square",
    track_id=7,
    what="person 7 enters square",
    within_seconds=5.0,
    probability=0.7,
    made_at=START,
)


def kept(**changes: Any) -> KeptForecast:
    """A forecast that nobody has looked up."""
    return replace(_KEPT, **changes)


def checked(probability: float, *, happened: bool, **changes: Any) -> KeptForecast:
    """One that came true, or did not."""
    outcome = Outcome.YES if happened else Outcome.NO
    return kept(probability=probability, outcome=outcome, checked_at=START, **changes)
