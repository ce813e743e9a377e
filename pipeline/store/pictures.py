"""Evidence for a person's eyes: key frames with what was seen drawn on them, and clips any browser plays.

Boxes come in absolute pixels of the picture, zones and lines in 0..1 of it. Pictures here are HWC uint8 BGR,
as OpenCV draws them. A picture that cannot be read is an `InvalidMessage`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import supervision as sv
from av.error import FFmpegError
from numpy.typing import NDArray

from pipeline.contracts.candidate import SeenRegion
from pipeline.contracts.forecast import Course
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Line, Polygon
from pipeline.errors import InvalidMessage, TransientError
from pipeline.jpeg import decode_bgr, encode_bgr

_Bgr = NDArray[np.uint8]

_LONG_SIDE_PX = (640, 1920)
"""A drawn picture is brought between these, so that its words can be read and a chat can show it."""
_MIN_CAPTION_WIDTH_PX = 320
_MAX_CAPTION_LENGTH = 500
_MAX_LABEL_LENGTH = 40
_JPEG_QUALITY = 90
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = sv.Color.from_hex("#111111")
_PAPER = sv.Color.from_hex("#f5f5f5")
_ZONE = sv.Color.from_hex("#ffe14d")
_LINE = sv.Color.from_hex("#ff6b6b")
_PALETTE = sv.ColorPalette.from_hex(["#4dd4ff", "#8ce99a", "#ff8cc6", "#ffa94d", "#b197fc", "#e9fac8"])
"""Light, so that dark words on them can be read."""

_FAN_OPACITY = 0.18

_CLIP_LONG_SIDE_PX = 1280
_CLIP_TIME_BASE = Fraction(1, 1000)
_CLIP_OPTIONS = {"preset": "veryfast", "crf": "24", "bf": "0"}
"""No B-frames: with uneven times between frames they make the file claim a wrong length."""


def annotate(
    jpeg: bytes,
    regions: Sequence[SeenRegion],
    zones: Mapping[str, Polygon],
    lines: Mapping[str, Line],
    caption: str,
    courses: Sequence[tuple[Course, str]] = (),
) -> bytes:
    """A JPEG with zones, lines and regions drawn on it, and the caption on a bar beneath.

    `courses`: the ways that tracks are expected to take, with the words that stand at their ends.
    """
    picture, scale = _readable_size(decode_bgr(jpeg))
    for zone, polygon in zones.items():
        _draw_zone(picture, zone, polygon)
    for line, (start, end) in lines.items():
        _draw_line(picture, line, start, end)
    for course, words in courses:
        _draw_course(picture, course, words, scale)
    _draw_regions(picture, regions, scale)
    return encode_bgr(_with_caption(picture, caption), _JPEG_QUALITY)


def encode_clip(frames: Sequence[EncodedFrame], fps: float) -> bytes:
    """An MP4 (H.264) that shows each frame from its own `captured_at` to the next one's.

    Frames may come in any order; those that cannot be read are left out, those of another size than the first
    are fitted into it with black edges. `fps` says how long the last one stays. `TransientError` when there is
    no room for the temporary file.
    """
    pictures = _pictures_in_time(frames)
    first = next(pictures, None)
    if first is None:
        raise InvalidMessage(f"a clip needs a picture that can be read; none of {len(frames)} can")
    # FFmpeg moves the index to the front (for playing while loading) by reading the file again: it needs a real one.
    try:
        with tempfile.TemporaryDirectory(prefix="sightline-clip-") as folder:
            file = Path(folder) / "clip.mp4"
            _write_clip(file, first, pictures, fps)
            return file.read_bytes()
    except OSError as error:
        raise TransientError(f"a clip cannot be written to {tempfile.gettempdir()}: {error.strerror}") from error


def _resized(picture: _Bgr, width: int, height: int) -> _Bgr:
    is_smaller = width < picture.shape[1]
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)


def _readable_size(picture: _Bgr) -> tuple[_Bgr, NDArray[np.float64]]:
    """The picture with its long side in bounds, and the (x, y) factors by which its pixels moved."""
    height, width = picture.shape[:2]
    long_side = max(height, width)
    factor = min(max(long_side, _LONG_SIDE_PX[0]), _LONG_SIDE_PX[1]) / long_side
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return _resized(picture, *size), np.array(size) / (width, height)


def _text_scale(picture: _Bgr) -> float:
    """Size of words for this picture, in units of OpenCV's font scale."""
    optimal = float(sv.calculate_optimal_text_scale((picture.shape[1], picture.shape[0])))
    return min(max(optimal, 0.45), 0.9)


def _pixels(picture: _Bgr, points: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """(N, 2) pixels of points given as fractions of the picture."""
    height, width = picture.shape[:2]
    corners: NDArray[np.int64] = np.rint(np.array(points) * (width - 1, height - 1)).astype(np.int64)
    return corners


def _draw_zone(picture: _Bgr, name: str, polygon: Polygon) -> None:
    corners = _pixels(picture, polygon)
    sv.draw_filled_polygon(picture, corners, _ZONE, opacity=0.08)
    sv.draw_polygon(picture, corners, _INK, thickness=4)
    sv.draw_polygon(picture, corners, _ZONE, thickness=2)
    _draw_name(picture, name, corners[corners.sum(axis=1).argmin()], _ZONE)


def _draw_line(picture: _Bgr, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    first, second = (sv.Point(int(x), int(y)) for x, y in _pixels(picture, (start, end)))
    sv.draw_line(picture, first, second, _INK, thickness=5)
    sv.draw_line(picture, first, second, _LINE, thickness=3)
    _draw_name(picture, name, np.array(first.as_xy_int_tuple()), _LINE)


def _draw_name(picture: _Bgr, name: str, anchor: NDArray[np.int64], colour: sv.Color) -> None:
    """A name on its colour, down and right of `anchor`, moved so far that all of it is on the picture."""
    scale = _text_scale(picture) * 0.9
    (width, height), _ = cv2.getTextSize(name, _FONT, scale, 1)
    half, padding = np.array((width, height)) / 2, 4
    room = np.array((picture.shape[1], picture.shape[0])) - half - padding
    centre = np.maximum(np.minimum(anchor + half + padding, room), half + padding)
    sv.draw_text(picture, name, sv.Point(*centre), _INK, scale, text_padding=padding, background_color=colour)


def _draw_regions(picture: _Bgr, regions: Sequence[SeenRegion], scale: NDArray[np.float64]) -> None:
    if not regions:
        return
    limit = np.array((picture.shape[1] - 1, picture.shape[0] - 1))
    corners = np.nan_to_num([region.box for region in regions]) * np.tile(scale, 2)
    seen = sv.Detections(np.clip(corners, 0, np.tile(limit, 2)).astype(np.float32))
    colours = np.array([region.track_id or 0 for region in regions]) % len(_PALETTE.colors)
    for index in range(len(regions)):
        _draw_corners(picture, seen[[index]], colours[[index]])
    names = sv.LabelAnnotator(
        _PALETTE, text_color=_INK, text_scale=_text_scale(picture), text_padding=4, smart_position=True
    )
    names.annotate(picture, seen, [_label(region) for region in regions], custom_color_lookup=colours)


def _draw_corners(picture: _Bgr, region: sv.Detections, colour: NDArray[np.int64]) -> None:
    """One region's corners, dark beneath the colour so that they show on any ground."""
    left, top, right, bottom = region.xyxy[0]
    corner_px = min(max(int(min(right - left, bottom - top) / 4), 3), 40)
    thickness = sv.calculate_optimal_line_thickness((picture.shape[1], picture.shape[0]))
    for palette, stroke_px in ((_INK, thickness + 2), (_PALETTE, thickness)):
        corner = sv.BoxCornerAnnotator(palette, stroke_px, corner_px)
        corner.annotate(picture, region, custom_color_lookup=colour)


def _draw_course(picture: _Bgr, course: Course, words: str, scale: NDArray[np.float64]) -> None:
    """A fan as wide as the uncertainty, light over the picture; the expected way on it, dotted once a second."""
    colour = _PALETTE.by_idx(course.track_id % len(_PALETTE.colors))
    places = np.rint([np.array((point.x, point.y)) * scale for point in course.points]).astype(np.int64)
    spreads = [max(round(point.spread_px * float(scale.mean())), 1) for point in course.points]
    fan = picture.copy()
    for place, spread_px in zip(places, spreads, strict=True):
        cv2.circle(fan, _as_point(place), min(spread_px, max(picture.shape)), colour.as_bgr(), -1, cv2.LINE_AA)
    cv2.addWeighted(fan, _FAN_OPACITY, picture, 1 - _FAN_OPACITY, 0, dst=picture)
    cv2.polylines(picture, [places.astype(np.int32)], False, _INK.as_bgr(), 3, cv2.LINE_AA)
    for place in places[1:]:
        cv2.circle(picture, _as_point(place), 5, _INK.as_bgr(), -1, cv2.LINE_AA)
        cv2.circle(picture, _as_point(place), 3, colour.as_bgr(), -1, cv2.LINE_AA)
    if words:
        _draw_name(picture, words, places[-1], colour)


def _as_point(place: NDArray[np.int64]) -> tuple[int, int]:
    return int(place[0]), int(place[1])


def _label(region: SeenRegion) -> str:
    track = "" if region.track_id is None else f" {region.track_id}"
    return f"{region.label[:_MAX_LABEL_LENGTH]}{track}  {region.score:.2f}"


def _with_caption(picture: _Bgr, caption: str) -> _Bgr:
    """The picture on a bar of words as wide as it, at least wide enough to be read."""
    width = max(picture.shape[1], _MIN_CAPTION_WIDTH_PX)
    scale = _text_scale(picture)
    line_px = math.ceil(34 * scale)
    words = _wrapped(caption[:_MAX_CAPTION_LENGTH], scale, width - line_px)
    bar: _Bgr = np.full((line_px * len(words) + line_px // 2, width, 3), _INK.as_bgr(), np.uint8)
    for number, line in enumerate(words, start=1):
        place = (line_px // 2, line_px * number)
        cv2.putText(bar, line, place, _FONT, scale, _PAPER.as_bgr(), 1, cv2.LINE_AA)
    return np.vstack([_letterboxed(picture, width, picture.shape[0]), bar])


def _wrapped(text: str, scale: float, width_px: int) -> list[str]:
    """Lines no wider than `width_px`, broken between words, or within one that is wider by itself."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width_px(longer, scale) <= width_px:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if _width_px(lines[-1] + letter, scale) > width_px:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _width_px(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])


def _letterboxed(picture: _Bgr, width: int, height: int) -> _Bgr:
    """The whole picture, as large as fits, in the middle of a black one of that size."""
    if picture.shape[:2] == (height, width):
        return picture
    factor = min(width / picture.shape[1], height / picture.shape[0])
    inner = max(round(picture.shape[1] * factor), 1), max(round(picture.shape[0] * factor), 1)
    canvas: _Bgr = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = _resized(picture, *inner)
    return canvas


def _pictures_in_time(frames: Sequence[EncodedFrame]) -> Iterator[tuple[datetime, _Bgr]]:
    """Readable pictures with their times, each later than the one before."""
    last: datetime | None = None
    for frame in sorted(frames, key=lambda frame: frame.captured_at):
        if last is not None and (frame.captured_at - last).total_seconds() < _CLIP_TIME_BASE:
            continue
        try:
            picture = decode_bgr(frame.jpeg)
        except InvalidMessage:
            continue
        last = frame.captured_at
        yield last, picture


def _clip_size(picture: _Bgr) -> tuple[int, int]:
    """(width, height), both even as 4:2:0 chroma asks."""
    height, width = picture.shape[:2]
    factor = min(_CLIP_LONG_SIDE_PX / max(width, height), 1.0)
    return max(round(width * factor / 2) * 2, 2), max(round(height * factor / 2) * 2, 2)


def _write_clip(file: Path, first: tuple[datetime, _Bgr], rest: Iterator[tuple[datetime, _Bgr]], fps: float) -> None:
    start, picture = first
    width, height = _clip_size(picture)
    try:
        with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=_CLIP_OPTIONS)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = _CLIP_TIME_BASE
            for captured_at, shown in _with_first(first, rest):
                frame = av.VideoFrame.from_ndarray(_letterboxed(shown, width, height), format="bgr24")
                frame.pts = round((captured_at - start).total_seconds() / _CLIP_TIME_BASE)
                frame.time_base = _CLIP_TIME_BASE
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise TransientError(f"a clip of {width}x{height} cannot be encoded: {error}") from error


def _with_first(first: tuple[datetime, _Bgr], rest: Iterator[tuple[datetime, _Bgr]]) -> Iterator[tuple[datetime, _Bgr]]:
    yield first
    yield from rest
