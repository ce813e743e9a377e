"""Key frames → the pictures of a prompt: which ones, the zone drawn on them, small enough to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Image
from pipeline.errors import InvalidMessage
from pipeline.jpeg import decode, encode_pixels

_YELLOW = (255, 255, 0)
_JPEG_QUALITY = 90
_SIDE_PER_LINE_PX = 400


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame as it is sent: `jpeg` is scaled and has the zone's outline."""

    frame: EncodedFrame
    jpeg: bytes


def choose(frames: Sequence[EncodedFrame], candidate: Candidate, limit: int) -> list[EncodedFrame]:
    """At most `limit` frames in time order: the peak, the last and the first, then evenly between them."""
    ordered = sorted(frames, key=lambda frame: frame.captured_at)
    if len(ordered) <= limit:
        return ordered
    last = len(ordered) - 1
    peaks = {key_frame.sequence for key_frame in candidate.key_frames if key_frame.role == "peak"}
    peak = next((index for index, frame in enumerate(ordered) if frame.sequence in peaks), last)
    kept = list(dict.fromkeys((peak, last, 0)))[:limit]
    while len(kept) < limit:
        kept.append(max(range(last), key=lambda index: min(abs(index - each) for each in kept)))
    return [ordered[index] for index in sorted(kept)]


def prepare(frames: Sequence[EncodedFrame], zone: Polygon | None, max_side_px: int) -> list[Picture]:
    """The frames as pictures; one that does not decode is left out."""
    drawn = ((frame, _prepare(frame.jpeg, zone, max_side_px)) for frame in frames)
    return [Picture(frame, jpeg) for frame, jpeg in drawn if jpeg is not None]


def _prepare(jpeg: bytes, zone: Polygon | None, max_side_px: int) -> bytes | None:
    try:
        pixels = decode(jpeg)
    except InvalidMessage:
        return None
    height, width = pixels.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if zone is not None:
        _outline(pixels, zone)
    return encode_pixels(pixels, _JPEG_QUALITY)


def _outline(pixels: Image, zone: Polygon) -> None:
    """Draw the zone's edge in place, thin enough to hide nothing."""
    height, width = pixels.shape[:2]
    corners = np.array([(x * (width - 1), y * (height - 1)) for x, y in zone]).round().astype(np.int32)
    thickness = max(1, round(max(height, width) / _SIDE_PER_LINE_PX))
    cv2.polylines(pixels, [corners], isClosed=True, color=_YELLOW, thickness=thickness, lineType=cv2.LINE_AA)
