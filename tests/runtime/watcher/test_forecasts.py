"""What a watcher foretells goes to the database, with what became of it."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts.forecast import ForecastFilter
from pipeline.store.database import Database
from pipeline.store.forecasts import SqlForecastStore
from tests.support.store import sqlite_url
from tests.support.watcher import Stand, scene_frames, wires


def test_a_watcher_keeps_its_forecasts(tmp_path: Path) -> None:
    """Of every incident it opened with a thing in sight; once the stream is over each has an outcome."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    store = SqlForecastStore(database)
    stand = Stand(tmp_path, forecasts=store)
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    found = store.find(ForecastFilter())
    database.close()
    assert {one.incident_id for one in found} <= set(stand.bus.opened_ids())
    assert {one.rule_id for one in found} >= {"entry"}
    assert all(one.outcome is not None for one in found)
    entry = next(message.candidate for message in stand.bus.messages() if message.candidate.rule_id == "entry")
    assert {one.what for one in entry.outlook} == {one.what for one in found if one.incident_id == entry.id}
