"""Times of a container, mended."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from pipeline.ingest.timeline import Timeline


def placed(pts_seconds: list[float], fps: float = 10.0) -> list[float]:
    timeline = Timeline(fps)
    return [round(timeline.place(pts), 6) for pts in pts_seconds]


def test_increasing_times_are_kept_as_the_container_tells_them() -> None:
    """A variable frame rate stays variable; the first frame is at 0."""
    assert placed([5.0, 5.04, 5.2, 7.0]) == [0.0, 0.04, 0.2, 2.0]


@pytest.mark.parametrize("pts", [0.0, math.nan], ids=["stuck at zero", "not a number"])
def test_times_that_do_not_advance_fall_back_to_the_frame_rate(pts: float) -> None:
    """Without times, frame k is at k / fps, however long the stream."""
    times = placed([pts] * 300)

    assert times == pytest.approx([index / 10 for index in range(300)])


def test_frames_told_in_decoding_order_are_spread_without_running_away() -> None:
    """Times that go back a little keep the frames' order and stay within a few frames of the truth."""
    order = [1, 0, 2, 5, 4, 6, 3] + [4 * block + step for block in range(2, 50) for step in (1, 0, 2, -1)]
    times = placed([index / 10 for index in order])

    assert all(a < b for a, b in pairwise(times))
    assert times[-1] == pytest.approx((len(times) - 1) / 10, abs=0.5)  # five frames of ten a second


def test_a_new_count_in_the_middle_goes_on_where_the_old_one_ended() -> None:
    """A stream that starts again at zero, or leaps by hours, continues one frame later."""
    assert placed([900.0, 900.1, 0.0, 0.1, 7200.0, 7200.3]) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.7])


def test_a_pause_in_the_recording_stays_a_pause() -> None:
    """A gap of half a minute is the container's word, not an error."""
    timeline = Timeline(10.0)

    assert [timeline.place(pts) for pts in (0.0, 30.0)] == [0.0, 30.0]
    assert timeline.num_mended == 0


def test_starting_again_for_a_loop_is_not_an_error() -> None:
    """A loop continues one step after the last frame and is not counted as mended."""
    timeline = Timeline(10.0)
    times = [timeline.place(pts) for pts in (0.0, 0.1)]
    timeline.start_again()
    times += [timeline.place(pts) for pts in (0.0, 0.1)]

    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert timeline.num_mended == 0


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, 90_000.0])
def test_a_nonsensical_frame_rate_becomes_the_usual_one(fps: float) -> None:
    """Containers without a frame rate are taken for 25 a second where times are missing too."""
    assert placed([0.0, 0.0], fps) == [0.0, 0.04]
