"""One thread a camera: read, thin out, write as JPEG once, hand on what is due.

What is handed on is the JPEG, as it is behind a bus: whoever keeps the last seconds keeps it in any case, and so one
machine and a cluster tell the same of the same clip. A quarter of a megabyte of it waits for others where pixels would
be six.

Nothing that goes wrong with one camera reaches another: one that can never be read ends its own thread with a message,
and a fault of this program costs a live camera some seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from pipeline import jpeg
from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.errors import InvalidMessage, SightlineError
from pipeline.ingest.health import HealthMonitor
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.up_gauge import UpGauge
from pipeline.sampling.thinning import Thinning
from pipeline.settings import SamplingSettings
from pipeline.telemetry import Metrics, hide_credentials

log = structlog.get_logger()
_AGAIN_SECONDS = 10.0
"""After a fault of this program, before a live camera is read again."""

OnRead = Callable[[int, int | None], None]
"""(frames read so far, frames expected or None), for each frame."""


class FrameTaker(Protocol):
    """What frames are for. Called on the camera's thread."""

    def take(self, frame: EncodedFrame, *, is_live: bool) -> None:
        """A frame that is due. May block where the source waits (files), must not where it does not."""
        ...

    def ended(self, *, is_over: bool) -> None:
        """No more frames: for good, since the source ended or can never be read; or else reading was stopped."""
        ...


@dataclass(frozen=True, slots=True)
class Eye:
    """One camera's way in, and who watches over it."""

    open: Callable[[], VideoSource]
    gauge: UpGauge
    health: HealthMonitor | None
    """None for a file or scene, unless a rule of the site file asks for its health."""
    ended: Callable[[bool], None]
    """To be told when nothing is read any more, and whether that is because the source came to its end."""


@dataclass(slots=True)
class ReaderCounts:
    """What one camera's thread did; written by that thread alone."""

    frames_read: int = 0
    frames_dropped: int = 0
    """Came when due, and could not be looked at in time."""
    frames_refused: int = 0
    """Pictures that cannot be written as JPEG."""
    media_seconds: float = 0.0
    failure: str = ""


class CameraReader:
    """Reads one camera until it ends or is closed. `run` is the body of its thread."""

    def __init__(
        self,
        camera: Camera,
        eye: Eye,
        taker: FrameTaker,
        settings: SamplingSettings,
        coverage: CoverageBook,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        *,
        on_read: OnRead = lambda _read, _expected: None,
    ) -> None:
        self.camera_id = camera.id
        self.counts = ReaderCounts()
        self.has_ended = False
        """The source came to its end."""
        self.eye = eye
        self._taker = taker
        self._jpeg_quality = settings.jpeg_quality
        self._thinning = Thinning.of(camera.sampling, settings)
        self._coverage = coverage
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._on_read = on_read
        self._first_at: datetime | None = None
        self._source: VideoSource | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Read to the end."""
        try:
            while not self._read_on():
                self._stopping.wait(_AGAIN_SECONDS)
        finally:
            is_over = not self._stopping.is_set()
            self.has_ended = is_over and not self.counts.failure
            self.close()
            self.eye.ended(self.has_ended)
            self._taker.ended(is_over=is_over)

    def close(self) -> None:
        """Stop reading; may be called from any thread, more than once."""
        self._stopping.set()
        self._close_source()

    def _read_on(self) -> bool:
        """Open and read; whether that is all there is to do."""
        is_live = False
        try:
            source = self._open()
            if source is not None:
                is_live = source.is_live
                self._read_all(source)
        except SightlineError as error:
            self._fail(hide_credentials(str(error)))
        except Exception as error:
            log.exception("reading a camera failed", camera=self.camera_id)
            if is_live and not self._stopping.is_set():
                self._close_source()
                return False
            self._fail(f"unexpected {type(error).__name__}: {hide_credentials(str(error))}")
        return True

    def _open(self) -> VideoSource | None:
        source = self.eye.open()
        with self._lock:
            self._source = source
        if self._stopping.is_set():
            source.close()
            return None
        return source

    def _close_source(self) -> None:
        with self._lock:
            source, self._source = self._source, None
        if source is not None:
            source.close()

    def _read_all(self, source: VideoSource) -> None:
        while not self._stopping.is_set():
            frame = source.read()
            if frame is None:
                return
            self._first_at = self._first_at or frame.captured_at
            self.counts.frames_read += 1
            self.counts.media_seconds = (frame.captured_at - self._first_at).total_seconds()
            self._metrics.frames_read.labels(self.camera_id).inc()
            self._look_at(frame, is_live=source.is_live)
            self._on_read(self.counts.frames_read, source.expected_frames)

    def _look_at(self, frame: Frame | EncodedFrame, *, is_live: bool) -> None:
        if not self._thinning.take(frame):
            self._metrics.frames_skipped.labels(self.camera_id, "not due").inc()
            return
        self._miss(self._thinning.num_missed, frame.captured_at)
        encoded = self._encoded(frame)
        if encoded is not None:
            self._coverage.seen(self.camera_id, frame.captured_at)
            self._taker.take(encoded, is_live=is_live)
        if is_live:
            # A live source converts a frame only when it is asked for one: do not ask for what is not looked at.
            self._stopping.wait(self._thinning.idle_seconds(self._clock.now()))

    def _encoded(self, frame: Frame | EncodedFrame) -> EncodedFrame | None:
        try:
            return frame if isinstance(frame, EncodedFrame) else jpeg.encode(frame, self._jpeg_quality)
        except InvalidMessage as error:
            self._metrics.invalid_items.labels("ingest", "not a picture").inc()
            self.counts.frames_refused += 1
            if self.counts.frames_refused == 1:
                log.error("frame cannot be written as JPEG", camera=self.camera_id, reason=str(error))
            return None

    def _miss(self, number: int, at: datetime) -> None:
        if number:
            self.counts.frames_dropped += number
            self._metrics.frames_dropped.labels(self.camera_id, "reader behind").inc(number)
            self._decisions.record(Decision(self.camera_id, Gate.CAMERA, False, "dropped: reader behind", at))

    def _fail(self, message: str) -> None:
        self.counts.failure = message
        log.error("camera cannot be read", camera=self.camera_id, reason=message)
        self._decisions.record(
            Decision(self.camera_id, Gate.CAMERA, False, "cannot be read", self._clock.now(), detail=message)
        )
