"""Network cameras by PyAV: an RTSP, RTMP, HTTP or HLS address in, RGB pictures and their times out.

Not by OpenCV, whose decoder has the same FFmpeg inside, for two reasons measured against an RTSP server:

- It gives neither packets, nor key frames, nor the camera's own clock.
- It decodes with as many threads as the machine has cores, and each holds back a frame: 1.5 s of delay with 16
  at 10 frames a second. One thread holds back none.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import av
from av.codec import Codec, CodecContext
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.error import FFmpegError, HTTPForbiddenError, HTTPUnauthorizedError, InvalidDataError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline.contracts.values import Image
from pipeline.errors import TransientError
from pipeline.ingest.capture import scaled_size
from pipeline.ingest.thrift import Thrift
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_OPTIONS = {
    "rtsp_flags": "prefer_tcp",
    "allowed_media_types": "video",
    "analyzeduration": "500000",
}
"""TCP first, then UDP; no sound. Half a second of looking at the stream, in microseconds: FFmpeg takes 2.8 s to
guess a frame rate that nobody asks for, and what comes meanwhile is decoded too late."""
_TIMELESS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc"})
"""FFmpeg's formats that hold pictures and no times; it then counts 25 a second, whatever comes."""
_MOST_CAMERA_TIMES = 64
"""Packets that a decoder may hold back; the times of more were of packets that gave no picture."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRFT = struct.Struct("=q")
"""AVProducerReferenceTime begins with the wall clock, microseconds since 1970."""

Hardware = Literal["auto", "off", "cuda", "qsv", "vaapi", "drm", "amf"]


class NetworkCapture:
    """An opened stream behind `LiveCapture`."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, read_timeout_seconds: float, thrift: Thrift
    ) -> None:
        stream.codec_context.thread_count = 1
        self._container = container
        self._stream = stream
        self._read_timeout_seconds = read_timeout_seconds
        self._thrift = thrift
        self._has_times = container.format.name not in _TIMELESS
        self._packets = container.demux()
        self._decoded: list[av.VideoFrame] = []
        self._left_out: list[av.Packet[Any]] = []
        """Since the last key frame, with it, while key frames alone are decoded."""
        self._camera_times: dict[int, datetime] = {}
        self._reformatter = VideoReformatter()

    @property
    def pts_seconds(self) -> float | None:
        """See `LiveCapture`."""
        pts, unit = self._decoded[0].pts, self._stream.time_base  # the frame's own unit is lost when drained
        return float(pts * unit) if self._has_times and pts is not None and unit else None

    @property
    def camera_time(self) -> datetime | None:
        """See `LiveCapture`: FFmpeg takes it from the sender reports of RTCP."""
        pts = self._decoded[0].pts
        return None if pts is None else self._camera_times.get(pts)

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
                    self._take(packet)
        except (StopIteration, FFmpegError):
            return False
        if not self._decoded:
            what = "key frame" if self._thrift.keys_only else "picture that can be decoded"
            raise TransientError(f"data, but no {what} for {self._read_timeout_seconds:g} s: the stream has stalled")
        return True

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

    def _take(self, packet: av.Packet[Any]) -> None:
        at_seconds = float(packet.pts * packet.time_base) if packet.pts is not None and packet.time_base else None
        at_seconds = at_seconds if self._has_times else None
        is_wanted = self._thrift.wants(is_key=packet.is_keyframe, at_seconds=at_seconds)
        self._keep_left_out(packet)
        if is_wanted:
            self._decode(packet)
        elif self._thrift.gives_up(at_seconds):
            for left_out in self._left_out:
                self._decode(left_out)
            del self._left_out[:], self._decoded[:-1]

    def _keep_left_out(self, packet: av.Packet[Any]) -> None:
        if packet.is_keyframe or not self._thrift.may_give_up:
            self._left_out.clear()
        if self._thrift.may_give_up:
            self._left_out.append(packet)

    def _decode(self, packet: av.Packet[Any]) -> None:
        self._note_camera_time(packet)
        with suppress(InvalidDataError):  # damaged in transit: go on with the next
            self._decoded += self._stream.decode(packet)
            if self._thrift.keys_only:
                self._drain()

    def _drain(self) -> None:
        """A decoder that knows of B-frames waits for the two pictures after a key frame, which would be key frames
        seconds away."""
        self._decoded += self._stream.decode(None)
        self._stream.codec_context.flush_buffers()

    def _note_camera_time(self, packet: av.Packet[Any]) -> None:
        if packet.pts is None or not packet.has_sidedata("prft"):
            return
        if len(self._camera_times) >= _MOST_CAMERA_TIMES:
            self._camera_times.clear()
        (microseconds,) = _PRFT.unpack_from(bytes(packet.get_sidedata("prft")))
        with suppress(OverflowError):  # a clock of nonsense
            self._camera_times[packet.pts] = _EPOCH + timedelta(microseconds=microseconds)


def open_stream(
    url: str,
    settings: IngestSettings,
    thrift: Thrift,
    *,
    ca_file: str = "",
    verify_tls: bool = True,
    device: str | None = None,
) -> NetworkCapture:
    """Connect to a network camera; `TransientError` that says why when there is no video in time.

    `ca_file`: whose word is believed on certificates, PEM. `device`: what decodes, of `usable_device`; None for the
    processor.
    """
    options = _OPTIONS | {"tls_verify": "1" if verify_tls else "0"} | ({"ca_file": ca_file} if ca_file else {})
    container = _connect(url, settings, options, HWAccel(device) if device else None)
    problem = _problem(container)
    if problem:
        container.close()
        raise TransientError(f"{hide_credentials(url)}: {problem}")
    return NetworkCapture(container, container.streams.video[0], settings.read_timeout, thrift)


def usable_device(hardware: Hardware) -> str | None:
    """The device of this machine that decodes H.264, of those asked for; None when there is none."""
    names = {"auto": hwdevices_available(), "off": []}.get(hardware, [hardware])
    return next((name for name in names if _works(name)), None)


def _works(device: str) -> bool:
    try:
        HWAccel(device).create(Codec("h264", "r"))
    except (FFmpegError, NotImplementedError, ValueError):
        return False
    return True


def _connect(url: str, settings: IngestSettings, options: dict[str, str], hwaccel: HWAccel | None) -> InputContainer:
    timeouts = settings.connect_timeout, settings.read_timeout
    started = time.monotonic()
    try:
        with _last_words() as words:
            return av.open(url, options=options, timeout=timeouts, hwaccel=hwaccel)
    except (FFmpegError, ValueError) as error:
        is_late = time.monotonic() - started >= settings.connect_timeout
        reason = f"no answer within {settings.connect_timeout:g} s" if is_late else _reason(error, words)
        raise TransientError(f"{hide_credentials(url)}: {reason}") from error


def _problem(container: InputContainer) -> str:
    if not container.streams.video:
        return "expected video, got none; check the address's path"
    codec: CodecContext | None = container.streams.video[0].codec_context
    if codec is None:
        return "expected video that FFmpeg can decode, got an unknown codec; set the camera to H.264 or H.265"
    return ""


def _reason(error: FFmpegError | ValueError, words: list[str]) -> str:
    """What FFmpeg says without the address, which may hold a password, and what to do about it."""
    if isinstance(error, HTTPUnauthorizedError | HTTPForbiddenError):
        return "the camera refuses this user name or password; check the credentials in its URL"
    said = hide_credentials("; ".join(words))
    if "ertificate" in said:
        ways_out = "name the file of its authority in SSL_CERT_FILE, or set verify_tls: false"
        return f"its certificate is not trusted ({said}); {ways_out}"
    if isinstance(error, InvalidDataError):
        return "expected video, got something else, such as a web page; check the address's path"
    own = (error.strerror if isinstance(error, FFmpegError) else str(error)) or type(error).__name__
    detail = f"{own} ({said})" if said else own
    return f"{detail}; check address, credentials and that the camera is on"


@contextmanager
def _last_words() -> Iterator[list[str]]:
    """What FFmpeg logs as an error meanwhile: its error codes do not tell a wrong name from a wrong certificate."""
    words: list[str] = []
    logging.getLogger("libav").propagate = False
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as captured:
            try:
                yield words
            finally:
                words += [" ".join(message.split()) for _, _, message in captured[-2:]]
    finally:
        av.logging.set_level(None)
