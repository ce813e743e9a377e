"""Pictures made small enough to stand in a report. The one place of the command line that touches pixels."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from pipeline.jpeg import decode, encode_pixels

_QUALITY = 82


def shrink(jpeg: bytes, max_side_px: int) -> bytes:
    """The same picture as JPEG, its longer side at most `max_side_px`; `InvalidMessage` when it is no picture."""
    pixels = decode(jpeg)
    height, width = pixels.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_pixels(pixels, _QUALITY)


def data_uri(jpeg: bytes) -> str:
    """`data:image/jpeg;base64,…`."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
