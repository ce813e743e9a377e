"""OpenCV's decoder, for files and webcams: RGB pictures and their presentation times out. BGR ends here.

What OpenCV 5.0 does and does not do, measured with the FFmpeg 8 inside its wheel:

- When a stream changes its resolution, FFmpeg's backend keeps giving pictures of the *first* size.
- `CAP_PROP_FRAME_COUNT` is an estimate, negative for a bare stream; `CAP_PROP_POS_MSEC` counts from the
  stream's start and is the container's word, which may go back (see `timeline.py`).
- It speaks of damaged data on standard error and tells its caller nothing: there is no count of concealed
  errors to pass on.
- It tells neither packets nor the camera's clock, and its threads delay a live stream (see `network.py`).
"""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

import cv2

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest.capture import scaled_size

_QUIET_FFMPEG = ("OPENCV_FFMPEG_LOGLEVEL", "-8")
_LONGEST_COUNT = 1_000_000_000


class OpenCvCapture:
    """`cv2.VideoCapture` behind `Recording`."""

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
        """See `Recording`."""
        return self._capture.get(cv2.CAP_PROP_FPS)

    @property
    def num_frames(self) -> int | None:
        """See `Recording`."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if math.isfinite(count) and 0 < count < _LONGEST_COUNT else None

    @property
    def pts_seconds(self) -> float:
        """See `Capture`."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    @property
    def camera_time(self) -> None:
        """See `LiveCapture`: a webcam has no clock."""
        return None

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


def use_one_thread() -> None:
    """In this process OpenCV keeps to the core that calls it."""
    cv2.setNumThreads(1)


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
    size = scaled_size(width, height, max_side_px)
    if size != (width, height):
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
