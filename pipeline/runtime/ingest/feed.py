"""What ingest does with the frames of a camera: hand them on to be published, as many a second as anything downstream
can use, and the end of a stream that is over for good. Files wait for room; live cameras drop what is oldest, counted.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.clock import Clock
from pipeline.contracts.bus import PublishedFrame, StreamEnd
from pipeline.contracts.camera import Camera
from pipeline.contracts.coverage import ENDED, STOPPED
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.ingest.backlog import Backlog, Outgoing
from pipeline.sampling.ring import FrameRing
from pipeline.telemetry import Metrics
from pipeline.tracing import OFF, Tracing
from pipeline.transport.codec import Wire, end_record, frame_record


class CameraFeed:
    """A `FrameTaker`: from a camera to its backlog."""

    def __init__(
        self,
        camera: Camera,
        producer: str,
        backlog: Backlog,
        ring: FrameRing,
        coverage: CoverageBook,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        tracing: Tracing = OFF,
    ) -> None:
        """`producer` says which process publishes; see `PublishedFrame`."""
        self.num_dropped = 0
        self.backlog = backlog
        self.ring = ring
        """The last seconds, a frame or so of each: for those who look back when the camera fails."""
        self._camera_id = camera.id
        self._producer = producer
        self._coverage = coverage
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing

    def take(self, frame: EncodedFrame, *, is_live: bool) -> None:
        """See `FrameTaker`."""
        self.ring.add(frame, must_keep=False)
        trace = self._tracing.arrived(frame).traceparent
        item = self._outgoing(frame_record(PublishedFrame(frame, self._producer, trace)), frame.captured_at)
        if not is_live:
            self.backlog.put(item)
            return
        for dropped in self.backlog.put_latest(item):
            if dropped.captured_at is not None:
                self._drop(dropped.captured_at)

    def ended(self, *, is_over: bool) -> None:
        """See `FrameTaker`."""
        self._coverage.closed(self._camera_id, reason=ENDED if is_over else STOPPED)
        if is_over:
            self.backlog.put(self._outgoing(end_record(StreamEnd(self._camera_id, self._producer)), None))

    def _outgoing(self, wire: Wire, captured_at: datetime | None) -> Outgoing:
        return Outgoing(self._camera_id, wire.key, wire.value, wire.headers, captured_at, self._clock.monotonic())

    def _drop(self, at: datetime) -> None:
        self.num_dropped += 1
        self._metrics.frames_dropped.labels(self._camera_id, "bus away").inc()
        self._decisions.record(Decision(self._camera_id, Gate.CAMERA, False, "dropped: bus away", at))
