"""Key frames → the pictures of a prompt: which ones, the zone drawn on them, small enough to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Image
from pipeline.errors import InvalidMessage
from pipeline.jpeg import decode, encode_pixels

_YELLOW = (255, 255, 0)
JPEG_QUALITY = 90
_SIDE_PER_LINE_PX = 400
_THUMBNAIL = (32, 24)
"""Width and height: a part is 24 px of a picture 768 px wide."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame as it is sent: `jpeg` is scaled and has the zone's outline."""

    frame: EncodedFrame
    jpeg: bytes
    looks_like: int | None = None
    """Number (from 1) of an earlier picture that words can refer to in place of this one."""


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


def mark_alike(pictures: Sequence[Picture], below: float) -> list[Picture]:
    """The same, with `looks_like` where no part of a picture differs from the last one without it by `below` grey
    levels; the last picture is always its own. `below` 0 marks none.

    The parts are the pixels of a thumbnail, so one small thing that moved is enough to keep a picture. As in
    TimeChat-Online (arXiv:2504.17343) and run-length tokenization (arXiv:2411.05222), but for whole pictures, which
    every backend can leave out.
    """
    marked: list[Picture] = []
    kept, kept_number = None, 0
    for number, picture in enumerate(pictures, start=1):
        small = _thumbnail(picture.jpeg)
        is_alike = kept is not None and number < len(pictures) and float(np.abs(small - kept).max()) < below
        if not is_alike:
            kept, kept_number = small, number
        marked.append(replace(picture, looks_like=kept_number) if is_alike else picture)
    return marked


def fitted(pixels: Image, max_side_px: int) -> Image:
    """Smaller, if a side is longer than that."""
    height, width = pixels.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return pixels
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _thumbnail(jpeg: bytes) -> NDArray[np.float32]:
    grey = cv2.cvtColor(decode(jpeg), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)


def _prepare(jpeg: bytes, zone: Polygon | None, max_side_px: int) -> bytes | None:
    try:
        pixels = decode(jpeg)
    except InvalidMessage:
        return None
    pixels = fitted(pixels, max_side_px)
    if zone is not None:
        _outline(pixels, zone)
    return encode_pixels(pixels, JPEG_QUALITY)


def _outline(pixels: Image, zone: Polygon) -> None:
    """Draw the zone's edge in place, thin enough to hide nothing."""
    height, width = pixels.shape[:2]
    corners = np.array([(x * (width - 1), y * (height - 1)) for x, y in zone]).round().astype(np.int32)
    thickness = max(1, round(max(height, width) / _SIDE_PER_LINE_PX))
    cv2.polylines(pixels, [corners], isClosed=True, color=_YELLOW, thickness=thickness, lineType=cv2.LINE_AA)
