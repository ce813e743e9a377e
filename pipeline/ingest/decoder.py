"""The process in which one live camera is decoded: connects, and answers each request with its next frame.

In: an address, what the reader wants, and requests. Out: frames that are scaled, masked, blurred and written as
JPEG once. It leaves retrying to the parent, which kills it when it does not answer. Everything here runs in a
child of the fork server; importing this module there is what the children share.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline import jpeg
from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.frame import Frame
from pipeline.errors import ConfigError, SightlineError
from pipeline.ingest.capture import LiveCapture, PictureWish
from pipeline.ingest.channel import Channel, Head
from pipeline.ingest.live import LiveSource
from pipeline.ingest.network import open_stream, usable_device
from pipeline.ingest.opencv import open_usb, use_one_thread
from pipeline.ingest.privacy import PrivacyFilter
from pipeline.ingest.thrift import Thrift
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Order:
    """What one decoder is to do. Reaches it by a pipe, never by its command line or environment."""

    camera: Camera
    settings: IngestSettings
    wish: PictureWish
    address: str | int = field(repr=False)
    """The URL of a network camera, or the number of a webcam."""
    ca_file: str = ""
    """Whose word is believed on certificates: the parent's choice, since the fork server's environment is that of
    its start."""


def decode(end: socket.socket, order: Order) -> None:
    """The body of the process: `opened` or `failed` first, then a `frame` or `failed` for each request."""
    _stand_alone()
    channel = Channel(end)
    with suppress(OSError):  # nobody listens any more
        try:
            _Decoder(order).serve(channel)
        except SightlineError as error:
            channel.send(_failure(str(error), is_final=isinstance(error, ConfigError)))
        except Exception as error:  # noqa: BLE001 - the boundary of a process: its parent tells
            channel.send(_failure(f"unexpected {type(error).__name__}: {error}"))


class _Decoder:
    """One camera, opened."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._privacy = PrivacyFilter.of(order.camera, order.wish.faces)
        self._note = ""
        self._source = LiveSource(order.camera.id, self._open(), order.settings, SystemClock())

    def serve(self, channel: Channel) -> None:
        """Answer until the parent hangs up or the stream fails."""
        # Only now: while FFmpeg connects it would not be heard, and the plain signal ends the process at once.
        # Nothing is raised in the handler: it may run in places where that is swallowed.
        signal.signal(signal.SIGTERM, lambda *_: self._source.interrupt())
        try:
            channel.send({"kind": "opened", "note": self._note})
            while True:
                channel.receive()
                frame = self._source.read()
                if frame is None:
                    return
                channel.send(*self._answer(frame))
        finally:
            self._source.close()

    def _open(self) -> LiveCapture:
        order = self._order
        if isinstance(order.address, int):
            return open_usb(order.address)
        wanted = order.settings.hardware_decode
        device = usable_device(wanted)
        if wanted != "off":
            self._note = f"decoding on {device}" if device else f"no {wanted} device: decoding on the processor"
        thrift = Thrift(order.camera.decode, order.wish.fps)
        return open_stream(
            order.address,
            order.settings,
            thrift,
            ca_file=order.ca_file,
            verify_tls=order.camera.verify_tls,
            device=device,
        )

    def _answer(self, frame: Frame) -> tuple[Head, bytes]:
        pixels = self._privacy.apply(frame.pixels, frame.captured_at)
        head = {
            "kind": "frame",
            "sequence": frame.sequence,
            "captured_at": frame.captured_at.isoformat(),
            "pts_seconds": frame.pts_seconds,
            "offset_seconds": self._source.offset_seconds,
        }
        return head, jpeg.encode_pixels(pixels, self._order.wish.jpeg_quality)


def _failure(reason: str, *, is_final: bool = False) -> Head:
    return {"kind": "failed", "reason": hide_credentials(reason), "is_final": is_final}


def _stand_alone() -> None:
    """Die with the fork server, which dies with the parent; leave Ctrl-C to the parent; keep what all children share
    shared, and to one core each."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    use_one_thread()
