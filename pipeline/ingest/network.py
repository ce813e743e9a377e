"""Network cameras by PyAV: an RTSP, RTMP or HTTP address in, RGB pictures and their presentation times out.

Not by OpenCV, whose decoder has the same FFmpeg inside, for two reasons measured against an RTSP server:

- It opens one stream at a time in the whole process. While one camera took its 8 s to time out, a healthy one
  waited 10 s for its first frame; a dead camera would have held up the reconnection of all others.
- It decodes with as many threads as the machine has cores, and each holds back a frame: 1.5 s of delay with 16
  at 10 frames a second. One thread holds back none.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError, HTTPForbiddenError, HTTPUnauthorizedError, InvalidDataError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline.contracts.values import Image
from pipeline.errors import TransientError
from pipeline.ingest.capture import scaled_size
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_OPTIONS = {"rtsp_flags": "prefer_tcp", "allowed_media_types": "video", "analyzeduration": "500000"}
"""TCP first, then UDP; no sound. Half a second of looking at the stream, in microseconds: FFmpeg takes 2.8 s to
guess a frame rate that nobody asks for, and what comes meanwhile is decoded too late."""


class NetworkCapture:
    """An opened stream behind `Capture`."""

    def __init__(self, container: InputContainer, stream: VideoStream, read_timeout_seconds: float) -> None:
        stream.codec_context.thread_count = 1
        self._container = container
        self._stream = stream
        self._read_timeout_seconds = read_timeout_seconds
        self._packets = container.demux()
        self._decoded: list[av.VideoFrame] = []
        self._reformatter = VideoReformatter()

    @property
    def pts_seconds(self) -> float:
        """See `Capture`."""
        return self._decoded[0].time or 0.0

    @property
    def size(self) -> tuple[int, int]:
        """See `Capture`."""
        return self._decoded[0].width, self._decoded[0].height

    def grab(self) -> bool:
        """See `Capture`. Sound, or data without a picture in it, is silence too."""
        del self._decoded[:1]
        until = time.monotonic() + self._read_timeout_seconds
        try:
            while not self._decoded and time.monotonic() < until:
                packet = next(self._packets)
                if packet.stream is self._stream:
                    self._decode(packet)
        except (StopIteration, FFmpegError):
            return False
        return bool(self._decoded)

    def retrieve(self, max_side_px: int) -> Image | None:
        """See `Capture`."""
        width, height = scaled_size(*self.size, max_side_px)
        try:
            frame = self._reformatter.reformat(self._decoded[0], width, height, "rgb24", interpolation="AREA")
            pixels: Image = frame.to_ndarray()  # type: ignore[assignment]  # rgb24 is 8-bit
        except (FFmpegError, ValueError):
            return None
        pixels.setflags(write=False)
        return pixels

    def release(self) -> None:
        """See `Capture`."""
        self._container.close()

    def _decode(self, packet: av.Packet[Any]) -> None:
        with suppress(InvalidDataError):  # damaged in transit: go on with the next
            self._decoded += self._stream.decode(packet)


def open_stream(url: str, settings: IngestSettings) -> NetworkCapture:
    """Connect to a network camera; `TransientError` that says why when there is no video in time."""
    timeouts = settings.connect_timeout, settings.read_timeout
    started = time.monotonic()
    try:
        container = av.open(url, options=dict(_OPTIONS), timeout=timeouts)
    except (FFmpegError, ValueError) as error:
        is_late = time.monotonic() - started >= settings.connect_timeout
        reason = f"no answer within {settings.connect_timeout:g} s" if is_late else _reason(error)
        advice = "check address, credentials and that the camera is on"
        raise TransientError(f"{hide_credentials(url)}: {reason}; {advice}") from error
    if not container.streams.video:
        container.close()
        raise TransientError(f"{hide_credentials(url)}: expected video, got none; check the address's path")
    return NetworkCapture(container, container.streams.video[0], settings.read_timeout)


def _reason(error: FFmpegError | ValueError) -> str:
    """FFmpeg's words without the address, which may hold a password."""
    if isinstance(error, HTTPUnauthorizedError | HTTPForbiddenError):
        return "the camera refuses this user name or password"
    words = error.strerror if isinstance(error, FFmpegError) else str(error)
    return words or type(error).__name__
