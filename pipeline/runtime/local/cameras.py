"""One thread a camera: read, thin out, write as JPEG once, gate, hand on what was sampled.

What is looked at is the JPEG, as it is behind a bus: the ring keeps it in any case, and so one machine and a cluster
tell the same of the same clip. A quarter of a megabyte of it waits for the models where pixels would be six.

Nothing that goes wrong with one camera reaches another: a file that cannot be read ends its own thread with a
message; a live camera is reopened for ever by its `SupervisedSource`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from pipeline import jpeg
from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame, VideoSource
from pipeline.errors import SightlineError
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.local.inbox import EndOfStream, FairInbox
from pipeline.sampling.sampler import CameraSampler
from pipeline.sampling.thinning import Thinning
from pipeline.settings import SamplingSettings
from pipeline.telemetry import Metrics, hide_credentials

log = structlog.get_logger()
_PROGRESS_EVERY_FRAMES = 10

ProgressCallback = Callable[[str, int, int | None], None]
"""(camera_id, frames read so far, frames expected or None)."""


@dataclass(slots=True)
class CameraCounts:
    """What one camera's thread did; written by that thread alone."""

    frames_read: int = 0
    frames_sampled: int = 0
    frames_dropped: int = 0
    media_seconds: float = 0.0
    failure: str = ""


class SkipMeter:
    """A `DecisionSink` for one sampler: counts the frames it passed over, by reason, and hands every decision on."""

    def __init__(self, decisions: DecisionSink, metrics: Metrics) -> None:
        self._decisions = decisions
        self._metrics = metrics

    def record(self, decision: Decision) -> None:
        """Count, then pass on."""
        if not decision.passed:
            self._metrics.frames_skipped.labels(decision.camera_id, decision.reason).inc()
        self._decisions.record(decision)


class CameraLoop:
    """Reads one camera until it ends or is closed."""

    def __init__(
        self,
        camera: Camera,
        open_source: Callable[[], VideoSource],
        sampler: CameraSampler,
        inbox: FairInbox,
        settings: SamplingSettings,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        on_progress: ProgressCallback,
        coverage: CoverageBook,
        on_over: Callable[[str], None],
    ) -> None:
        """`on_over` is called with the camera's id when its source ended by itself."""
        self.camera_id = camera.id
        self.counts = CameraCounts()
        self._open_source = open_source
        self._thinning = Thinning.of(camera.sampling, settings)
        self._jpeg_quality = settings.jpeg_quality
        self._sampler = sampler
        self._inbox = inbox
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._on_progress = on_progress
        self._coverage = coverage
        self._on_over = on_over
        self.is_over = False
        """The source ended by itself."""
        self._source: VideoSource | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """The thread's body."""
        try:
            source = self._open()
            if source is not None:
                self._read_all(source)
        except SightlineError as error:
            self._fail(hide_credentials(str(error)))
        except Exception as error:
            self._fail(f"unexpected {type(error).__name__}: {hide_credentials(str(error))}")
            log.exception("camera thread failed", camera=self.camera_id)
        finally:
            self.is_over = not self._stopping.is_set() and not self.counts.failure
            self.close()
            if self.is_over:
                self._on_over(self.camera_id)
            self._metrics.camera_up.labels(self.camera_id).set(0)
            self._inbox.put(self.camera_id, EndOfStream(self.camera_id, self.is_over))

    def close(self) -> None:
        """Stop reading; may be called from any thread, more than once."""
        self._stopping.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.close()

    def _open(self) -> VideoSource | None:
        source = self._open_source()
        with self._lock:
            self._source = source
        if self._stopping.is_set():
            source.close()
            return None
        return source

    def _read_all(self, source: VideoSource) -> None:
        first_at = None
        while not self._stopping.is_set():
            frame = source.read()
            if frame is None:
                break
            if first_at is None:
                first_at = frame.captured_at
                self._metrics.camera_up.labels(self.camera_id).set(1)
            self.counts.frames_read += 1
            self.counts.media_seconds = (frame.captured_at - first_at).total_seconds()
            self._metrics.frames_read.labels(self.camera_id).inc()
            self._look_at(frame, is_live=source.is_live)
            if self.counts.frames_read % _PROGRESS_EVERY_FRAMES == 0:
                self._on_progress(self.camera_id, self.counts.frames_read, source.expected_frames)
        self._on_progress(self.camera_id, self.counts.frames_read, source.expected_frames)

    def _look_at(self, frame: Frame | EncodedFrame, *, is_live: bool) -> None:
        if not self._thinning.take(frame):
            self._metrics.frames_skipped.labels(self.camera_id, "not due").inc()
            return
        if self._thinning.num_missed:
            self.counts.frames_dropped += self._thinning.num_missed
            self._metrics.frames_dropped.labels(self.camera_id, "reader behind").inc(self._thinning.num_missed)
        self._coverage.seen(self.camera_id, frame.captured_at)
        encoded = frame if isinstance(frame, EncodedFrame) else jpeg.encode(frame, self._jpeg_quality)
        sampled = self._sampler.offer(encoded)
        if sampled is not None:
            self._hand_on(sampled, is_live)
        if is_live:
            # A live source converts a frame only when it is asked for one: do not ask for what is not looked at.
            self._stopping.wait(self._thinning.idle_seconds(self._clock.now()))

    def _hand_on(self, sampled: SampledFrame, is_live: bool) -> None:
        self.counts.frames_sampled += 1
        self._metrics.frames_sampled.labels(self.camera_id, sampled.reason).inc()
        if not is_live:
            self._inbox.put(self.camera_id, sampled)
            return
        dropped = self._inbox.put_latest(self.camera_id, sampled)
        if isinstance(dropped, SampledFrame):
            self._coverage.not_judged(self.camera_id, "overloaded", dropped.frame.captured_at)
            self.counts.frames_dropped += 1
            self._metrics.frames_dropped.labels(self.camera_id, "overloaded").inc()
            self._decisions.record(
                Decision(self.camera_id, Gate.PERCEPTION, False, "overloaded", dropped.frame.captured_at)
            )

    def _fail(self, message: str) -> None:
        self.counts.failure = message
        log.error("camera cannot be read", camera=self.camera_id, reason=message)
        self._decisions.record(
            Decision(self.camera_id, Gate.CAMERA, False, "cannot be read", self._clock.now(), detail=message)
        )
