"""The one thread that perceives: sampled frames of all cameras in, stored incidents out.

A candidate is stored, with its deliveries, before the next frame is looked at. When the database cannot take
it, this thread waits and tries again: files wait behind it, live cameras drop their oldest frames (counted),
and nothing that was accepted is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from pipeline.clock import Clock
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.incident import IncidentChange
from pipeline.contracts.observation import Observation
from pipeline.errors import StageFailed, TransientError
from pipeline.events.stage import EventStage
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.perception.stage import PerceptionStage
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.inbox import EndOfStream, FairInbox, Item, WithdrawAlert
from pipeline.site import Site
from pipeline.telemetry import FaultLog, Metrics

log = structlog.get_logger()
_TAKE_SECONDS = 0.2
_RETRY_FROM_SECONDS = 0.2
_RETRY_TO_SECONDS = 5.0


class WatchLoop:
    """Takes from the inbox until every camera's stream has ended."""

    def __init__(
        self,
        inbox: FairInbox,
        perception: PerceptionStage,
        events: EventStage,
        recorder: IncidentRecorder,
        evidence: EvidenceKeeper,
        site: Site,
        *,
        has_reasoner: bool,
        batch_size: int,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        on_change: Callable[[IncidentChange], None],
    ) -> None:
        self._inbox = inbox
        self._perception = perception
        self._events = events
        self._recorder = recorder
        self._evidence = evidence
        self._cameras = {camera.id: camera for camera in site.cameras}
        self._rules = {rule.id: rule for rule in site.rules}
        self._has_reasoner = has_reasoner
        self._batch_size = batch_size
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._on_change = on_change
        self._open_streams = set(self._cameras)
        self.num_incidents = 0
        self.num_unstored = 0
        self._fault = FaultLog("incidents", "trying again; files wait, live cameras drop frames")
        self.give_up = threading.Event()
        """Set when the time to drain is over: what cannot be stored now is reported as not stored."""

    def run(self) -> None:
        """The thread's body."""
        while self._open_streams:
            self._handle(self._inbox.take(self._batch_size, _TAKE_SECONDS))

    def _handle(self, items: Sequence[Item]) -> None:
        frames = [item for item in items if isinstance(item, SampledFrame)]
        if frames:
            self._perceive(frames)
        for item in items:
            if isinstance(item, WithdrawAlert):
                self._events.withdraw_alert(item.candidate)
            elif isinstance(item, EndOfStream):
                self._end(item.camera_id)

    def _perceive(self, frames: Sequence[SampledFrame]) -> None:
        with self._metrics.stage_seconds.labels("perception").time():
            results = self._perception.process(frames)
        observations: list[Observation] = []
        for frame, result in zip(frames, results, strict=True):
            if isinstance(result, Observation):
                observations.append(result)
            else:
                self._set_aside(frame, "perception", str(result))
        with self._metrics.stage_seconds.labels("events").time():
            told = self._events.process(observations)
        for observation, candidates in zip(observations, told, strict=True):
            if isinstance(candidates, StageFailed):
                self._metrics.invalid_items.labels("events", "failed").inc()
                log.error("rules failed on a frame", camera=observation.camera_id, error=str(candidates))
                continue
            for candidate in candidates:
                self._store(candidate)
            self._evidence.frame_seen(observation.camera_id, observation.captured_at)
            age = (self._clock.now() - observation.captured_at).total_seconds()
            self._metrics.frame_age.labels(observation.camera_id).set(max(age, 0.0))

    def _set_aside(self, frame: SampledFrame, stage: str, reason: str) -> None:
        camera_id, at = frame.frame.camera_id, frame.frame.captured_at
        self._metrics.invalid_items.labels(stage, "invalid frame").inc()
        self._decisions.record(Decision(camera_id, Gate.PERCEPTION, False, "invalid frame", at, detail=reason))
        log.warning("frame set aside", camera=camera_id, sequence=frame.frame.sequence, reason=reason)

    def _end(self, camera_id: str) -> None:
        for candidate in self._events.finish(camera_id):
            self._store(candidate)
        self._evidence.stream_ended(camera_id)
        self._perception.forget(camera_id)
        self._open_streams.discard(camera_id)

    def _store(self, candidate: Candidate) -> None:
        camera = self._cameras[candidate.camera_id]
        rule = self._rules.get(candidate.rule_id)
        will_verify = self._has_reasoner and rule is not None and rule.verify == "vlm"
        wait_seconds = _RETRY_FROM_SECONDS
        while True:
            # Again on every try: pictures that found no room at first are still in the ring.
            candidate, snapshot = self._evidence.keep(candidate, camera, rule)
            try:
                change = self._recorder.candidate(candidate, will_verify=will_verify, snapshot_uri=snapshot)
                self._fault.worked()
                break
            except TransientError as error:
                self._fault.failed(error, incident=candidate.id)
                if self.give_up.wait(wait_seconds):
                    self.num_unstored += 1
                    log.error("incident given up: it could not be stored in time", incident=candidate.id)
                    return
                wait_seconds = min(wait_seconds * 2, _RETRY_TO_SECONDS)
        if candidate.state is CandidateState.OPENED:
            self._opened(candidate)
        if change is not None:
            self._told(candidate, change)

    def _opened(self, candidate: Candidate) -> None:
        self.num_incidents += 1
        self._metrics.candidates.labels(candidate.camera_id, candidate.rule_id).inc()
        delay = (self._clock.now() - candidate.opened_at).total_seconds()
        self._metrics.alert_seconds.observe(max(delay, 0.0))
        self._evidence.schedule_clip(candidate)

    def _told(self, candidate: Candidate, change: IncidentChange) -> None:
        self._decisions.record(
            Decision(
                candidate.camera_id,
                Gate.INCIDENT,
                True,
                f"incident {change.kind.value}",
                candidate.opened_at,
                rule_id=candidate.rule_id,
                value=candidate.peak_score,
                threshold=candidate.threshold,
                detail=candidate.id,
            )
        )
        self._on_change(change)
