"""Cameras that fail under a real `sightline run`, which is never restarted: each failure is told by one incident, kept
as a gap in the coverage, and over by itself.

The short form of `benchmarks/camera_faults.py`, with short debounces: one run and its cameras serve all tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.camera_clips import scene_pictures, write_views
from tests.support.camera_faults import Cast
from tests.support.camera_watch import FaultTrial, Outcome, Watching, site_text
from tests.support.rtsp_camera import _rtsp_programs

__all__ = ["_rtsp_programs"]
pytestmark = pytest.mark.rtsp

HEALTH = {"offline": "1s", "frozen": "2s", "low_fps": "off", "moved": "off", "blurred": "off"}
INGEST = "ingest: {connect_timeout: 2s, read_timeout: 2s, retry_from: 0.2s, retry_to: 0.5s}"
FRAME_SECONDS = 1.0
"""What an interval may be wrong by where frames are missing: frames come five times a second, on a busy machine."""

Trial = Callable[[str, float], Outcome]


@pytest.fixture(scope="module")
def trial(_rtsp_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Strikes a fault for so many seconds, and gives what became of it."""
    folder: Path = tmp_path_factory.mktemp("faults")
    pictures = scene_pictures(seconds=4.0)
    with (
        Cast(write_views(folder / "views", pictures, codecs=()), pictures) as cast,
        Watching(folder, site_text(cast.urls, HEALTH, INGEST)) as watching,
    ):
        watching.wait_for_frames(list(cast.urls))
        yield lambda name, seconds: FaultTrial(watching, cast.faults[name].lasting(seconds)).run(
            patience_seconds=30.0, settle_seconds=1.5
        )


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param("restarted larger", 3.0, id="switched off, and on again with larger pictures"),
        pytest.param("stopped", 4.0, id="silent with its connections open"),
        pytest.param("garbage", 3.0, id="sends garbage"),
        pytest.param("wrong password", 2.0, id="has another password"),
    ],
)
def test_lost_frames_are_one_incident_and_one_gap(trial: Trial, fault: str, seconds: float) -> None:
    """Told as offline, closed when frames come again; the gap is the fault's, and nobody else has one."""
    outcome = trial(fault, seconds)

    assert outcome.problems == ()
    assert (outcome.conditions, outcome.num_closed) == (("offline",), 1)
    assert outcome.blind_seconds >= seconds - FRAME_SECONDS
    assert outcome.frames_lost > 0


def test_a_frozen_picture_is_a_gap_though_frames_come(trial: Trial) -> None:
    """Told as frozen, and blind from the picture's first showing, not from when it was told."""
    outcome = trial("frozen", 6.0)

    assert outcome.problems == ()
    assert (outcome.conditions, outcome.num_closed) == (("frozen",), 1)
    assert outcome.blind_seconds >= 6.0 - 2 * FRAME_SECONDS
    assert outcome.noticed_seconds is not None
    assert outcome.noticed_seconds >= 2.0  # the debounce


def test_another_size_in_the_same_stream_is_no_fault(trial: Trial) -> None:
    """Frames go on, and nobody is told."""
    outcome = trial("another size", 3.0)

    assert outcome.problems == ()
    assert outcome.conditions == ()
