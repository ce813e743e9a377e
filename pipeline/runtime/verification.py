"""Verdicts for incidents that owe one.

    queue in the store ──► admission (who, with how much of the model) ──► take by lease ──► reasoner ──► incident
                                      ▲ how long it took                                        │
                                      └─────────────────────────────────────────────────────────┘

The store says which incidents await a verdict, so a restart resumes where the last run ended, and several
processes can share the work: each has what it judges in hand by a short lease, renewed while the judging lasts.
A slow or dead model holds up nothing but verdicts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import replace

import structlog

from pipeline.clock import Clock
from pipeline.contracts.assessment import Assessment, Reasoner, Verdict
from pipeline.contracts.candidate import Candidate, KeyFrame
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import Incident, IncidentChange, IncidentStore
from pipeline.errors import SightlineError, TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.budget import Admission, Admitted, Served
from pipeline.reasoning.meter import metering
from pipeline.runtime.context import ContextBook
from pipeline.runtime.pulse import Pulse
from pipeline.site import Site
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing

log = structlog.get_logger()
_POLL_SECONDS = 1.0
_RETRY_FROM_SECONDS = 0.2
_RETRY_TO_SECONDS = 5.0
_LEASE_SECONDS = 15.0
_RENEW_SECONDS = 5.0
"""Two renewals may fail before somebody else takes what is in hand."""
_HEADS_PER_CAMERA = 8
_MAX_HEADS = 500
_GATHER_SECONDS = 0.02
"""Between two looks at the queue: what ends or comes meanwhile is planned together."""
_MAX_UNTOLD = 64
"""In hand only to be told that nobody will judge them."""


class Verifier:
    """Hands incidents that await a verdict to the reasoner, at most `workers` at a time."""

    def __init__(
        self,
        store: IncidentStore,
        recorder: IncidentRecorder,
        reasoner: Reasoner | None,
        evidence: EvidenceStore,
        site: Site,
        workers: int,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        on_change: Callable[[IncidentChange], None],
        on_rejected_untold: Callable[[Candidate], None],
        *,
        owner: str,
        admission: Admission | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        """`owner` is this verifier's name among those that share the store. Without `admission` all get what they ask
        for, the most severe first."""
        self.pulse = Pulse("verification", clock)
        self._store = store
        self._recorder = recorder
        self._reasoner = reasoner
        self._evidence = evidence
        self._site = site
        self._context = ContextBook(store, site, clock)
        self._decisions = decisions
        self._metrics = metrics
        self._clock = clock
        self._on_change = on_change
        self._on_rejected_untold = on_rejected_untold
        self._tracing = tracing
        self._started_at = clock.now()
        self._owner = owner
        self._workers = workers
        self._admission = admission if reasoner is not None else None
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="verify")
        self._teller = ThreadPoolExecutor(1, thread_name_prefix="tell-unverified")
        self._judging: set[str] = set()
        self._in_hand: dict[str, Future[None]] = {}
        self._renewed_at = clock.monotonic()
        self._claiming = threading.Lock()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_closing = threading.Event()
        self._fault = FaultLog("verdicts")

    def follow(self, site: Site) -> None:
        """The site file changed."""
        self._site = site
        self._context.follow(site)

    def wake(self) -> None:
        """Something new may await a verdict."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """The thread's body: submit what awaits a verdict until told to stop."""
        self._release()
        while not stop.is_set():
            self.pulse.beat()
            self._wake.clear()
            try:
                self._renew()
                self.submit_waiting()
            except TransientError as error:
                log.warning("cannot look for incidents to verify; trying again", error=str(error))
            self._wake.wait(_POLL_SECONDS)
            stop.wait(_GATHER_SECONDS)

    def submit_waiting(self) -> int:
        """Take as many incidents that owe a verdict as there is room for; how many are in hand then."""
        with self._claiming:
            if not self._is_closing.is_set():
                if self._admission is None:
                    self._claim()
                else:
                    self._admit(self._admission)
            return self._num_in_hand()

    def close(self, max_seconds: float | None = None) -> None:
        """Finish what is in hand, for no longer than `max_seconds`, and leave the rest to others.

        A verdict that cannot be stored is given up: the incident still awaits one, so the next run judges again.
        """
        with self._claiming:
            self._is_closing.set()
        self._executor.shutdown(wait=False)
        self._teller.shutdown(wait=False)
        with self._lock:
            in_hand = list(self._in_hand.values())
        wait_for(in_hand, max_seconds)
        self._release()

    def _num_in_hand(self) -> int:
        with self._lock:
            return len(self._in_hand)

    def _claim(self) -> None:
        room = self._workers - self._num_in_hand()
        claimed = self._store.claim_verdicts(self._owner, _LEASE_SECONDS, room) if room > 0 else []
        for incident in claimed:
            self._submit(incident, None)

    def _admit(self, admission: Admission) -> None:
        """Take whom the admission chose, as far as nobody else was faster."""
        queue = self._store.verdict_queue(_HEADS_PER_CAMERA, _MAX_HEADS)
        with self._lock:
            num_untold = len(self._in_hand) - len(self._judging)
            chosen = {each.waiting.incident_id: each for each in admission.choose(queue, len(self._judging))}
            self._metrics.verdict_limit.set(admission.limit)
        self._metrics.verdicts_waiting.set(queue.number)
        if num_untold >= _MAX_UNTOLD:
            chosen = {incident_id: each for incident_id, each in chosen.items() if each.rung is not None}
        taken = self._store.take_verdicts(self._owner, _LEASE_SECONDS, list(chosen)) if chosen else []
        for incident in taken:
            self._submit(incident, chosen[incident.id])

    def _submit(self, incident: Incident, admitted: Admitted | None) -> None:
        with self._lock:
            if incident.id in self._in_hand:
                return  # Its lease ran out while the database was away; it is being judged still.
            if self._admission is not None and admitted is not None:
                self._admission.started(admitted)
            will_judge = admitted is None or admitted.rung is not None
            if will_judge:
                self._judging.add(incident.id)
            executor = self._executor if will_judge else self._teller
            self._in_hand[incident.id] = executor.submit(self._judge, incident, admitted)

    def _renew(self) -> None:
        with self._lock:
            in_hand = list(self._in_hand)
        if in_hand and self._clock.monotonic() - self._renewed_at >= _RENEW_SECONDS:
            self._store.renew_verdicts(self._owner, in_hand, _LEASE_SECONDS)
            self._renewed_at = self._clock.monotonic()

    def _release(self) -> None:
        try:
            self._store.release_verdicts(self._owner)
        except TransientError as error:
            log.warning("verdicts in hand cannot be freed now; others wait some seconds for them", error=str(error))

    def _judge(self, incident: Incident, admitted: Admitted | None) -> None:
        try:
            with metering() as meter:
                assessment = self._assess(incident) if admitted is None else self._assess_within(incident, admitted)
            report_seconds = sum(call.seconds for call in meter.calls if call.kind == "report")
            self._tracing.assessed(assessment, report_seconds)
            change = self._keep(assessment)
            if change is not None:
                self._tell(change)
        except Exception:
            # It stays in this one's hand until the lease is over, and is judged again then.
            log.exception("verification failed; trying again", incident=incident.id)
        finally:
            with self._lock:
                self._in_hand.pop(incident.id)
                has_room = incident.id in self._judging or not self._in_hand
                self._judging.discard(incident.id)
            if has_room:
                self._wake.set()

    def _keep(self, assessment: Assessment) -> IncidentChange | None:
        """Keep at it while the database cannot: to ask the model again would cost the same answer twice."""
        wait_seconds = _RETRY_FROM_SECONDS
        while True:
            try:
                change = self._recorder.assessment(assessment)
            except TransientError as error:
                self._fault.failed(error, incident=assessment.candidate_id)
                if self._is_closing.wait(wait_seconds):
                    return None
                wait_seconds = min(wait_seconds * 2, _RETRY_TO_SECONDS)
            else:
                self._fault.worked()
                return change

    def _assess_within(self, incident: Incident, admitted: Admitted) -> Assessment:
        """With as much of the model as it was admitted to; the admission learns how long that took."""
        if admitted.rung is None:
            unverified = self._unverified(incident, admitted.degraded)
            return unverified.model_copy(update={"degraded": admitted.degraded})
        began, in_flight = self._clock.monotonic(), len(self._judging)
        with metering() as meter:
            assessment = self._assess(incident, admitted)
        served = Served(admitted.rung, self._clock.monotonic() - began, meter.calls, in_flight)
        with self._lock:
            if self._admission is not None:
                self._admission.finished(served)
        return assessment.model_copy(update={"degraded": admitted.degraded}) if admitted.degraded else assessment

    def _assess(self, incident: Incident, admitted: Admitted | None = None) -> Assessment:
        rule = self._site.rule(incident.rule_id)
        camera = self._site.camera(incident.camera_id)
        if self._reasoner is None:
            return self._unverified(incident, "no vision-language model is configured")
        if rule is None or camera is None:
            return self._unverified(incident, "its rule or camera is no longer in the site file")
        loaded = [self._load(incident, key) for key in incident.candidate.key_frames]
        rung = admitted.rung if admitted else None
        whole = self._context.request(incident, rule, camera, [frame for frame in loaded if frame is not None])
        request = replace(
            whole,
            queued_at=max(admitted.waiting.since if admitted else incident.updated_at, self._started_at),
            max_frames=rung.pictures if rung else None,
            wants_report=rung is None or rung.wants_report,
        )
        with self._metrics.stage_seconds.labels("reasoning").time():
            return self._reasoner.assess(request)

    def _unverified(self, incident: Incident, reason: str) -> Assessment:
        now = self._clock.now()
        return Assessment(
            candidate_id=incident.id, verdict=Verdict.UNVERIFIED, reason=reason, started_at=now, finished_at=now
        )

    def _load(self, incident: Incident, key: KeyFrame) -> EncodedFrame | None:
        if not key.uri:
            return None
        try:
            jpeg = self._evidence.get(key.uri)
        except SightlineError as error:
            log.warning("key frame cannot be read", incident=incident.id, key=key.uri, error=str(error))
            return None
        width, height = incident.candidate.picture_size
        return EncodedFrame(incident.camera_id, key.sequence, key.captured_at, 0.0, width, height, jpeg)

    def _tell(self, change: IncidentChange) -> None:
        incident = change.incident
        assessment = incident.assessment
        if assessment is None:
            return
        self._metrics.verdicts.labels(incident.rule_id, assessment.verdict.value).inc()
        self._count(incident, assessment)
        self._decisions.record(
            Decision(
                incident.camera_id,
                Gate.VERIFICATION,
                assessment.verdict is not Verdict.REJECTED,
                assessment.verdict.value,
                incident.candidate.opened_at,
                rule_id=incident.rule_id,
                value=assessment.probability,
                detail="; ".join(filter(None, (assessment.degraded, assessment.reason)))[:200],
            )
        )
        rule = self._site.rule(incident.rule_id)
        if assessment.verdict is Verdict.REJECTED and rule is not None and rule.alert == "verified":
            self._on_rejected_untold(incident.candidate)
        self._on_change(change)

    def _count(self, incident: Incident, assessment: Assessment) -> None:
        place, metrics = (incident.camera_id, incident.rule_id), self._metrics
        if assessment.degraded:
            how = "not judged" if assessment.usage is None else "judged with less"
            metrics.verdicts_degraded.labels(*place, how).inc()
        if assessment.grounding is not None:
            metrics.claims.labels(incident.rule_id, "supported").inc(assessment.grounding.num_supported)
            metrics.claims.labels(incident.rule_id, "removed").inc(len(assessment.grounding.removed))
        if assessment.usage is not None:
            metrics.reasoning_tokens.labels(*place, "input").inc(assessment.usage.input_tokens)
            metrics.reasoning_tokens.labels(*place, "output").inc(assessment.usage.output_tokens)
            metrics.reasoning_seconds.labels(*place).inc(assessment.usage.seconds)
            metrics.reasoning_cost.labels(*place).inc(assessment.usage.cost or 0.0)
