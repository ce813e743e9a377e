"""Pixels to JPEG and back: the one codec of the project.

In: pixels or JPEG bytes. Out: the other. Pixels are HWC uint8 RGB; the two functions with `bgr` in their names
are for code that draws with OpenCV. What is no whole JPEG is an `InvalidMessage`, never a half grey picture.
Safe from several threads; OpenCV works without Python's lock.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.values import Image
from pipeline.errors import InvalidMessage

Reduction = Literal[1, 2, 4, 8]
"""JPEG can be decoded at a half, a quarter or an eighth of its size for a fraction of the time; sides round up."""

_LUMA = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_LONGEST_SIDE_PX = 320
"""Of the luma that pictures are watched in: a person 30 px wide in 1080p is 5 px wide in it, still a region."""
_REDUCTIONS: tuple[Reduction, ...] = (8, 4, 2)
_START_OF_IMAGE = b"\xff\xd8"
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 1024
"""Some cameras pad their pictures; the end is looked for in so many last bytes."""
_FILL = 0xFF
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that begin a frame header (ITU-T T.81, table B.1)."""


def encode(frame: Frame, quality: int) -> EncodedFrame:
    """The frame as JPEG; `InvalidMessage` for a picture JPEG cannot hold (a side over 65,500 pixels)."""
    return EncodedFrame(
        camera_id=frame.camera_id,
        sequence=frame.sequence,
        captured_at=frame.captured_at,
        pts_seconds=frame.pts_seconds,
        width=frame.width,
        height=frame.height,
        jpeg=encode_pixels(frame.pixels, quality),
    )


def encode_pixels(pixels: Image, quality: int) -> bytes:
    """RGB pixels as JPEG; `InvalidMessage` as for `encode`."""
    return encode_bgr(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8), quality)


def encode_bgr(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """BGR pixels as JPEG; `InvalidMessage` as for `encode`."""
    height, width = pixels.shape[:2]
    try:
        is_done, jpeg = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))
    except cv2.error as error:
        raise InvalidMessage(f"cannot write a picture of {width}x{height} as JPEG: {error.err}") from error
    if not is_done:
        raise InvalidMessage(f"cannot write a picture of {width}x{height} as JPEG")
    return jpeg.tobytes()


def decode(jpeg: bytes, reduction: Reduction = 1) -> Image:
    """RGB pixels; `InvalidMessage` when the bytes are not a whole JPEG."""
    return _read(jpeg, _LUMA[reduction] | cv2.IMREAD_COLOR_RGB)


def shrunk(
    jpeg: bytes, width_px: int, part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0), quality: int = 72
) -> bytes:
    """The picture, or a part of it (left, top, right, bottom as fractions of its sides), as a JPEG at most so wide.

    A part that is narrower stays as wide as it is. `InvalidMessage` when the bytes are not a whole JPEG.
    """
    whole_px = size_of(jpeg)[0]
    reduction = next((each for each in _REDUCTIONS if (part[2] - part[0]) * whole_px >= each * width_px), 1)
    pixels = _read(jpeg, _LUMA[reduction] | cv2.IMREAD_COLOR_BGR)
    height, width = pixels.shape[:2]
    left, right = (round(side * width) for side in (part[0], part[2]))
    top, bottom = (round(side * height) for side in (part[1], part[3]))
    cut = pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = min(width_px / cut.shape[1], 1.0)
    size = max(round(cut.shape[1] * scale), 1), max(round(cut.shape[0] * scale), 1)
    return encode_bgr(np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8), quality)


def decode_bgr(jpeg: bytes) -> NDArray[np.uint8]:
    """BGR pixels; `InvalidMessage` when the bytes are not a whole JPEG."""
    return _read(jpeg, cv2.IMREAD_COLOR_BGR)


def pixels_of(frame: Frame | EncodedFrame) -> Image:
    """RGB pixels of a frame of either kind; `InvalidMessage` as for `decode_frame`."""
    return frame.pixels if isinstance(frame, Frame) else decode_frame(frame)


def decode_frame(frame: EncodedFrame, reduction: Reduction = 1) -> Image:
    """RGB pixels; `InvalidMessage` also when the picture is not of the size the frame says."""
    _require_size(frame)
    return decode(frame.jpeg, reduction)


def decode_luma(frame: EncodedFrame, reduction: Reduction = 1) -> NDArray[np.uint8]:
    """Luma, (height, width), uint8; `InvalidMessage` as for `decode_frame`."""
    _require_size(frame)
    return _read(frame.jpeg, _LUMA[reduction])


def luma_of(frame: Frame | EncodedFrame) -> NDArray[np.uint8]:
    """Luma of a frame, (height, width), uint8, reduced so that its longer side has at most 320 pixels.

    Both kinds are reduced by the same steps, so that a camera is judged alike wherever its frames come from.
    `InvalidMessage` for a JPEG that is not whole or not of the frame's size.
    """
    if isinstance(frame, Frame):
        return np.asarray(cv2.cvtColor(_reduced(frame.pixels, frame), cv2.COLOR_RGB2GRAY), np.uint8)
    longest = max(frame.width, frame.height)
    factor: Reduction = next((factor for factor in _REDUCTIONS if longest >= 2 * factor * _LONGEST_SIDE_PX), 1)
    return _reduced(decode_luma(frame, factor), frame)


def _reduced(picture: Image | NDArray[np.uint8], frame: Frame | EncodedFrame) -> NDArray[np.uint8]:
    """The frame's picture, whole or already at a fraction, at that size."""
    scale = min(_LONGEST_SIDE_PX / max(frame.width, frame.height), 1.0)
    size = max(round(frame.width * scale), 1), max(round(frame.height * scale), 1)
    # Averaging only the last halving: 0.3 ms for 720p against 1.4 ms all the way, and as little noise.
    double = min(2 * size[0], picture.shape[1]), min(2 * size[1], picture.shape[0])
    return np.asarray(cv2.resize(cv2.resize(picture, double), size, interpolation=cv2.INTER_AREA), np.uint8)


def size_of(jpeg: bytes) -> tuple[int, int]:
    """(width, height) as the header says, nothing decoded; `InvalidMessage` when there is no such header."""
    at = len(_START_OF_IMAGE)
    while jpeg.startswith(_START_OF_IMAGE) and at + 9 <= len(jpeg) and jpeg[at] == _FILL:
        marker = jpeg[at + 1]
        if marker in _FRAME_HEADERS:
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
        at += 1 if marker == _FILL else 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    raise InvalidMessage(f"expected a JPEG picture, got {len(jpeg)} bytes without a frame header; discard it")


def _require_size(frame: EncodedFrame) -> None:
    # Before decoding: a picture of 65,500 x 16,000 fits into a few megabytes of JPEG, and takes 3 GB as pixels.
    width, height = size_of(frame.jpeg)
    if (width, height) != (frame.width, frame.height):
        raise InvalidMessage(
            f"expected a JPEG picture of {frame.width}x{frame.height}, got one of {width}x{height}; discard it"
        )


def _read(jpeg: bytes, flag: int) -> NDArray[np.uint8]:
    # A cut JPEG would decode with the rest in grey, and only a line on standard error would tell.
    if _END_OF_IMAGE not in jpeg[-_TAIL_BYTES:]:
        raise InvalidMessage(f"expected a JPEG picture, got {len(jpeg)} bytes that do not end like one; discard it")
    try:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InvalidMessage(f"expected a JPEG picture, got {len(jpeg)} bytes OpenCV refuses: {error.err}") from error
    if pixels is None:
        raise InvalidMessage(f"expected a JPEG picture, got {len(jpeg)} bytes that cannot be decoded; discard it")
    return np.asarray(pixels, np.uint8)
