"""The gate of a watcher: records of `frames` in, frames worth a model's time out.

Whatever is not worth it is done here: wrong records become dead letters, an overtaken producer's frames and those
too old are dropped and counted, the motion gate and the budget of rates pass over most of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import PublishedFrame, StreamEnd
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import SampledFrame
from pipeline.errors import InvalidMessage
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.watcher.camera_park import CameraPark
from pipeline.runtime.watcher.intake import RecordInHand
from pipeline.runtime.watcher.ladder import Ladder
from pipeline.runtime.watcher.producers import Producers
from pipeline.runtime.watcher.telling import STAGE
from pipeline.runtime.watcher.watched_camera import WatchedCamera
from pipeline.settings import BusSettings
from pipeline.site import Site
from pipeline.telemetry import Metrics
from pipeline.tracing import OFF, Tracing
from pipeline.transport.codec import read_frame_record

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """A record that goes on: a frame for the models, or the end of a stream."""

    item: RecordInHand
    camera: WatchedCamera
    frame: SampledFrame | None


SetAside = Callable[[RecordInHand, str], None]
"""Make a dead letter of a record, for this reason; the record is done once that is durable."""


class FrameGate:
    """For one thread."""

    def __init__(
        self,
        site: Site,
        settings: BusSettings,
        park: CameraPark,
        set_aside: SetAside,
        coverage: CoverageBook,
        *,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        tracing: Tracing = OFF,
    ) -> None:
        self._cameras = {camera.id: camera for camera in site.cameras}
        self._settings = settings
        self._park = park
        self._set_aside = set_aside
        self._coverage = coverage
        self._decisions = decisions
        self._metrics = metrics
        self._tracing = tracing
        self._producers = Producers()
        self.ladder = Ladder(settings, clock)

    def look(self, item: RecordInHand) -> Passed | None:
        """The record, if it goes on; else it is done, or will be once its dead letter is durable."""
        try:
            message = read_frame_record(item.record, self._settings.max_message_bytes)
            return self._pass_on(item, message)
        except InvalidMessage as error:
            self._metrics.invalid_items.labels(STAGE, "invalid message").inc()
            self._set_aside(item, str(error))
        except Exception as error:
            # Whatever one picture does to the libraries must not stop all other cameras.
            log.exception("a frame could not be looked at", camera=item.record.key, offset=item.record.offset)
            self._metrics.invalid_items.labels(STAGE, "failed").inc()
            self._set_aside(item, f"unexpected {type(error).__name__}: {error}")
        return None

    def sweep(self) -> None:
        """Forget what is known of cameras that are another process's now, or whose stream is over."""
        for camera_id in self._park.sweep():
            self._producers.forget(camera_id)
            self._coverage.forget(camera_id)

    def _pass_on(self, item: RecordInHand, message: PublishedFrame | StreamEnd) -> Passed | None:
        camera_id = message.camera_id if isinstance(message, StreamEnd) else message.frame.camera_id
        camera = self._cameras.get(camera_id)
        if camera is None:
            raise InvalidMessage(f"no camera {camera_id!r} in the site file: configure it, or stop publishing it")
        if why_not := self._producers.why_not(message, item.assignment):
            self._metrics.frames_dropped.labels(camera_id, why_not).inc()
            item.done()
            return None
        if isinstance(message, StreamEnd):
            watched = self._park.find(camera, item.assignment, None)
            self._park.stream_ended(watched, is_replay=item.record.is_replay)
            return Passed(item, watched, None)
        return self._sample(item, camera, message)

    def _sample(self, item: RecordInHand, camera: Camera, message: PublishedFrame) -> Passed | None:
        active_share = self.ladder.climb(item.record)
        if active_share is None:
            self._drop(message)
            item.done()
            return None
        watched = self._park.find(camera, item.assignment, message.frame.captured_at)
        arrival = self._tracing.received(message.trace, item.record.published_at)
        frame = watched.offer(message.frame, active_share=active_share, is_replay=item.record.is_replay)
        if frame is None:
            item.done()
            return None
        if not item.record.is_replay:  # else it was traced by who looked at it first
            self._tracing.sampled(frame, arrival)
        self._metrics.frames_sampled.labels(camera.id, frame.reason).inc()
        return Passed(item, watched, frame)

    def _drop(self, message: PublishedFrame) -> None:
        frame = message.frame
        self._metrics.frames_dropped.labels(frame.camera_id, "too late").inc()
        self._coverage.not_judged(frame.camera_id, "overloaded", frame.captured_at)
        self._decisions.record(
            Decision(
                frame.camera_id,
                Gate.SAMPLING,
                False,
                "too late",
                frame.captured_at,
                value=self.ladder.age_seconds,
                threshold=self._settings.fresh_for,
            )
        )
