"""The whole path from a real RTSP camera to a webhook, while it happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.contracts.incident import IncidentChange
from pipeline.scenes import open_scene
from tests.support.ingest import wait_for
from tests.support.local import Listener, incidents_of, run_site, site_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver
from tests.support.rtsp_camera import RtspCamera, write_h264

FPS = 8
SIZE = (480, 270)
BEFORE_ENTRY_SECONDS, AFTER_ENTRY_SECONDS = 24.0, 36.0
"""Of the scene, in which somebody enters the fence's zone at 29 s."""

SITE = """
models: {{vlm: "openai:http://127.0.0.1:{vlm.port}/v1#judge"}}
cameras:
  - id: yard
    url: "{url}"
    zones: {{fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}}
  - {{id: refused, url: "{refused_url}", health: {{offline: "off"}}}}
rules:
  - {{id: entry, track: {{object: any, enters: fence}}, cameras: yard, cooldown: 60s}}
channels:
  guards: {{webhook: "{receiver.url}", allow_private: true}}
settings: {{drain_for: 10s}}
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve seconds of the yard."""
    scene = open_scene("yard", seed=1, size=SIZE)
    num_frames = int((AFTER_ENTRY_SECONDS - BEFORE_ENTRY_SECONDS) * FPS)
    pictures = (scene.render(BEFORE_ENTRY_SECONDS + index / FPS)[0] for index in range(num_frames))
    return write_h264(tmp_path / "yard.mp4", pictures, FPS, SIZE)


@pytest.mark.rtsp
def test_an_entry_seen_by_a_live_camera_is_told(
    rtsp_camera: Callable[..., RtspCamera], clip: Path, tmp_path: Path
) -> None:
    """Provisional, then confirmed, beside a camera that refuses its password; a stop leaves nothing behind."""
    device, stop, delays = rtsp_camera(clip, "guard", "hunter2"), threading.Event(), []

    def measure(change: IncidentChange) -> None:
        delays.append((datetime.now(UTC) - change.incident.candidate.opened_at).total_seconds())

    def stop_when_told() -> None:
        receiver.wait_for(2)
        stop.set()

    with Receiver() as receiver, Receiver(otherwise=judge(0.95)) as vlm:
        text = SITE.format(url=device.url(), refused_url=device.url("guard:letmein"), receiver=receiver, vlm=vlm)
        site = site_of(text)
        watcher = threading.Thread(target=stop_when_told)
        watcher.start()
        summary = run_site(site, tmp_path / "data", listener=Listener(measure), stop=stop)
        watcher.join()
    print(f"provisional {delays[0]:.2f} s after the candidate's frame, {summary.frames_read} frames read")

    kinds = [request.json["type"].removeprefix("sightline.incident.") for request in receiver.received]
    (incident,) = incidents_of(site, tmp_path / "data")
    assert kinds[0] == "provisional"
    assert "confirmed" in kinds  # before or after the passage is over: `closed`
    assert {request.json["subject"] for request in receiver.received} == {incident.id}
    assert incident.candidate.facts[0].text == "something entered fence"
    assert (summary.failures, summary.pending_deliveries, summary.pending_verdicts) == ((), 0, 0)
    assert wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith(("grab-", "open-"))])
