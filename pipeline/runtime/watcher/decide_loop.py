"""The deciding thread of a watcher: what was seen, in order, to tracks, rules and candidates.

A record is done once every candidate its frame caused is durable on the bus.
"""

from __future__ import annotations

import threading
from functools import partial

import structlog

from pipeline.contracts.observation import Sight
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.findings import Findings
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.runtime.watcher.frame_gate import Passed
from pipeline.runtime.watcher.learning_turn import LearningTurn
from pipeline.runtime.watcher.telling import STAGE, Teller
from pipeline.runtime.watcher.vision_calls import VisionCalls
from pipeline.runtime.watcher.watched_camera import Rules
from pipeline.telemetry import FaultLog, Metrics

log = structlog.get_logger()
_LOOK_SECONDS = 0.2


class DecideLoop:
    """`run` is the body of the thread."""

    def __init__(
        self,
        calls: VisionCalls,
        findings: Findings,
        teller: Teller,
        evidence: EvidenceKeeper,
        coverage: CoverageBook,
        metrics: Metrics,
        stop: threading.Event,
        pulse: Pulse,
        learning: LearningTurn,
    ) -> None:
        self._calls = calls
        self._findings = findings
        self._teller = teller
        self._evidence = evidence
        self._coverage = coverage
        self._metrics = metrics
        self._stop = stop
        self._pulse = pulse
        self._learning = learning
        self._fault = FaultLog("the words of rules", "frames wait on the bus", done="encoded")

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self._stop.is_set():
                self._turn()
        except Stopping:
            pass

    def _turn(self) -> None:
        self._pulse.rest()
        self._learning.take()
        seen = self._calls.take(_LOOK_SECONDS)
        if seen is None:
            return
        for passed, sight in zip(seen.batch, seen.sights, strict=True):
            self._pulse.beat()
            if passed.item.assignment.is_revoked:
                passed.item.done()
            else:
                self._decide(passed, sight)

    def _decide(self, passed: Passed, sight: Sight | InvalidMessage | None) -> None:
        rules = until_it_works(passed.camera.rules, self._stop, self._pulse, self._fault)
        try:
            if sight is None:
                self._end(passed, rules)
            else:
                self._judge(passed, sight, rules)
        except (ConfigError, Stopping):
            raise
        except Exception as error:
            # One camera's frame must not stop all other cameras, again and again after every restart.
            log.exception("the rules failed on a frame", camera=passed.camera.id, offset=passed.item.record.offset)
            self._metrics.invalid_items.labels(STAGE, "failed").inc()
            self._teller.set_aside(passed.item, f"unexpected {type(error).__name__}: {error}")

    def _judge(self, passed: Passed, sight: Sight | InvalidMessage, rules: Rules) -> None:
        is_replay = passed.item.record.is_replay
        rules.decisions.is_replay = is_replay
        frames = [passed.frame] if passed.frame is not None else []
        results = rules.perception.observe(frames, [sight])
        for finding in self._findings.judge(rules.events, frames, results, is_replay=is_replay):
            frame = finding.frame.frame
            if finding.refused:
                self._coverage.not_judged(frame.camera_id, "perception failed", frame.captured_at)
                self._teller.set_aside(passed.item, finding.refused)
                return
            if not is_replay:
                self._coverage.judged(frame.camera_id, frame.captured_at)
            for candidate in finding.candidates:
                self._teller.tell(candidate, passed.camera.ring, passed.item.assignment)
            self._findings.over(finding)
            if finding.candidates:
                self._teller.afterwards(passed.camera.id, passed.item.done)
            else:
                passed.item.done()

    def _end(self, passed: Passed, rules: Rules) -> None:
        told = () if passed.item.record.is_replay else rules.events.finish(passed.camera.id)
        self._learning.ended(passed.camera)
        for candidate in told:  # in a replay what it closed was told before
            self._teller.tell(candidate, passed.camera.ring, passed.item.assignment)
        self._teller.afterwards(passed.camera.id, partial(self._ended, passed))

    def _ended(self, passed: Passed) -> None:
        self._evidence.stream_ended(passed.camera.id)
        passed.item.done()
