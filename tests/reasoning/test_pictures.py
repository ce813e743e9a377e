"""Choosing and preparing the pictures of a prompt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.contracts.candidate import KeyFrame
from pipeline.jpeg import encode_pixels
from pipeline.reasoning.pictures import Picture, choose, mark_alike, prepare
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
    (picture,) = prepare([frame(0, picture=jpeg(200, 200), width=200, height=200)], SQUARE, 256)
    pixels = _decode(picture.jpeg).astype(int)
    blue, green, red = pixels[100, 50]
    assert min(green, red) - blue > 60  # JPEG blurs the colour of a one-pixel line
    assert abs(pixels[100, 100] - 90).max() < 10
    assert abs(pixels[10, 10] - 90).max() < 10


def _moments(*places: int | None) -> list[Picture]:
    """Pictures of a wall with noise; a small thing stands at x = `place` px, or nowhere."""
    noise, frames = np.random.default_rng(3), []
    for number, place in enumerate(places):
        pixels = noise.integers(88, 93, (432, 768, 3), dtype=np.uint8)
        if place is not None:
            pixels[200:240, place : place + 12] = 20
        frames.append(frame(number, picture=encode_pixels(pixels, 90), width=768, height=432))
    return prepare(frames, None, 768)


def test_a_picture_in_which_nothing_moved_is_referred_to() -> None:
    """It names the last picture that is shown; what moved 12 x 40 px is shown, and the last one always is."""
    marked = mark_alike(_moments(None, None, 100, 100, 400, 400), 4.0)
    assert [picture.looks_like for picture in marked] == [None, 1, None, 3, None, None]


def test_slow_change_adds_up() -> None:
    """Each picture is compared with the last one shown, not with its neighbour."""
    grey = [frame(number, picture=jpeg(value=90 + 2 * number)) for number in range(6)]
    assert [picture.looks_like for picture in mark_alike(prepare(grey, None, 768), 4.0)] == [
        None,
        1,
        None,
        3,
        None,
        None,
    ]


def test_referring_can_be_switched_off() -> None:
    """With 0 every picture is its own; one picture and none are, too."""
    assert mark_alike(_moments(None, None, None), 0.0) == _moments(None, None, None)
    assert mark_alike(_moments(None), 4.0) == _moments(None)
    assert mark_alike([], 4.0) == []
