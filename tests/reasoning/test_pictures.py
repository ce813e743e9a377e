"""Choosing and preparing the pictures of a prompt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.contracts.candidate import KeyFrame
from pipeline.reasoning.pictures import choose, prepare
from tests.support.reasoning import SQUARE, START, frame, jpeg, request


def _key_frame(sequence: int) -> KeyFrame:
    return KeyFrame(sequence=sequence, captured_at=START, role="peak", score=1.0)


def _decode(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


def test_two_hundred_frames_are_cut_to_the_limit() -> None:
    """First, peak and last stay, and no gap is more than twice another's share."""
    frames = tuple(frame(number) for number in range(200))
    candidate = request(frames, key_frames=(_key_frame(70),)).candidate
    kept = [each.sequence for each in choose(frames, candidate, 8)]
    assert len(kept) == 8
    assert {0, 70, 199} <= set(kept)
    assert kept == sorted(kept)
    assert max(np.diff(kept)) <= 2 * 200 / 7


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_peak_is_kept_under_any_limit(limit: int) -> None:
    """However few pictures may be sent, the peak is one of them."""
    frames = tuple(frame(number) for number in range(9))
    candidate = request(frames, key_frames=(_key_frame(4),)).candidate
    kept = [each.sequence for each in choose(frames, candidate, limit)]
    assert 4 in kept
    assert len(kept) == limit


def test_frames_come_in_time_order() -> None:
    """Frames handed over out of order are put in order of time."""
    frames = (frame(5), frame(1), frame(3))
    assert [each.sequence for each in choose(frames, request(frames).candidate, 8)] == [1, 3, 5]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a picture", id="garbage"),
        pytest.param(jpeg(200, 200)[:300], id="truncated"),
        pytest.param(b"\xff\xd8" + b"\x00" * 50 + b"\xff\xd9", id="markers only"),
    ],
)
def test_a_corrupt_jpeg_is_left_out(data: bytes) -> None:
    """What does not decode is missing from the pictures; the others stay."""
    frames = [frame(0), frame(1, picture=data) if data else frame(1, picture=b" ")]
    assert [picture.frame.sequence for picture in prepare(frames, None, 768)] == [0]


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (300, 3000), (1, 1), (64, 48)])
def test_pictures_are_scaled_down_and_never_up(width: int, height: int) -> None:
    """The longest side is at most `max_side_px`, smaller pictures keep their size."""
    (picture,) = prepare([frame(0, width=width, height=height)], SQUARE, 256)
    shape = _decode(picture.jpeg).shape
    assert max(shape[:2]) == min(256, max(width, height))


def test_the_zone_is_outlined() -> None:
    """Yellow on the zone's edge, the picture untouched inside and outside of it."""
    (picture,) = prepare([frame(0, width=200, height=200)], SQUARE, 256)
    pixels = _decode(picture.jpeg).astype(int)
    blue, green, red = pixels[100, 50]
    assert min(green, red) - blue > 60  # JPEG blurs the colour of a one-pixel line
    assert abs(pixels[100, 100] - 90).max() < 10
    assert abs(pixels[10, 10] - 90).max() < 10
