"""OpenCV's decoder: an address in, RGB pictures and their presentation times out. BGR ends here.

What OpenCV 5.0 does and does not do, measured with the FFmpeg 8 inside its wheel:

- RTSP asks for TCP first and falls back to UDP by itself, as long as `OPENCV_FFMPEG_CAPTURE_OPTIONS` is not
  set; the variable stays the operator's to set, and nothing here touches it.
- When a stream changes its resolution, FFmpeg's backend keeps giving pictures of the *first* size.
- `CAP_PROP_FRAME_COUNT` is an estimate, negative for a bare stream; `CAP_PROP_POS_MSEC` counts from the
  stream's start and is the container's word, which may go back (see `timeline.py`).
- It speaks of damaged data on standard error and tells its caller nothing: there is no count of concealed
  errors to pass on.
- A name that does not resolve blocks for as long as the resolver does, whatever the timeout for opening.
"""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path
from typing import Protocol

import cv2

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_QUIET_FFMPEG = ("OPENCV_FFMPEG_LOGLEVEL", "-8")
_LONGEST_COUNT = 1_000_000_000


class Capture(Protocol):
    """An opened decoder. Used by one thread; `grab` may block up to the read timeout it was opened with."""

    @property
    def fps(self) -> float:
        """Nominal frames a second; 0 or nonsense when unknown."""
        ...

    @property
    def num_frames(self) -> int | None:
        """How many frames the container promises; None when it does not say."""
        ...

    @property
    def pts_seconds(self) -> float:
        """Presentation time of the grabbed frame."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the grabbed frame before scaling, pixels."""
        ...

    def grab(self) -> bool:
        """Decode the next frame without converting it; False at the end or when the connection is lost."""
        ...

    def retrieve(self, max_side_px: int) -> Image | None:
        """The grabbed frame, no side longer than `max_side_px`, read-only; None when it cannot be converted."""
        ...

    def release(self) -> None:
        """Free decoder and socket."""
        ...


class OpenCvCapture:
    """`cv2.VideoCapture` behind `Capture`."""

    def __init__(self, address: str | int, backend: int, parameters: tuple[int, ...] = ()) -> None:
        _quieten()
        try:
            self._capture = cv2.VideoCapture(address, backend, parameters)
        except cv2.error as error:
            raise TransientError(f"OpenCV could not open it: {error.err}") from error

    @property
    def is_open(self) -> bool:
        """Whether a decoder was found."""
        return self._capture.isOpened()

    @property
    def fps(self) -> float:
        """See `Capture`."""
        return self._capture.get(cv2.CAP_PROP_FPS)

    @property
    def num_frames(self) -> int | None:
        """See `Capture`."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if math.isfinite(count) and 0 < count < _LONGEST_COUNT else None

    @property
    def pts_seconds(self) -> float:
        """See `Capture`."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    @property
    def size(self) -> tuple[int, int]:
        """See `Capture`."""
        width, height = (self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return int(width), int(height)

    def grab(self) -> bool:
        """See `Capture`."""
        try:
            return self._capture.grab()
        except cv2.error:
            return False

    def retrieve(self, max_side_px: int) -> Image | None:
        """See `Capture`."""
        try:
            is_there, bgr = self._capture.retrieve()
        except cv2.error:
            return None
        return _to_rgb(bgr, max_side_px) if is_there and bgr is not None and bgr.size else None

    def release(self) -> None:
        """See `Capture`."""
        self._capture.release()


def open_file(path: Path) -> OpenCvCapture:
    """Open a video file; `ConfigError` that says what is wrong with it."""
    _check_file(path)
    try:
        capture = OpenCvCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    except TransientError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not capture.is_open:
        raise ConfigError(
            f"{path}: expected a video that FFmpeg can decode, got something else or a damaged header; "
            "play it elsewhere to see whether it is whole, or convert it to H.264 in MP4"
        )
    return capture


def open_stream(url: str, settings: IngestSettings) -> OpenCvCapture:
    """Connect to a network camera; `TransientError` when it does not answer in time."""
    parameters = (
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        max(round(settings.connect_timeout * 1000), 1),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        max(round(settings.read_timeout * 1000), 1),
    )
    capture = OpenCvCapture(url, cv2.CAP_FFMPEG, parameters)
    if not capture.is_open:
        raise TransientError(
            f"{hide_credentials(url)}: no video within {settings.connect_timeout:g} s; "
            "check address, credentials and that the camera is on"
        )
    return capture


def open_usb(index: int) -> OpenCvCapture:
    """Open a webcam by its number; `TransientError` while it is not plugged in or somebody else has it."""
    capture = OpenCvCapture(index, cv2.CAP_ANY)
    if not capture.is_open:
        raise TransientError(f"usb:{index}: no such camera, or another program uses it; see /dev/video*")
    return capture


def _check_file(path: Path) -> None:
    if not os.path.exists(path):  # noqa: PTH110 - unlike Path.exists, False for a name that is too long
        raise ConfigError(f"{path}: expected a video file, there is none of that name; check the path")
    if not path.is_file():
        raise ConfigError(f"{path}: expected a video file, got a folder or a device; name one file")
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{path}: expected a readable file, permission was denied; change its permissions")
    if path.stat().st_size == 0:
        raise ConfigError(f"{path}: expected a video, got an empty file (0 bytes); copy or record it again")


def _to_rgb(bgr: cv2.typing.MatLike, max_side_px: int) -> Image:
    height, width = bgr.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]  # 8-bit in, 8-bit out
    rgb.setflags(write=False)
    return rgb


@functools.cache
def _quieten() -> None:
    """Silence OpenCV and its FFmpeg on standard error, unless the operator asked to hear them.

    FFmpeg's level is read from the environment once, when the first video is opened; opening nothing with
    the variable set, and taking it back, leaves the environment as it was.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    name, level = _QUIET_FFMPEG
    if name in os.environ or "OPENCV_FFMPEG_DEBUG" in os.environ:
        return
    os.environ[name] = level
    try:
        cv2.VideoCapture(os.devnull, cv2.CAP_FFMPEG).release()
    finally:
        del os.environ[name]
