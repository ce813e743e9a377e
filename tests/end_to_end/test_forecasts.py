"""Forecasts in one process: a rendered scene in, forecasts with their outcomes in the database."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts.forecast import ForecastFilter, Outcome
from tests.support.local import incidents_of, run_site, site_of, stores_of

SCENE = """
cameras:
  - id: yard
    url: "synthetic:yard?seed=1&seconds=40&fps=8&size=480x270"
    zones: {fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}
rules:
  - {id: entry, track: {object: any, enters: fence}, cooldown: 0s}
"""


def test_what_is_foretold_is_kept_and_looked_up(tmp_path: Path) -> None:
    """The incident says what was expected, still so when it is closed; each forecast is stored with its outcome."""
    site = site_of(SCENE)
    run_site(site, tmp_path)
    (incident,) = incidents_of(site, tmp_path)
    assert incident.candidate.outlook
    stores = stores_of(site, tmp_path)
    found = stores.forecasts.find(ForecastFilter(incident_id=incident.id))
    stores.close()
    assert {one.what for one in found} >= {one.what for one in incident.candidate.outlook}
    assert all(one.outcome is not None for one in found)
    assert any(one.outcome in (Outcome.YES, Outcome.NO) for one in found)
