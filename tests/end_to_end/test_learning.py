"""What people say of alerts, and what a run has learned, in the next run: the whole local path with real features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import pytest

from pipeline.clock import SystemClock
from pipeline.contracts.incident import Incident, IncidentChange
from pipeline.contracts.learned import LearnedKind
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.site import load_site
from tests.support.local import Listener, incidents_of, run_site, site_of, stores_of

pytestmark = pytest.mark.shared
SITE = """
models: {{encoder: "onnx:{model}"}}
cameras: [{{id: aisle, url: "{video}", sampling: {{active_fps: 5, idle_fps: 5}}}}]
rules: [{{id: like-that, examples: [{example}], cooldown: 0s, verify: none}}]
"""
DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def site_path(shared: Path, tmp_path: Path) -> Path:
    """A rule by one picture of the clip that it looks at."""
    video = shared / "videos" / "tud_campus.mp4"
    capture = cv2.VideoCapture(str(video))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 40)
    cv2.imwrite(str(tmp_path / "example.png"), capture.read()[1])
    capture.release()
    model = shared / "weights" / "yolox_nano.onnx"
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(model=model, video=video, example="example.png"))
    return path


def told_on(day: int, site_path: Path, folder: Path) -> list[Incident]:
    """The incidents of a run over the clip, as if it were filmed so many days later."""
    site, begun = load_site(site_path), DAY + timedelta(days=day)
    run_site(site, folder, start_at=begun)
    return [one for one in incidents_of(site, folder) if begun <= one.opened_at < begun + timedelta(days=1)]


def say(site_path: Path, folder: Path, incidents: list[Incident], *, is_right: bool) -> None:
    stores = stores_of(load_site(site_path), folder)
    recorder = IncidentRecorder(stores.incidents, lambda _: (), SystemClock())
    for incident in incidents:
        recorder.review(incident.id, is_right=is_right, by="ann")
    stores.close()


def test_a_rejected_alert_is_not_told_again(site_path: Path, tmp_path: Path) -> None:
    """The next run knows what people said of the last one's; one that was confirmed is told again."""
    folder = tmp_path / "data"
    first = told_on(0, site_path, folder)
    assert len(first) == 1
    say(site_path, folder, first, is_right=True)
    assert len(told_on(1, site_path, folder)) == 1
    say(site_path, folder, first, is_right=False)
    say(site_path, folder, told_on(2, site_path, folder), is_right=False)
    assert told_on(3, site_path, folder) == []


def test_a_review_counts_while_the_run_goes_on(site_path: Path, tmp_path: Path) -> None:
    """Said of the first alert as soon as it is told, at five times real time: later ones go by it."""
    folder, site = tmp_path / "data", load_site(site_path)

    def reject(change: IncidentChange) -> None:
        if change.sequence == 1:
            say(site_path, folder, [change.incident], is_right=False)

    run_site(site, folder, start_at=DAY, listener=Listener(reject))
    stores = stores_of(site, folder)
    (kept,) = [one for one in stores.learned.load("aisle") if one.kind is LearnedKind.CALIBRATION]
    (told,) = incidents_of(site, folder)
    stores.close()
    assert told.review is not None
    assert kept.body


def test_what_was_learned_is_kept_at_the_end(site_path: Path, tmp_path: Path) -> None:
    """Thresholds and the camera's normal, for whoever watches the camera next; without an encoder nothing."""
    folder, site = tmp_path / "data", load_site(site_path)
    run_site(site, folder, start_at=DAY)
    stores = stores_of(site, folder)
    assert {one.kind for one in stores.learned.load("aisle")} == {LearnedKind.CALIBRATION, LearnedKind.NORMAL}
    stores.close()
    plain = site_of(f"cameras: [{{id: aisle, url: '{site.cameras[0].url.get_secret_value()}'}}]")
    run_site(plain, tmp_path / "plain", start_at=DAY)
    stores = stores_of(plain, tmp_path / "plain")
    assert stores.learned.load() == []
    stores.close()
