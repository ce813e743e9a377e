"""A live camera as a `VideoSource` of the parent: a decoder process of its own, watched and killed when it hangs.

Processes come from Python's fork server, which has imported the decoder once. Measured on two cores beside one
interpreter a camera: 10 ms against 360 ms to start, and 4 MB of its own against 36 MB. That matters most where
cameras are away, since every try is a process.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import wait

import structlog

from pipeline.contracts.frame import EncodedFrame
from pipeline.errors import ConfigError, InvalidMessage, TransientError
from pipeline.ingest.channel import Channel, Head
from pipeline.ingest.decoder import Order, decode
from pipeline.jpeg import size_of

log = structlog.get_logger()

_SLACK_SECONDS = 2.0
"""Beyond the decoder's own timeouts, in which it says itself what is wrong: to start, to write a JPEG, to be told."""
_GOODBYE_SECONDS = 0.2
"""For a decoder to end its session with the camera, which may allow only a few at a time."""
_DEATH_SECONDS = 0.1
_STEP_OF_OFFSET_SECONDS = 1.0
"""A clock that is off is told again when it is off by so much more or less."""
_BOOKS = threading.Lock()
"""Guards the list of children that `multiprocessing` keeps for the whole process and does not guard itself."""

OnOffset = Callable[[datetime, float | None], None]
"""Told (at, offset): by how many seconds the camera's clock is off, None when there is nothing to complain of."""


class DecodedSource:
    """A decoder process and the end of its channel.

    Opening blocks until the decoder has connected. `TransientError` when it cannot, ends, or is killed for not
    answering in time; `ConfigError` for what no retry mends.
    """

    is_live = True
    expected_frames: int | None = None

    def __init__(self, order: Order, on_offset: OnOffset) -> None:
        self._camera_id = order.camera.id
        self._read_seconds = order.settings.read_timeout + _SLACK_SECONDS
        self._on_offset = on_offset
        self._told_offset: float | None = None
        self._has_told_offset = False
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._child, self._channel = _start(order)
        try:
            head, _ = self._receive(order.settings.connect_timeout + _SLACK_SECONDS)
        except BaseException:
            self.close()
            raise
        if head.get("note"):
            log.info("camera decoder", camera=self._camera_id, note=head["note"])

    def read(self) -> EncodedFrame | None:
        """The next frame to arrive; None once closed."""
        with self._reading:
            if self._closed.is_set():
                return None
            try:
                with suppress(OSError):  # it ended: what it said last is still there to be received
                    self._channel.send({"kind": "next"})
                head, body = self._receive(self._read_seconds)
                frame = _frame(self._camera_id, head, body)
            except (TransientError, ConfigError):
                if self._closed.is_set():
                    return None
                raise
        self._tell_offset(frame.captured_at, head.get("offset_seconds"))
        return frame

    def close(self) -> None:
        """End the decoder, with force if need be, within a third of a second; from any thread, more than once."""
        self._closed.set()
        self._channel.hang_up()
        self._child.end()
        if self._reading.acquire(timeout=_DEATH_SECONDS):
            self._channel.close()
            self._reading.release()

    def _receive(self, timeout_seconds: float) -> tuple[Head, bytes]:
        try:
            head, body = self._channel.receive(timeout_seconds)
        except TimeoutError as error:
            self._child.kill()
            raise TransientError(f"no answer of the decoder for {timeout_seconds:g} s; it was killed") from error
        except EOFError as error:
            raise TransientError(f"the decoder ended unexpectedly{self._child.how_it_ended()}") from error
        except ValueError as error:
            raise TransientError(f"the decoder answered with nonsense ({error})") from error
        if head.get("kind") == "failed":
            raise (ConfigError if head.get("is_final") else TransientError)(str(head.get("reason")))
        return head, body

    def _tell_offset(self, at: datetime, offset: float | None) -> None:
        """With the first frame, since the last connection may have ended with another; then when it changes."""
        told = self._told_offset
        if offset is None or told is None:
            is_news = offset is not told
        else:
            is_news = abs(offset - told) >= _STEP_OF_OFFSET_SECONDS
        if is_news or not self._has_told_offset:
            self._told_offset, self._has_told_offset = offset, True
            self._on_offset(at, offset)


class _Child:
    """A decoder's process, which is always reaped."""

    def __init__(self, order: Order, end: socket.socket) -> None:
        context = multiprocessing.get_context("forkserver")
        name = f"decoder-{order.camera.id}"
        with _BOOKS:
            context.set_forkserver_preload([decode.__module__])
            self._process = context.Process(target=decode, args=(end, order), name=name, daemon=True)
            self._process.start()
        self._ending = threading.Lock()
        self._is_reaped = False

    def kill(self) -> None:
        """At once, whatever it does."""
        with _BOOKS:
            if not self._is_reaped and self._process.is_alive():
                self._process.kill()

    def end(self) -> None:
        """Ask, then kill, then reap."""
        with self._ending:
            if self._is_reaped:
                return
            with _BOOKS:
                if self._process.is_alive():
                    self._process.terminate()
            if not wait([self._process.sentinel], _GOODBYE_SECONDS):
                self.kill()
                wait([self._process.sentinel], _DEATH_SECONDS)
            self._reap()

    def how_it_ended(self) -> str:
        """For a message: by which signal, if by one."""
        with self._ending:
            if self._is_reaped:
                return ""
            wait([self._process.sentinel], _DEATH_SECONDS)
            with _BOOKS:
                code = self._process.exitcode
        return f" (signal {-code})" if code is not None and code < 0 else ""

    def _reap(self) -> None:
        with _BOOKS:
            if self._process.is_alive():
                return  # stuck in a driver: it goes when that lets go, and is reaped when the next one starts
            self._process.close()
            self._is_reaped = True


def _start(order: Order) -> tuple[_Child, Channel]:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            return _Child(order, theirs), Channel(ours)
    except (OSError, EOFError) as error:
        ours.close()
        raise TransientError(f"cannot start a decoder: {error}; look at the limits of processes and files") from error


def _frame(camera_id: str, head: Head, jpeg: bytes) -> EncodedFrame:
    """`TransientError` when it is not what a decoder of ours says."""
    try:
        width, height = size_of(jpeg)
        return EncodedFrame(
            camera_id=camera_id,
            sequence=int(head["sequence"]),
            captured_at=datetime.fromisoformat(head["captured_at"]),
            pts_seconds=float(head["pts_seconds"]),
            width=width,
            height=height,
            jpeg=jpeg,
        )
    except (KeyError, TypeError, ValueError, InvalidMessage) as error:
        raise TransientError(f"the decoder answered with nonsense ({error})") from error
