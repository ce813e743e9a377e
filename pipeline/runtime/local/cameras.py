"""What one machine does with the frames of a camera: gate them, keep the last seconds, hand on what was sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import EncodedFrame, SampledFrame
from pipeline.contracts.rule import Rule
from pipeline.events.scored import objects_of
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.local.inbox import EndOfStream, FairInbox
from pipeline.runtime.skip_meter import SkipMeter
from pipeline.sampling.ring import FrameRing
from pipeline.sampling.sampler import CameraSampler
from pipeline.settings import SamplingSettings
from pipeline.telemetry import Metrics
from pipeline.tracing import OFF, Tracing


@dataclass(slots=True)
class SampledCounts:
    """What became of one camera's frames; written by its thread alone."""

    frames_sampled: int = 0
    frames_dropped: int = 0


class CameraSampling:
    """A `FrameTaker`: samples, and puts what was sampled into the inbox."""

    def __init__(
        self,
        camera: Camera,
        inbox: FairInbox,
        settings: SamplingSettings,
        coverage: CoverageBook,
        decisions: DecisionSink,
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self.counts = SampledCounts()
        self._camera_id = camera.id
        self._sampler = CameraSampler(camera, settings, SkipMeter(decisions, metrics))
        self._inbox = inbox
        self._coverage = coverage
        self._decisions = decisions
        self._metrics = metrics
        self._tracing = tracing

    def follow(self, rules: Sequence[Rule]) -> None:
        """The rules that look at this camera; may be called from any thread."""
        self._sampler.crop_labels = objects_of(rules)

    @property
    def ring(self) -> FrameRing:
        """The last seconds of the camera."""
        return self._sampler.ring

    def take(self, frame: EncodedFrame, *, is_live: bool) -> None:
        """See `FrameTaker`."""
        arrival = self._tracing.arrived(frame)
        sampled = self._sampler.offer(frame)
        if sampled is None:
            return
        self._tracing.sampled(sampled, arrival)
        self.counts.frames_sampled += 1
        self._metrics.frames_sampled.labels(self._camera_id, sampled.reason).inc()
        if not is_live:
            self._inbox.put(self._camera_id, sampled)
            return
        dropped = self._inbox.put_latest(self._camera_id, sampled)
        if isinstance(dropped, SampledFrame):
            self._drop(dropped)

    def ended(self, *, is_over: bool) -> None:
        """See `FrameTaker`."""
        self._inbox.put(self._camera_id, EndOfStream(self._camera_id, is_over))

    def _drop(self, sampled: SampledFrame) -> None:
        at = sampled.frame.captured_at
        self.counts.frames_dropped += 1
        self._coverage.not_judged(self._camera_id, "overloaded", at)
        self._metrics.frames_dropped.labels(self._camera_id, "overloaded").inc()
        self._decisions.record(Decision(self._camera_id, Gate.PERCEPTION, False, "overloaded", at))
