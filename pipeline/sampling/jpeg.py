"""Pixels to JPEG and back. Colour order ends here: RGB on our side, BGR on OpenCV's."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.values import Image
from pipeline.errors import InvalidMessage

Reduction = Literal[1, 2, 4, 8]
"""JPEG can be decoded at a half, a quarter or an eighth of its size for a fraction of the time."""

_END_OF_IMAGE = b"\xff\xd9"
_COLOUR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_GREY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def encode(frame: Frame, quality: int) -> EncodedFrame:
    """The frame as JPEG; `InvalidMessage` for a picture JPEG cannot hold (a side over 65,500 pixels)."""
    try:
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality)
        )
    except cv2.error as error:
        raise InvalidMessage(f"cannot write a frame of {frame.width}x{frame.height} as JPEG: {error}") from error
    if not done:
        raise InvalidMessage(f"cannot write a frame of {frame.width}x{frame.height} as JPEG")
    return EncodedFrame(
        camera_id=frame.camera_id,
        sequence=frame.sequence,
        captured_at=frame.captured_at,
        pts_seconds=frame.pts_seconds,
        width=frame.width,
        height=frame.height,
        jpeg=data.tobytes(),
    )


def decode(jpeg: bytes, reduction: Reduction = 1) -> Image:
    """RGB pixels; `InvalidMessage` when the bytes are not a whole JPEG."""
    return np.asarray(cv2.cvtColor(_read(jpeg, _COLOUR[reduction]), cv2.COLOR_BGR2RGB), np.uint8)


def decode_luma(jpeg: bytes, reduction: Reduction = 1) -> NDArray[np.uint8]:
    """Luma, (height, width), uint8; `InvalidMessage` when the bytes are not a whole JPEG."""
    return _read(jpeg, _GREY[reduction])


def _read(jpeg: bytes, flag: int) -> NDArray[np.uint8]:
    # A cut JPEG would decode with the rest in grey, and only a line on standard error would tell.
    if not jpeg.rstrip(b"\0").endswith(_END_OF_IMAGE):
        raise InvalidMessage(f"expected a JPEG, got {len(jpeg)} bytes that do not end like one; discard it")
    try:
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    except cv2.error as error:
        raise InvalidMessage(f"expected a JPEG, got {len(jpeg)} bytes that cannot be decoded: {error}") from error
    if decoded is None:
        raise InvalidMessage(f"expected a JPEG, got {len(jpeg)} bytes that cannot be decoded; discard it")
    return np.asarray(decoded, np.uint8)
