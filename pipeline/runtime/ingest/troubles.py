"""What is wrong with cameras, on its way from ingest to the bus: candidates with the last good seconds as evidence."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from pipeline.clock import Clock
from pipeline.contracts.bus import CandidateMessage, Publisher, Topic
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.health import Condition
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.ordered_work import OrderedWork, Wait
from pipeline.sampling.ring import FrameRing
from pipeline.settings import EvidenceSettings
from pipeline.site import Site
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing
from pipeline.transport.codec import contract_record

_NUM_THREADS = 2


class TroubleTeller:
    """Thread-safe; `tell` returns at once, and what it is given is on the bus some day, in the order of its camera."""

    def __init__(
        self,
        publisher: Publisher,
        site: Site,
        evidence: EvidenceStore,
        settings: EvidenceSettings,
        metrics: Metrics,
        clock: Clock,
        tracing: Tracing = OFF,
    ) -> None:
        self.evidence = EvidenceKeeper(evidence, settings, metrics, self._tell_clip, waits_for_clips=False)
        self.work = OrderedWork("trouble", _NUM_THREADS, FaultLog("camera troubles", done="published"), clock)
        self._publisher = publisher
        self._site = site
        self._metrics = metrics
        self._tracing = tracing

    def follow(self, site: Site) -> None:
        """The site file changed."""
        self._site = site

    def tell(self, candidate: Candidate, ring: FrameRing) -> None:
        """Keep its pictures and publish it."""
        self.work.put(candidate.camera_id, partial(self._publish, lru_cache(1)(partial(self._keep, candidate, ring))))
        if candidate.state is CandidateState.OPENED:
            self._metrics.candidates.labels(candidate.camera_id, candidate.rule_id).inc()
            self._tracing.opened(candidate)
            self.evidence.schedule_clip(candidate, ring)
            if candidate.condition is Condition.OFFLINE:
                self.evidence.stream_ended(candidate.camera_id)  # no frame will bring the time of its clip

    def _keep(self, candidate: Candidate, ring: FrameRing) -> CandidateMessage:
        camera, rule = self._site.camera(candidate.camera_id), self._site.rule(candidate.rule_id)
        kept, snapshot = self.evidence.keep(candidate, ring, camera, rule)
        return CandidateMessage(candidate=kept, will_verify=False, snapshot_uri=snapshot)

    def _tell_clip(self, candidate: Candidate, clip_uri: str) -> None:
        message = CandidateMessage(candidate=candidate, will_verify=False, clip_uri=clip_uri)
        self.work.put(candidate.camera_id, partial(self._publish, lambda: message))

    def _publish(self, message: Callable[[], CandidateMessage], wait: Wait) -> None:
        wait(self._publisher.publish(Topic.CANDIDATES, *contract_record(message())))
