"""The one thread that perceives: sampled frames of all cameras in, stored incidents out.

A candidate is stored, with its deliveries, before the next frame is looked at. When the database cannot take
it, this thread waits and tries again: files wait behind it, live cameras drop their oldest frames (counted),
and nothing that was accepted is lost.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import structlog

from pipeline.clock import Clock
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.coverage import ENDED, STOPPED
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.health import Condition
from pipeline.contracts.incident import IncidentChange
from pipeline.contracts.observation import Observation
from pipeline.errors import ConfigError, TransientError
from pipeline.events.stage import EventStage
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.perception.stage import PerceptionStage
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.findings import Finding, Findings
from pipeline.runtime.incident_note import incident_decision
from pipeline.runtime.learning import LearnedBook
from pipeline.runtime.local.inbox import (
    CameraTrouble,
    EndOfStream,
    FairInbox,
    Item,
    Reviewed,
    StreamBegins,
    WithdrawAlert,
)
from pipeline.sampling.ring import FrameRing
from pipeline.site import Site
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing

log = structlog.get_logger()
_TAKE_SECONDS = 0.2
_RETRY_FROM_SECONDS = 0.2
_RETRY_TO_SECONDS = 5.0
_KEEP_SECONDS = 10.0
"""Between looks for what was learned and is due to be kept."""


Result = TypeVar("Result")


class _GivenUpError(Exception):
    """The time to drain is over."""


class WatchLoop:
    """Takes from the inbox until every camera's stream has ended."""

    def __init__(
        self,
        inbox: FairInbox,
        perception: PerceptionStage,
        events: EventStage,
        recorder: IncidentRecorder,
        evidence: EvidenceKeeper,
        rings: Mapping[str, FrameRing],
        site: Site,
        coverage: CoverageBook,
        learned: LearnedBook,
        *,
        has_reasoner: bool,
        batch_size: int,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        on_change: Callable[[IncidentChange], None],
        tracing: Tracing = OFF,
        looks: EmbeddingWriter | None = None,
    ) -> None:
        self._inbox = inbox
        self._perception = perception
        self._events = events
        self._recorder = recorder
        self._evidence = evidence
        self._rings = dict(rings)
        self._coverage = coverage
        self._learned = learned
        self._clock = clock
        self._next_keeping = clock.monotonic() + _KEEP_SECONDS
        self._findings = Findings(
            site,
            evidence,
            has_reasoner=has_reasoner,
            decisions=decisions,
            metrics=metrics,
            clock=clock,
            tracing=tracing,
            looks=looks,
        )
        self._tracing = tracing
        self._batch_size = batch_size
        self._decisions = decisions
        self._metrics = metrics
        self._on_change = on_change
        self._lock = threading.Lock()
        self._num_streams = Counter(camera.id for camera in site.cameras)
        """Streams that have not ended, by camera; two while one is replaced."""
        self._newest: dict[str, Observation] = {}
        self.num_incidents = 0
        self.num_unstored = 0
        self._fault = FaultLog("incidents", "trying again; files wait, live cameras drop frames")
        self.give_up = threading.Event()
        """Set when the time to drain is over: what cannot be stored now is reported as not stored."""

    def run(self) -> None:
        """The thread's body."""
        while self._num_streams:
            self._handle(self._inbox.take(self._batch_size, _TAKE_SECONDS))
            if self._clock.monotonic() >= self._next_keeping:
                self._next_keeping = self._clock.monotonic() + _KEEP_SECONDS
                self._learned.put(self._events.learned(self._clock.now()))
        self._handle(self._inbox.take(self._batch_size, 0.0))
        self._learned.put(self._events.learned(self._clock.now(), is_last=True))

    def expect(self, camera_id: str) -> None:
        """One more stream of a camera will begin; before the one it replaces ends. Any thread."""
        with self._lock:
            self._num_streams[camera_id] += 1

    def newest(self, camera_id: str) -> Observation | None:
        """What was perceived of a camera last; None for one of which nothing is read. Any thread."""
        return self._newest.get(camera_id)

    def follow(self, site: Site) -> None:
        """The site file changed. Any thread; cameras and rules follow by `StreamBegins`."""
        self._findings.follow(site)

    def _handle(self, items: Sequence[Item]) -> None:
        frames = [item for item in items if isinstance(item, SampledFrame)]
        if frames:
            self._perceive(frames)
        for item in items:
            match item:
                case WithdrawAlert(candidate):
                    self._events.withdraw_alert(candidate)
                case Reviewed(incident):
                    self._events.review(incident)
                case CameraTrouble(candidate):
                    self._store_trouble(candidate)
                case StreamBegins():
                    self._begin(item)
                case EndOfStream(camera_id, is_over):
                    self._end(camera_id)
                    self._coverage.closed(camera_id, reason=ENDED if is_over else STOPPED)

    def _perceive(self, frames: Sequence[SampledFrame]) -> None:
        began_at = self._tracing.now()
        with self._metrics.stage_seconds.labels("perception").time():
            results = self._perception.process(frames)
        self._tracing.perceived(frames, began_at)
        self._newest |= {result.camera_id: result for result in results if isinstance(result, Observation)}
        for finding in self._findings.judge(self._events, frames, results):
            for candidate in finding.candidates:
                self._store(candidate)
            self._findings.over(finding)
            self._cover(finding)

    def _begin(self, begins: StreamBegins) -> None:
        """A camera that is new, or whose rules are: what was open by the old ones is over."""
        for candidate in self._events.finish(begins.camera.id):
            self._store(candidate)
        try:
            self._patiently(lambda: self._events.watch(begins.camera, begins.rules, begins.last_alerts))
        except ConfigError as error:
            log.error("rules of the changed site file cannot be used", camera=begins.camera.id, error=str(error))
        except _GivenUpError:
            return
        self._rings[begins.camera.id] = begins.ring

    def _end(self, camera_id: str) -> None:
        for candidate in self._events.finish(camera_id):
            self._store(candidate)
        self._evidence.stream_ended(camera_id)
        self._perception.forget(camera_id)
        with self._lock:
            self._num_streams[camera_id] -= 1
            self._num_streams += Counter()  # drops what is at zero
            is_gone = camera_id not in self._num_streams
        if is_gone:
            self._inbox.remove(camera_id)
            self._newest.pop(camera_id, None)

    def _store_trouble(self, candidate: Candidate) -> None:
        self._store(candidate)
        if candidate.condition is Condition.OFFLINE:
            self._evidence.stream_ended(candidate.camera_id)  # no frame will bring the time of its clip

    def _cover(self, finding: Finding) -> None:
        frame = finding.frame.frame
        if finding.refused:
            self._coverage.not_judged(frame.camera_id, "perception failed", frame.captured_at)
        else:
            self._coverage.judged(frame.camera_id, frame.captured_at)

    def _store(self, candidate: Candidate) -> None:
        try:
            candidate, change = self._patiently(lambda: self._record(candidate), incident=candidate.id)
        except _GivenUpError:
            self.num_unstored += 1
            log.error("incident given up: it could not be stored in time", incident=candidate.id)
            return
        if candidate.state is CandidateState.OPENED:
            self.num_incidents += 1
            self._findings.opened(candidate, self._rings[candidate.camera_id])
        if change is not None:
            self._told(change)

    def _record(self, candidate: Candidate) -> tuple[Candidate, IncidentChange | None]:
        """With its pictures; again on every try: those that found no room at first are still in the ring."""
        message = self._findings.message(candidate, self._rings[candidate.camera_id])
        change = self._recorder.candidate(
            message.candidate, will_verify=message.will_verify, snapshot_uri=message.snapshot_uri
        )
        return message.candidate, change

    def _patiently(self, work: Callable[[], Result], **about: str) -> Result:
        """What `work` gives once the database can; `_GivenUpError` when the time to drain is over before that."""
        wait_seconds = _RETRY_FROM_SECONDS
        while True:
            try:
                result = work()
                self._fault.worked()
                return result
            except TransientError as error:
                self._fault.failed(error, **about)
                if self.give_up.wait(wait_seconds):
                    raise _GivenUpError from error
                wait_seconds = min(wait_seconds * 2, _RETRY_TO_SECONDS)

    def _told(self, change: IncidentChange) -> None:
        self._decisions.record(incident_decision(change))
        self._on_change(change)
