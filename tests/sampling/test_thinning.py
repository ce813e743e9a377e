"""Which frames of a camera are looked at."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pipeline.contracts.frame import Frame
from pipeline.sampling.thinning import Thinning
from tests.support.ingest import START

PIXELS = np.zeros((6, 8, 3), np.uint8)


def frame(sequence: int, at_seconds: float) -> Frame:
    return Frame("cam", sequence, START + timedelta(seconds=at_seconds), at_seconds, PIXELS)


def taken(thinning: Thinning, fps: float, num_frames: int, start_seconds: float = 0.0) -> list[int]:
    """Sequences of the frames that a camera of so many frames a second gets through."""
    frames = [frame(number, start_seconds + number / fps) for number in range(num_frames)]
    return [each.sequence for each in frames if thinning.take(each)]


@pytest.mark.parametrize("camera_fps", [6.0, 10.0, 12.0, 25.0, 29.97, 60.0])
def test_the_rate_holds_whatever_the_cameras_own_rate_is(camera_fps: float) -> None:
    """Five a second out of anything above it, over a minute; one more or less at the ends."""
    assert abs(len(taken(Thinning(5.0), camera_fps, int(60 * camera_fps))) - 300) <= 1


def test_a_slower_camera_loses_nothing() -> None:
    """Below the rate every frame is taken."""
    assert taken(Thinning(5.0), 4.0, 40) == list(range(40))


def test_a_clock_that_was_set_back_does_not_silence_a_camera() -> None:
    """The first frame of the new time is taken, and the rate goes on from there."""
    thinning = Thinning(5.0)
    taken(thinning, 25.0, 250, start_seconds=3600.0)
    assert taken(thinning, 25.0, 25) == [0, 4, 9, 14, 19, 24]


def test_frames_that_came_and_were_not_read_in_time_are_counted() -> None:
    """Five were due in a second and the camera sent 25: four are missing."""
    thinning = Thinning(5.0)
    thinning.take(frame(0, 0.0))
    thinning.take(frame(25, 1.0))
    assert thinning.num_missed == 4


def test_a_camera_that_is_silent_for_a_while_missed_nothing() -> None:
    """A gap in time without a gap in the numbers is the camera's own."""
    thinning = Thinning(5.0)
    thinning.take(frame(0, 0.0))
    thinning.take(frame(1, 10.0))
    assert thinning.num_missed == 0


def test_nobody_need_look_before_a_frame_is_due() -> None:
    """So much of a period is idle that the frame before the due one is not read, and never more than a period."""
    thinning = Thinning(5.0)
    assert thinning.idle_seconds(START) == 0.0
    thinning.take(frame(0, 0.0))
    assert thinning.idle_seconds(START + timedelta(seconds=0.05)) == pytest.approx(0.11)
    assert thinning.idle_seconds(START + timedelta(seconds=9)) == 0.0
    assert thinning.idle_seconds(START - timedelta(days=1)) == pytest.approx(0.2)
