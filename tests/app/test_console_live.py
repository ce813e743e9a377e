"""The newest pictures of a run in this process."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from pipeline.app.console_live import RunCameras
from pipeline.app.local import build_local
from pipeline.console.host import LatestFrame
from pipeline.contracts.incident import IncidentChange
from pipeline.ingest.pace import Pace
from pipeline.jpeg import size_of
from tests.support.local import Listener, settings_of, site_of
from tests.support.watcher import SCENE

LITTLE = timedelta(seconds=0.3)


def test_a_picture_and_what_is_in_it(tmp_path: Path) -> None:
    """While somebody climbs the fence: the newest picture, and the boxes of the last one that models looked at, in
    fractions of it; nothing of a camera that is not there."""
    site, seen = site_of(SCENE), list[LatestFrame]()

    def look(_change: IncidentChange) -> None:
        found = cameras.latest("yard")
        assert found is not None
        assert cameras.taken_at("yard") is not None
        seen.append(found)

    listener = Listener(on_change=look)
    with build_local(site, settings_of(site, tmp_path), pace=Pace(speed=0.0), listener=listener) as runtime:
        cameras = RunCameras(runtime)
        assert (cameras.latest("yard"), cameras.taken_at("yard"), cameras.latest("gate")) == (None, None, None)
        runtime.warm_up()
        runtime.run(threading.Event())
    first = seen[0]
    assert size_of(first.jpeg) == (480, 270)
    assert first.boxes_at is not None
    assert all(each.boxes_at is None or each.boxes_at - each.captured_at < LITTLE for each in seen)
    assert any(each.boxes_at and abs(each.boxes_at - each.captured_at) < LITTLE for each in seen)  # boxes that fit
    assert any(box.label == "moving" and box.track_id is not None for box in first.boxes)
    assert all(0 <= b.box[0] < b.box[2] <= 1 and 0 <= b.box[1] < b.box[3] <= 1 for b in first.boxes)
