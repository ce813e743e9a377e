"""Keeps a camera connected: retries for ever, says so once, and is stopped at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace

import structlog

from pipeline.clock import Clock
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import Frame, VideoSource
from pipeline.errors import TransientError
from pipeline.ingest.pace import wait_until
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

log = structlog.get_logger()

_MOST_DOUBLINGS = 30
"""Beyond any sensible `retry_to`; keeps the power of two finite over years of retries."""


class SupervisedSource:
    """A `VideoSource` that outlives its connections.

    The inner source is opened by the first `read`. A live one that fails is closed and opened anew after a
    jittered, doubling wait, for ever; `read` blocks meanwhile. A file's `ConfigError` and its end pass through.
    Sequence numbers go on over reconnections. `on_state` is told True when frames begin to come and False when
    they end, in the reading thread.
    """

    def __init__(
        self,
        camera_id: str,
        open_inner: Callable[[], VideoSource],
        settings: IngestSettings,
        clock: Clock,
        decisions: DecisionSink,
        *,
        on_state: Callable[[bool], None] = lambda _: None,
        is_live: bool = True,
        jitter: random.Random | None = None,
    ) -> None:
        self.is_live = is_live
        self.expected_frames: int | None = None
        self._camera_id = camera_id
        self._open_inner = open_inner
        self._settings = settings
        self._clock = clock
        self._decisions = decisions
        self._on_state = on_state
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._inner: VideoSource | None = None
        self._opening: Future[VideoSource] = Future()
        self._is_connected: bool | None = None
        self._num_failures = 0
        self._first_sequence = 0
        self._next_sequence = 0

    def read(self) -> Frame | None:
        """The next frame, however long it takes; None at the end of a file or after `close`."""
        while not self._closed.is_set():
            try:
                frame = self._read_inner()
            except CancelledError:
                return None
            except TransientError as error:
                self._lost(str(error))
                continue
            if frame is not None:
                return self._received(frame)
            if not self.is_live:
                return None
            self._lost("the stream ended")
        return None

    def close(self) -> None:
        """Make `read` return None at once, wherever it waits."""
        self._closed.set()
        self._opening.cancel()
        self._close_inner()

    def _read_inner(self) -> Frame | None:
        inner = self._inner
        if inner is None:
            inner = self._inner = self._open()
            self.is_live, self.expected_frames = inner.is_live, inner.expected_frames
            self._first_sequence = self._next_sequence
        if self._closed.is_set():
            self._close_inner()
            return None
        return inner.read()

    def _open(self) -> VideoSource:
        """Open in a thread that `close` may leave behind: an address that does not answer blocks for as long as
        its timeout, a name that does not resolve for as long as the resolver does."""
        self._opening = opening = Future[VideoSource]()
        arguments = (self._open_inner, opening)
        threading.Thread(target=_open_into, args=arguments, name=f"open-{self._camera_id}", daemon=True).start()
        if self._closed.is_set():
            opening.cancel()
        return opening.result()

    def _received(self, frame: Frame) -> Frame:
        if not self._is_connected:
            self._is_connected = True
            self._on_state(True)
            self._record(True, "connected", f"{frame.width}x{frame.height}")
            log.info("camera connected", camera=self._camera_id, size=f"{frame.width}x{frame.height}")
        self._num_failures = 0
        sequence = self._first_sequence + frame.sequence
        self._next_sequence = sequence + 1
        return replace(frame, sequence=sequence)

    def _lost(self, reason: str) -> None:
        """Say so, close what is open, and wait for the next try."""
        self._close_inner()
        if self._closed.is_set():
            return
        reason = hide_credentials(reason)
        self._record(False, "offline", reason)
        if self._is_connected is not False:
            self._is_connected = False
            self._on_state(False)
            log.warning("camera offline, retrying until it answers", camera=self._camera_id, reason=reason)
        wait_until(self._clock, self._clock.monotonic() + self._wait_seconds(), self._closed)
        self._num_failures += 1

    def _wait_seconds(self) -> float:
        """Doubles from `retry_from` to `retry_to`; between half and all of it, so that cameras spread out."""
        longest = self._settings.retry_from * 2.0 ** min(self._num_failures, _MOST_DOUBLINGS)
        return min(longest, self._settings.retry_to) * self._jitter.uniform(0.5, 1.0)

    def _close_inner(self) -> None:
        with self._lock:
            inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()

    def _record(self, passed: bool, reason: str, detail: str) -> None:
        self._decisions.record(Decision(self._camera_id, Gate.CAMERA, passed, reason, self._clock.now(), detail=detail))


def _open_into(open_inner: Callable[[], VideoSource], opening: Future[VideoSource]) -> None:
    """Answer `opening`; a source that nobody waits for any more is closed."""
    try:
        source = open_inner()
    except Exception as error:  # noqa: BLE001 - raised again in the reading thread
        with suppress(InvalidStateError):
            opening.set_exception(error)
        return
    try:
        opening.set_result(source)
    except InvalidStateError:
        source.close()
