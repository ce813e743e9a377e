"""JPEG there and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import jpeg
from pipeline.errors import InvalidMessage
from pipeline.jpeg import Reduction
from tests.support.perception import frame, yard

Damage = Callable[[bytes], bytes]
DAMAGES = {
    "empty": lambda _: b"",
    "text": lambda _: b"no picture",
    "header only": lambda whole: whole[:20],
    "cut": lambda whole: whole[: len(whole) // 2],
    "hollow": lambda _: b"\xff\xd8junk\xff\xd9",
    "markers only": lambda _: b"\xff\xd8" + bytes(50) + b"\xff\xd9",
}
damaged = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


def test_colours_survive() -> None:
    """Red stays red: RGB in, RGB out."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = (200, 30, 60)
    back = jpeg.decode(jpeg.encode(frame(pixels), 95).jpeg)
    assert back[20, 10].tolist() == pytest.approx([200, 30, 60], abs=6)  # JPEG rounds
    assert back[20, 50].tolist() == pytest.approx([0, 0, 0], abs=6)


def test_bgr_is_the_same_picture_the_other_way_round() -> None:
    """What draws in OpenCV's order gets and gives the same bytes."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 0] = 200
    data = jpeg.encode_pixels(pixels, 95)
    assert (jpeg.decode_bgr(data) == jpeg.decode(data)[..., ::-1]).all()
    assert jpeg.encode_bgr(pixels[..., ::-1].copy(), 95) == data


@pytest.mark.parametrize("size", [(1, 1), (240, 320), (4320, 7680)], ids=["1x1", "320x240", "8K"])
def test_any_size_goes_there_and_back(size: tuple[int, int]) -> None:
    """The header tells the size, and the pixels have it."""
    encoded = jpeg.encode(frame(np.full((*size, 3), 100, np.uint8)), 85)
    assert (encoded.height, encoded.width) == size == jpeg.size_of(encoded.jpeg)[::-1]
    assert jpeg.decode(encoded.jpeg).shape == (*size, 3)


@pytest.mark.parametrize(("reduction", "size"), [(1, (241, 323)), (2, (121, 162)), (4, (61, 81)), (8, (31, 41))])
def test_decoding_at_a_fraction(reduction: Reduction, size: tuple[int, int]) -> None:
    """A JPEG can be decoded at a half, a quarter, an eighth, in colour and as luma; odd sides round up."""
    encoded = jpeg.encode(frame(yard(323, 241)), 85)
    assert jpeg.decode(encoded.jpeg, reduction).shape == jpeg.decode_frame(encoded, reduction).shape == (*size, 3)
    assert jpeg.decode_luma(encoded, reduction).shape == size


def test_luma_is_that_of_the_colours() -> None:
    """Luma decoded alone is what the colours would give."""
    encoded = jpeg.encode(frame(yard()), 95)
    from_colours = cv2.cvtColor(jpeg.decode(encoded.jpeg), cv2.COLOR_RGB2GRAY)
    assert np.abs(jpeg.decode_luma(encoded).astype(int) - from_colours).max() <= 2  # two roundings


@damaged
def test_a_damaged_jpeg_is_an_invalid_message(damage: Damage) -> None:
    """Bytes that are no whole JPEG are set aside, not shown half grey."""
    data = damage(jpeg.encode_pixels(yard(), 85))
    for decode in (jpeg.decode, jpeg.decode_bgr):
        with pytest.raises(InvalidMessage, match="expected a JPEG"):
            decode(data)


@damaged
def test_a_damaged_frame_is_an_invalid_message(damage: Damage) -> None:
    """The same for a frame, whatever is asked of it."""
    encoded = jpeg.encode(frame(yard()), 85)
    for decode in (jpeg.decode_frame, jpeg.decode_luma, jpeg.pixels_of):
        with pytest.raises(InvalidMessage, match="expected a JPEG"):
            decode(replace(encoded, jpeg=damage(encoded.jpeg)))


def test_a_frame_of_another_size_than_it_says_is_an_invalid_message() -> None:
    """A small message that would unpack to a huge picture is refused by its header, before it is decoded."""
    encoded = replace(jpeg.encode(frame(np.zeros((4320, 7680, 3), np.uint8)), 30), width=640, height=480)
    for decode in (jpeg.decode_frame, jpeg.decode_luma):
        with pytest.raises(InvalidMessage, match="expected a JPEG picture of 640x480, got one of 7680x4320"):
            decode(encoded)


def test_padding_after_the_end_is_allowed() -> None:
    """Some cameras send whole blocks."""
    encoded = jpeg.encode(frame(yard()), 85)
    assert (jpeg.decode(encoded.jpeg + bytes(500)) == jpeg.decode(encoded.jpeg)).all()


def test_a_note_on_orientation_turns_nothing() -> None:
    """Boxes are in pixels as they are stored, so a picture is never turned on its side."""
    whole = jpeg.encode_pixels(yard(), 85)
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation: a quarter turn
    exif = b"Exif\0\0MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
    turned = whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + whole[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (320, 240, 3)
    assert jpeg.size_of(turned) == (320, 240)
    assert (jpeg.decode(turned) == jpeg.decode(whole)).all()


def test_a_picture_jpeg_cannot_hold_is_an_invalid_message() -> None:
    """A side over 65,500 pixels is refused by name."""
    with pytest.raises(InvalidMessage, match="70000x1"):
        jpeg.encode(frame(np.zeros((1, 70_000, 3), np.uint8)), 85)


def test_pixels_of_either_kind() -> None:
    """A decoded frame's pixels are its own, an encoded one's are decoded."""
    given = frame(yard())
    assert jpeg.pixels_of(given) is given.pixels
    encoded = jpeg.encode(given, 85)
    assert (jpeg.pixels_of(encoded) == jpeg.decode(encoded.jpeg)).all()


@pytest.mark.parametrize(("width_px", "size"), [(16, (16, 9)), (100, (100, 56)), (160, (160, 90)), (900, (640, 360))])
def test_a_shrunk_picture_keeps_its_shape(width_px: int, size: tuple[int, int]) -> None:
    """At most as wide as is wanted, whatever it is decoded at."""
    whole = jpeg.encode_pixels(np.full((360, 640, 3), 90, np.uint8), 90)
    assert jpeg.size_of(jpeg.shrunk(whole, width_px)) == size


def test_a_part_of_a_picture_is_cut_before_it_is_shrunk() -> None:
    """Red on the right, and nothing else of it."""
    pixels = np.zeros((360, 640, 3), np.uint8)
    pixels[:, 480:] = (220, 20, 20)
    part = jpeg.decode(jpeg.shrunk(jpeg.encode_pixels(pixels, 95), 64, (0.8, 0.0, 1.0, 0.2), quality=95))
    assert part.shape == (36, 64, 3)
    assert part.reshape(-1, 3).mean(axis=0).tolist() == pytest.approx([220, 20, 20], abs=8)  # JPEG rounds


@damaged
def test_what_is_no_whole_jpeg_is_not_shrunk(damage: Damage) -> None:
    """It is refused, as everywhere."""
    with pytest.raises(InvalidMessage):
        jpeg.shrunk(damage(jpeg.encode(frame(yard()), 90).jpeg), 32)
