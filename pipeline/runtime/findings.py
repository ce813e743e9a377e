"""What a sampled frame leads to, the same in both runtimes: perceived frames in, candidates with pictures out.

How frames come, where candidates go and when that is durable is left to the hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import CandidateMessage
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.errors import InvalidMessage, StageFailed
from pipeline.events.stage import EventStage
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.sampling.ring import FrameRing
from pipeline.site import Site
from pipeline.telemetry import Metrics
from pipeline.tracing import OFF, Tracing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one frame."""

    frame: SampledFrame
    candidates: tuple[Candidate, ...] = ()
    refused: str = ""
    """Why no model could take it; empty when one could."""


class Findings:
    """Looks up what the rules make of a frame, and what goes with a candidate."""

    def __init__(
        self,
        site: Site,
        evidence: EvidenceKeeper,
        *,
        has_reasoner: bool,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        tracing: Tracing = OFF,
        looks: EmbeddingWriter | None = None,
    ) -> None:
        """`looks` is told what every frame looked like and what it led to; it is followed by whoever runs it."""
        self._site = site
        self._evidence = evidence
        self._has_reasoner = has_reasoner
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing
        self._looks = looks

    def follow(self, site: Site) -> None:
        """The site file changed. Any thread."""
        self._site = site

    def judge(
        self,
        events: EventStage,
        frames: Sequence[SampledFrame],
        results: Sequence[Observation | InvalidMessage],
        *,
        is_replay: bool = False,
    ) -> list[Finding]:
        """One finding a frame, in order, from what perception made of each."""
        observations = [result for result in results if isinstance(result, Observation)]
        with self._metrics.stage_seconds.labels("events").time():
            told = iter(events.process(observations, is_replay=is_replay))
        findings = [
            self._finding(frame, next(told)) if isinstance(result, Observation) else self._refused(frame, str(result))
            for frame, result in zip(frames, results, strict=True)
        ]
        for finding, result in zip(findings, results, strict=True):
            self._tracing.judged(finding.frame, finding.candidates)
            if self._looks is not None and isinstance(result, Observation) and not is_replay:
                self._looks.note(result, finding.candidates)
        return findings

    def over(self, finding: Finding) -> None:
        """A frame's candidates are on their way: clips that waited for its time can be made."""
        if finding.refused:
            return
        frame = finding.frame.frame
        self._evidence.frame_seen(frame.camera_id, frame.captured_at)
        age_seconds = (self._clock.now() - frame.captured_at).total_seconds()
        self._metrics.frame_age.labels(frame.camera_id).set(max(age_seconds, 0.0))

    def message(self, candidate: Candidate, ring: FrameRing) -> CandidateMessage:
        """The candidate with its pictures kept, as far as the ring has them and they can be."""
        rule, camera = self._site.rule(candidate.rule_id), self._site.camera(candidate.camera_id)
        if candidate.repeats:  # only counted: its pictures were kept when it was told first
            return CandidateMessage(candidate=candidate, will_verify=self._will_verify(rule))
        candidate, snapshot = self._evidence.keep(candidate, ring, camera, rule)
        return CandidateMessage(candidate=candidate, will_verify=self._will_verify(rule), snapshot_uri=snapshot)

    def clip_message(self, candidate: Candidate, clip_uri: str) -> CandidateMessage:
        """The later message that brings the clip."""
        will_verify = self._will_verify(self._site.rule(candidate.rule_id))
        return CandidateMessage(candidate=candidate, will_verify=will_verify, clip_uri=clip_uri)

    def opened(self, candidate: Candidate, ring: FrameRing) -> None:
        """A candidate that just opened is durable."""
        self._metrics.candidates.labels(candidate.camera_id, candidate.rule_id).inc()
        delay_seconds = (self._clock.now() - candidate.opened_at).total_seconds()
        self._metrics.alert_seconds.observe(max(delay_seconds, 0.0))
        self._evidence.schedule_clip(candidate, ring)
        self._tracing.opened(candidate)

    def _will_verify(self, rule: Rule | None) -> bool:
        return self._has_reasoner and rule is not None and rule.verify == "vlm" and rule.health is None

    def _finding(self, frame: SampledFrame, told: tuple[Candidate, ...] | StageFailed) -> Finding:
        if isinstance(told, StageFailed):
            self._metrics.invalid_items.labels("events", "failed").inc()
            log.error("rules failed on a frame", camera=frame.frame.camera_id, error=str(told))
            return Finding(frame)
        return Finding(frame, told)

    def _refused(self, frame: SampledFrame, reason: str) -> Finding:
        camera_id, at = frame.frame.camera_id, frame.frame.captured_at
        self._metrics.invalid_items.labels("perception", "invalid frame").inc()
        self._decisions.record(Decision(camera_id, Gate.PERCEPTION, False, "invalid frame", at, detail=reason))
        log.warning("frame set aside", camera=camera_id, sequence=frame.frame.sequence, reason=reason)
        return Finding(frame, refused=reason)
