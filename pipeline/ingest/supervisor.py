"""Keeps a camera connected: retries for ever, says so once, and is stopped at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from pipeline.clock import Clock
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.contracts.health import StreamListener
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest.listening import NobodyListens
from pipeline.ingest.opening import Opening
from pipeline.ingest.pace import wait_until
from pipeline.ingest.route import Route
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

log = structlog.get_logger()

_MOST_DOUBLINGS = 30
"""Beyond any sensible `retry_to`; keeps the power of two finite over years of retries."""

OpenInner = Callable[[], VideoSource]


class SupervisedSource:
    """A `VideoSource` that outlives its connections.

    The inner source is opened by the first `read`. A live one that fails is closed and opened anew after a
    jittered, doubling wait, for ever; `read` blocks meanwhile. A `ConfigError` and a file's end pass through. Where
    there is a fallback, it is opened when the address itself fails twice in a row, and left as soon as that answers
    again, without a gap. Sequence numbers go on over all this. The listener is told in the reading thread.
    """

    def __init__(
        self,
        camera_id: str,
        open_inner: OpenInner,
        settings: IngestSettings,
        clock: Clock,
        decisions: DecisionSink,
        *,
        open_fallback: OpenInner | None = None,
        listener: StreamListener | None = None,
        is_live: bool = True,
        jitter: random.Random | None = None,
    ) -> None:
        self.is_live = is_live
        self.expected_frames: int | None = None
        self._camera_id = camera_id
        self._open_url = open_inner
        self._open_fallback = open_fallback
        self._settings = settings
        self._clock = clock
        self._decisions = decisions
        self._listener = listener or NobodyListens()
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._route = Route(settings.fallback_for if open_fallback else None)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._inner: VideoSource | None = None
        self._opening: Opening | None = None
        self._look_back: Opening | None = None
        self._told_fallback = False
        self._is_connected: bool | None = None
        self._num_failures = 0
        self._first_sequence = 0
        self._next_sequence = 0

    def read(self) -> Frame | EncodedFrame | None:
        """The next frame, however long it takes; None at the end of a file or after `close`."""
        while not self._closed.is_set():
            try:
                frame = self._read_inner()
            except TransientError as error:
                self._lost(str(error))
                continue
            except ConfigError as error:
                self._listener.lost(self._clock.now(), hide_credentials(str(error)))
                raise
            if frame is not None:
                return self._received(frame)
            if not self.is_live:
                return None
            self._lost("the stream ended")
        return None

    def close(self) -> None:
        """Make `read` return None at once, wherever it waits."""
        self._closed.set()
        for opening in (self._opening, self._look_back):
            if opening is not None:
                opening.cancel()
        self._close_inner()

    def _read_inner(self) -> Frame | EncodedFrame | None:
        inner = self._inner or self._open()
        if self._look_back is not None or self._route.looks_back(self._clock.monotonic()):
            inner = self._returned() or inner
        if inner is None or self._closed.is_set():
            self._close_inner()
            return None
        return inner.read()

    def _open(self) -> VideoSource | None:
        """Open in a thread that `close` may leave behind; None when it has."""
        on_fallback = self._route.on_fallback and self._open_fallback is not None
        self._opening = self._start_opening(self._open_fallback if on_fallback else self._open_url)
        source = self._opening.result()
        self._opening = None
        return self._use(source) if source is not None else None

    def _start_opening(self, open_inner: OpenInner | None) -> Opening:
        opening = Opening(f"open-{self._camera_id}", open_inner or self._open_url)
        if self._closed.is_set():
            opening.cancel()
        return opening

    def _use(self, source: VideoSource) -> VideoSource:
        with self._lock:
            self._inner = source
        self.is_live, self.expected_frames = source.is_live, source.expected_frames
        self._first_sequence = self._next_sequence
        return source

    def _returned(self) -> VideoSource | None:
        """The address itself, opened while its fallback is read; None as long as it does not answer."""
        if self._look_back is None:
            self._look_back = self._start_opening(self._open_url)
        if not self._look_back.is_done:
            return None
        look_back, self._look_back = self._look_back, None
        try:
            source = look_back.result()
        except TransientError:
            self._route.stays(self._clock.monotonic())
            return None
        if source is None:
            return None
        self._close_inner()
        self._route.returns()
        return self._use(source)

    def _received(self, frame: Frame | EncodedFrame) -> Frame | EncodedFrame:
        if not self._is_connected:
            self._is_connected = True
            self._listener.connected(frame.captured_at)
            self._record(True, "connected", f"{frame.width}x{frame.height}")
            log.info("camera connected", camera=self._camera_id, size=f"{frame.width}x{frame.height}")
        if self._told_fallback != self._route.on_fallback:
            self._tell_route(self._route.on_fallback)
        self._num_failures = 0
        self._route.worked()
        numbered = replace(frame, sequence=self._first_sequence + frame.sequence)
        self._next_sequence = numbered.sequence + 1
        self._listener.frame(numbered)
        return numbered

    def _tell_route(self, on_fallback: bool) -> None:
        self._told_fallback = on_fallback
        words = "on fallback" if on_fallback else "back on url"
        self._record(True, words, "")
        log.warning(f"camera {words}", camera=self._camera_id)

    def _lost(self, reason: str) -> None:
        """Say so, close what is open, and wait for the next try."""
        self._close_inner()
        look_back, self._look_back = self._look_back, None
        if look_back is not None:
            look_back.cancel()
        if self._closed.is_set():
            return
        self._route.failed(self._clock.monotonic())
        reason = hide_credentials(reason)
        self._record(False, "offline", reason)
        self._listener.lost(self._clock.now(), reason)
        if self._is_connected is not False:
            self._is_connected = False
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
