"""One camera's thread at ingest: read, thin out, write as JPEG once, hand on to be published.

In: every frame of a camera, privacy masks burnt in. Out: as many a second as anything downstream can use, by
the frames' own times, and the end of a stream that is over for good. Files wait for room; live cameras drop
what is oldest, counted.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from pipeline import jpeg
from pipeline.clock import Clock
from pipeline.contracts.bus import PublishedFrame, StreamEnd
from pipeline.contracts.camera import Camera
from pipeline.contracts.coverage import ENDED, STOPPED
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.errors import InvalidMessage, SightlineError
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.ingest.backlog import Backlog, Outgoing
from pipeline.sampling.ring import FrameRing
from pipeline.sampling.thinning import Thinning
from pipeline.settings import SamplingSettings
from pipeline.telemetry import Metrics, hide_credentials
from pipeline.transport.codec import Wire, end_record, frame_record

log = structlog.get_logger()


@dataclass(slots=True)
class FeedCounts:
    """What one camera's thread did; written by that thread alone."""

    frames_read: int = 0
    frames_dropped: int = 0
    frames_refused: int = 0
    """Pictures that cannot be written as JPEG."""
    failure: str = ""


class CameraFeed:
    """Reads one camera until it ends or is closed. `run` is the body of its thread."""

    def __init__(
        self,
        camera: Camera,
        producer: str,
        open_source: Callable[[], VideoSource],
        backlog: Backlog,
        ring: FrameRing,
        settings: SamplingSettings,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        coverage: CoverageBook,
        on_end: Callable[[bool], None],
    ) -> None:
        """`producer` says which process publishes; see `PublishedFrame`. `on_end` is told when nothing is read any
        more, and whether that is because the source is over."""
        self.camera = camera
        self.camera_id = camera.id
        self.counts = FeedCounts()
        self.is_over = False
        """The source ended by itself."""
        self.backlog = backlog
        self.ring = ring
        """The last seconds, a frame or so of each: for those who look back when the camera fails."""
        self._producer = producer
        self._open_source = open_source
        self._quality = settings.jpeg_quality
        self._thinning = Thinning.of(camera.sampling, settings)
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._coverage = coverage
        self._on_end = on_end
        self._source: VideoSource | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Read to the end; then publish that it was the end, unless told to stop before."""
        try:
            source = self._open()
            if source is not None:
                self._read_all(source)
        except SightlineError as error:
            self._fail(hide_credentials(str(error)))
        finally:
            is_over = not self._stopping.is_set()
            self.is_over = is_over and not self.counts.failure
            self.close()
            self._coverage.closed(self.camera_id, reason=ENDED if self.is_over else STOPPED)
            self._on_end(self.is_over)
        if is_over:
            self.backlog.put(self._outgoing(end_record(StreamEnd(self.camera_id, self._producer)), None))

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
        while not self._stopping.is_set():
            frame = source.read()
            if frame is None:
                return
            self.counts.frames_read += 1
            self._metrics.frames_read.labels(self.camera_id).inc()
            if not self._thinning.take(frame):
                continue
            self._drop(self._thinning.num_missed, frame.captured_at, "reader behind")
            self._hand_on(frame, is_live=source.is_live)
            if source.is_live:
                # A live source converts a frame only when it is asked for one: do not ask for what is thrown away.
                self._stopping.wait(self._thinning.idle_seconds(self._clock.now()))

    def _hand_on(self, frame: Frame | EncodedFrame, *, is_live: bool) -> None:
        try:
            encoded = frame if isinstance(frame, EncodedFrame) else jpeg.encode(frame, self._quality)
        except InvalidMessage as error:
            self._refuse(error)
            return
        self._coverage.seen(self.camera_id, frame.captured_at)
        self.ring.add(encoded, must_keep=False)
        item = self._outgoing(frame_record(PublishedFrame(encoded, self._producer, new_trace())), frame.captured_at)
        if not is_live:
            self.backlog.put(item)
            return
        for dropped in self.backlog.put_latest(item):
            if dropped.captured_at is not None:
                self._drop(1, dropped.captured_at, "bus away")

    def _outgoing(self, wire: Wire, captured_at: datetime | None) -> Outgoing:
        return Outgoing(self.camera_id, wire.key, wire.value, wire.headers, captured_at, self._clock.monotonic())

    def _drop(self, number: int, at: datetime, reason: str) -> None:
        if number:
            self.counts.frames_dropped += number
            self._metrics.frames_dropped.labels(self.camera_id, reason).inc(number)
            self._decisions.record(Decision(self.camera_id, Gate.CAMERA, False, f"dropped: {reason}", at))

    def _refuse(self, error: InvalidMessage) -> None:
        self._metrics.invalid_items.labels("ingest", "not a picture").inc()
        self.counts.frames_refused += 1
        if self.counts.frames_refused == 1:
            log.error("frame cannot be published", camera=self.camera_id, reason=str(error))

    def _fail(self, message: str) -> None:
        self.counts.failure = message
        log.error("camera cannot be read", camera=self.camera_id, reason=message)
        self._decisions.record(
            Decision(self.camera_id, Gate.CAMERA, False, "cannot be read", self._clock.now(), detail=message)
        )


def new_trace() -> str:
    """A W3C `traceparent` of the frame's own, not sampled: by it one frame is followed through logs and records."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
