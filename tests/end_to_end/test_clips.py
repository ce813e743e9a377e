"""Real clips through the whole path, held against what is known of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.local import incidents_of, run_site, site_of

pytestmark = pytest.mark.shared

ROI_PX = (631, 532, 210, 127)
"""x, y, width, height of the region of interest, as `annotations/dvrscan_traffic_camera.txt` gives it."""
TRUE_EVENTS = ((10, 148), (359, 490), (543, 575))
"""First and last frame of its motion events, at 25 frames a second."""
SITE = """
cameras:
  - {{id: clip, url: {clip}, zones: {{roi: {roi}}}, sampling: {{active_fps: {fps}}}}}
rules:
  - {{id: motion, track: {{object: any, inside: roi}}, cooldown: 0s}}
"""


def roi_of(width: int, height: int) -> list[list[float]]:
    x, y, w, h = ROI_PX
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return [[round(a / width, 5), round(b / height, 5)] for a, b in corners]


@pytest.mark.parametrize("fps", [5, 25])
def test_the_motion_events_of_a_traffic_camera(shared: Path, tmp_path: Path, fps: int) -> None:
    """Each true event is found once, and nothing else."""
    clip = shared / "videos" / "dvrscan_traffic_camera.mp4"
    site = site_of(SITE.format(clip=clip, roi=roi_of(1280, 720), fps=fps))
    run_site(site, tmp_path)
    found = [incident.candidate for incident in incidents_of(site, tmp_path)]
    first = min(candidate.started_at for candidate in found)
    spans = [
        ((c.started_at - first).total_seconds() + TRUE_EVENTS[0][0] / 25, (c.ended_at - first).total_seconds() + 0.4)
        for c in found
        if c.ended_at
    ]
    assert len(spans) == len(TRUE_EVENTS)
    for (start, end), (true_start, true_end) in zip(spans, TRUE_EVENTS, strict=True):
        assert start < true_end / 25
        assert end > true_start / 25


def test_light_alone_is_no_event(shared: Path, tmp_path: Path) -> None:
    """A clip in which only the light changes gives nothing."""
    clip = shared / "videos" / "dvrscan_brightness_change.avi"
    whole = "[[0, 0], [1, 0], [1, 1], [0, 1]]"
    site = site_of(SITE.format(clip=clip, roi=whole, fps=12))
    summary = run_site(site, tmp_path)
    assert summary.frames_read == 59
    assert incidents_of(site, tmp_path) == []


def test_people_with_a_detector(shared: Path, tmp_path: Path) -> None:
    """YOLOX-nano on walkers: people cross a line, with their number, place, direction, picture and clip."""
    clip = shared / "videos" / "pets09_s2l1_vtest.avi"
    site = site_of(
        f"""
models: {{detector: "onnx:{shared / "weights" / "yolox_nano.onnx"}"}}
cameras:
  - {{id: campus, url: {clip}, lines: {{middle: [[0.7, 0], [0.7, 1]]}}, sampling: {{active_fps: 2}}}}
rules:
  - {{id: crossing, track: {{object: person, crosses: middle, direction: right_to_left}}, cooldown: 10s}}
"""
    )
    run_site(site, tmp_path)
    found = incidents_of(site, tmp_path)
    assert len(found) >= 3
    assert all("crossed middle from right to left" in incident.candidate.facts[0].text for incident in found)
    assert all(incident.snapshot_uri and incident.clip_uri for incident in found)
