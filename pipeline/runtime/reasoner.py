"""Candidates from the bus to incidents in the database, their verdicts, and the news of both back to the bus.

    topic `candidates` ──► recording threads ──► database ──► relay ──► topic `incidents`
                            one camera's in        │  ▲
                            their order            ▼  │
                                               verification threads

A candidate is completed on the bus once its incident is durable, together with the deliveries it owes: provisional
alerts wait for no model. Verdicts are taken from the database, by leases, so that several of these services share
them and a killed one's are taken up by the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import structlog

from pipeline.clock import Clock
from pipeline.contracts.assessment import Reasoner
from pipeline.contracts.bus import CandidateMessage, Partition, Record, Topic
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.forecast import ForecastStore
from pipeline.contracts.incident import IncidentChange, IncidentStore
from pipeline.errors import InvalidMessage, TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.budget import Admission
from pipeline.runtime.absence import AbsenceWatch
from pipeline.runtime.forecasts import ForecastBook, ForecastDesk
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.incident_note import incident_decision
from pipeline.runtime.linker import Linker
from pipeline.runtime.ordered_work import OrderedWork, Wait
from pipeline.runtime.pulse import raise_stuck
from pipeline.runtime.relay import Relay
from pipeline.runtime.service import unique_name
from pipeline.runtime.verification import Verifier
from pipeline.runtime.worker import Worker, raise_first
from pipeline.settings import LinkingSettings
from pipeline.site import Site
from pipeline.store.ledger import Ledger
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing
from pipeline.transport.codec import read_contract
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.kafka import KafkaBus

log = structlog.get_logger()
_GROUP = "reasoners"
_NUM_RECORDERS = 4
"""Incidents being stored at the same time, of different cameras: the database's answers overlap."""
_STUCK_SECONDS = 90.0
"""Beyond what the database's own time limits add up to (a place in the pool, a connection, a lost packet)."""


class ReasonerService:
    """A `Service`; any number of them share the work."""

    def __init__(
        self,
        bus: KafkaBus,
        site: Site,
        incidents: IncidentStore,
        recorder: IncidentRecorder,
        evidence: EvidenceStore,
        reasoner: Reasoner | None,
        ledger: Ledger,
        *,
        coverage: CoverageStore,
        forecasts: ForecastStore | None = None,
        live_cameras: Collection[str],
        workers: int,
        metrics: Metrics,
        clock: Clock,
        linking: LinkingSettings,
        admission: Admission | None = None,
        on_close: Sequence[Callable[[], None]] = (),
        tracing: Tracing = OFF,
    ) -> None:
        """`live_cameras`: those whose absence is told; `workers`: verdicts at the same time, at most. `reasoner` is
        closed here; `on_close` is called in order at the end."""
        self._incidents = incidents
        self._reasoner = reasoner
        self._clock = clock
        self._on_close = tuple(on_close)
        self._tracing = tracing
        self._stop = threading.Event()
        self._workers: list[Worker] = []
        self._publisher = bus.publisher()
        self._relay = Relay(incidents, self._publisher, metrics, clock)
        self._forecasts: ForecastDesk | None = None
        if forecasts is not None:
            book = ForecastBook(forecasts, metrics, clock)
            self._forecasts = ForecastDesk(forecasts, incidents, site, book, clock)
        self._housekeeping = Housekeeping(
            ledger, metrics, clock, forecasts=self._forecasts.keep if self._forecasts is not None else None
        )
        dead_letters = DeadLetters(self._publisher, clock, bus.settings.max_message_bytes)
        self._verifier = Verifier(
            incidents, recorder, reasoner, evidence, site, workers, ledger, metrics, clock,
            on_change=self._judged,
            on_rejected_untold=lambda _: None,  # Watchers find these by themselves: see `withdrawals`.
            owner=unique_name(),
            admission=admission,
            tracing=tracing,
        )  # fmt: skip
        self._intake = CandidateIntake(
            recorder, site, dead_letters, has_reasoner=reasoner is not None,
            decisions=ledger, metrics=metrics, clock=clock, on_change=self._recorded,
        )  # fmt: skip
        self._linker = Linker(incidents, linking)
        self._recorder = recorder
        self._absence = AbsenceWatch(site, live_cameras, coverage, self._record, ledger, clock)
        self._consumer = TopicConsumer(bus, [Topic.CANDIDATES], _GROUP, self._intake, bus.settings, clock=clock)
        self._owed: dict[str, float] = {"verdicts_owed": 0.0, "oldest_verdict_age_seconds": 0.0}

    def start(self) -> None:
        """Load the model, then begin; `ConfigError` when it cannot be had."""
        if self._reasoner is not None:
            self._reasoner.warm_up()
        self._intake.work.start()
        self._workers = [
            Worker("verification", partial(self._verifier.run, self._stop)),
            Worker("relay", partial(self._relay.run, self._stop)),
            Worker("housekeeping", partial(self._housekeeping.run, self._stop)),
            Worker("absence", partial(self._absence.run, self._stop)),
            Worker("linking", partial(self._linker.run, self._stop)),
        ]
        self._consumer.start()

    def stop(self, drain_seconds: float) -> None:
        """Record what was read and keep the verdicts in hand, within the bound; leave the rest to others."""
        if self._stop.is_set():
            return
        until = self._clock.monotonic() + drain_seconds
        self._consumer.stop(drain_seconds)
        self._intake.work.stop()
        self._verifier.close(max(until - self._clock.monotonic(), 0.0))
        self._stop.set()
        self._verifier.wake()
        self._relay.wake()
        with ExitStack() as closing:
            for action in reversed(self._on_close):
                closing.callback(action)
            if self._reasoner is not None:
                closing.callback(self._reasoner.close)
            closing.callback(self._publisher.close)
            for worker in self._workers:
                worker.join()
            self._housekeeping.finish()

    def check_health(self) -> None:
        """`StageFailed` when a thread died or hangs; broker, database and model may be away."""
        self._consumer.check_health()
        raise_first([*self._workers, *self._intake.work.workers])
        raise_stuck([self._verifier.pulse, self._relay.pulse, *self._intake.work.pulses], _STUCK_SECONDS)

    def stats(self) -> Mapping[str, float]:
        """Of the candidates owned here; and `verdicts_owed` and `oldest_verdict_age_seconds` of the whole cluster,
        as last known when the database is away."""
        try:
            owed = self._incidents.verdicts_owed()
            age_seconds = owed.oldest_age_seconds(self._clock.now())
            self._owed = {"verdicts_owed": float(owed.number), "oldest_verdict_age_seconds": age_seconds}
        except TransientError as error:
            log.warning("the verdicts owed cannot be counted now", error=str(error))
        return {**self._consumer.stats(), **self._owed}

    def _record(self, candidate: Candidate) -> None:
        """Of a camera that nobody reads."""
        change = self._recorder.candidate(candidate, will_verify=False)
        if change is not None:
            if change.sequence == 1:
                self._tracing.opened(candidate)
            self._recorded(change)

    def _recorded(self, change: IncidentChange) -> None:
        self._relay.wake()
        self._linker.note(change)
        if change.incident.awaits_verdict:
            self._verifier.wake()

    def _judged(self, change: IncidentChange) -> None:
        self._relay.wake()
        if self._forecasts is not None:
            self._forecasts.note(change)


class CandidateIntake:
    """A `RecordHandler`: what stands on `candidates` becomes incidents.

    A candidate whose rule is not in this service's site file is kept, unverified, and told to nobody, since its
    channels are the rule's; that is logged. So a new rule must reach the reasoners before the watchers.
    """

    def __init__(
        self,
        recorder: IncidentRecorder,
        site: Site,
        dead_letters: DeadLetters,
        *,
        has_reasoner: bool,
        decisions: DecisionSink,
        metrics: Metrics,
        clock: Clock,
        on_change: Callable[[IncidentChange], None],
    ) -> None:
        fault = FaultLog("candidates", "trying again; they wait on the bus")
        self.work = OrderedWork("record", _NUM_RECORDERS, fault, clock)
        self._recorder = recorder
        self._site = site
        self._dead_letters = dead_letters
        self._has_reasoner = has_reasoner
        self._decisions = decisions
        self._metrics = metrics
        self._on_change = on_change

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing is kept a partition."""

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        """Record it on another thread, after what came before of the same camera."""
        self.work.put(record.key, partial(self._settle, record, done))

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:  # noqa: ARG002 - all drain alike
        """What is not recorded in time is recorded again by the next owner, to no effect if it was after all."""
        self.work.wait_until_done(drain_seconds)

    def _settle(self, record: Record, done: Callable[[], None], wait: Wait) -> None:
        try:
            self._record(read_contract(record, CandidateMessage))
        except InvalidMessage as error:
            self._metrics.invalid_items.labels("reasoner", "invalid candidate").inc()
            wait(self._dead_letters.put(record, str(error), "reasoner"))
        done()

    def _record(self, message: CandidateMessage) -> None:
        candidate = message.candidate
        will_verify = message.will_verify and self._has_reasoner and self._site.rule(candidate.rule_id) is not None
        change = self._recorder.candidate(candidate, will_verify=will_verify, snapshot_uri=message.snapshot_uri)
        if change is not None:
            self._decisions.record(incident_decision(change))
            self._on_change(change)
        if message.clip_uri:
            attached = self._recorder.attach(candidate.id, clip_uri=message.clip_uri)
            if attached is not None:
                self._on_change(attached)
