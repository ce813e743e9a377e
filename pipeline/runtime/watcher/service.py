"""Watchers: frames from the bus in, candidates onto it out. A plain class without Ray or Kafka.

    consumer ──► intake ──► gate ──► vision ──► decide ──► tell ──► topic `candidates`
    (its own     by camera,  1 thread  8 calls    1 thread    4 threads, one camera
     thread)     in turn     sample,   under way  tracks,     in order: pictures kept,
                             batch                rules       published until durable

A frame's record is done when the frame was passed over, or when all candidates it caused are durable; then the
consumer may commit it. Whatever is away (models, bus, evidence, database) delays and loses nothing: records stay in
hand, the consumer pauses, frames wait on the bus, and the gate sheds by their age.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import Publisher, RecordHandler
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.forecast import ForecastStore
from pipeline.contracts.incident import IncidentStore
from pipeline.contracts.learned import LearnedStore
from pipeline.contracts.observation import Vision
from pipeline.runtime.coverage import CoverageBook, judged_gap_seconds
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.findings import Findings
from pipeline.runtime.forecasts import ForecastBook
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.learning import LearnedBook, ReviewDesk
from pipeline.runtime.pulse import Pulse, raise_stuck
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.runtime.service import Service
from pipeline.runtime.serving.sizing import CONCURRENT_BATCHES
from pipeline.runtime.watcher.camera_park import CameraPark
from pipeline.runtime.watcher.decide_loop import DecideLoop
from pipeline.runtime.watcher.frame_gate import FrameGate
from pipeline.runtime.watcher.gate_loop import GateLoop
from pipeline.runtime.watcher.handover import Handover, ReadCandidates
from pipeline.runtime.watcher.intake import Intake
from pipeline.runtime.watcher.learning_turn import LearningTurn
from pipeline.runtime.watcher.telling import DeadLetterBox, Teller
from pipeline.runtime.watcher.vision_calls import VisionCalls
from pipeline.runtime.watcher.watched_camera import CameraMakers
from pipeline.runtime.watcher.withdrawals import Withdrawals
from pipeline.runtime.worker import Worker, raise_first
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.ledger import Ledger
from pipeline.store.retention import Retention
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing

log = structlog.get_logger()
_CALLS_UNDER_WAY = 4 * CONCURRENT_BATCHES
"""What keeps four replicas of the encoder fully at work: Ray adds some when a single watcher has so much to ask."""


@dataclass(frozen=True, slots=True)
class WatcherParts:
    """What a watcher is given; `pipeline.app` makes it."""

    site: Site
    settings: Settings
    vision: Vision
    has_reasoner: bool
    """Somebody gives verdicts to the candidates of rules that ask for one."""
    open_consumer: Callable[[RecordHandler], Service]
    """A consumer of `frames` for this handler, not started."""
    read_candidates: ReadCandidates
    publisher: Publisher
    dead_letters: DeadLetterBox
    incidents: IncidentStore
    evidence: EvidenceStore
    ledger: Ledger
    coverage: CoverageStore
    learned: LearnedStore
    retention: Retention | None = None
    forecasts: ForecastStore | None = None
    """None: nobody keeps them."""
    looks: EmbeddingWriter | None = None
    """None where nothing is kept for search."""
    tracing: Tracing = OFF
    on_close: tuple[Callable[[], None], ...] = ()
    """Called in order when all is over."""


class WatcherService:
    """A `Service`."""

    def __init__(self, parts: WatcherParts, metrics: Metrics, clock: Clock) -> None:
        self._parts = parts
        self._metrics = metrics
        self._clock = clock
        self._stop = threading.Event()
        self._is_stopped = False
        self._workers: list[Worker] = []
        self._pulses = (Pulse("gate", clock), Pulse("decide", clock))
        self._evidence = self._evidence_keeper()
        gaps = {camera.id: judged_gap_seconds(camera) for camera in parts.site.cameras}
        self._coverage = CoverageBook(parts.coverage, clock, judged_gap_seconds=gaps)
        findings = self._findings()
        self._teller = Teller(parts.publisher, parts.dead_letters, findings, metrics, clock)
        self._calls = VisionCalls(parts.vision, _CALLS_UNDER_WAY, metrics, clock, parts.tracing)
        self._learned = LearnedBook(parts.learned)
        self._forecasts = ForecastBook(parts.forecasts, metrics, clock) if parts.forecasts is not None else None
        self._learning = LearningTurn(lambda: self._park.cameras, self._learned, clock)
        self._reviews = ReviewDesk(parts.incidents, self._learning.review)
        self._decide_loop = DecideLoop(
            self._calls,
            findings,
            self._teller,
            self._evidence,
            self._coverage,
            metrics,
            self._stop,
            self._pulses[1],
            self._learning,
        )
        self._intake = Intake()
        handover = Handover(
            parts.incidents, parts.read_candidates, parts.settings.bus, self._stop, self._pulses[0], clock,
            longest_cooldown=parts.site.longest_cooldown,
        )  # fmt: skip
        self._park = self._camera_park(handover)
        self._gate = self._frame_gate()
        self._gate_loop = GateLoop(
            self._intake, handover, self._gate, self._calls, parts.settings.cluster, self._stop, self._pulses[0], clock
        )
        self._housekeeping = Housekeeping(
            parts.ledger, metrics, clock, coverage=self._coverage, retention=parts.retention, learned=self._learned,
            forecasts=self._forecasts.flush if self._forecasts is not None else None,
        )  # fmt: skip
        self._withdrawals = Withdrawals(parts.incidents, parts.site, self._park.withdraw_alert, clock)
        self._consumer = parts.open_consumer(self._intake)

    def start(self) -> None:
        """Begin: the models are reached or loaded first, on the gate's thread, however long that takes."""
        looks = self._parts.looks
        self._calls.start()
        self._teller.work.start()
        self._workers = [
            Worker("gate", self._run_gate),
            Worker("decide", self._decide_loop.run),
            Worker("ledger", partial(self._housekeeping.run, self._stop)),
            Worker("withdrawals", partial(self._withdrawals.run, self._stop)),
            Worker("reviews", partial(self._reviews.run, self._stop)),
            *([Worker("embeddings", partial(looks.run, self._stop))] if looks is not None else []),
        ]
        self._consumer.start()

    def stop(self, drain_seconds: float) -> None:
        """Read no more; finish what is in hand within the bound. What is not done is the next owner's."""
        if self._is_stopped:
            return
        self._is_stopped = True
        until = self._clock.monotonic() + drain_seconds
        with ExitStack() as closing:
            for action in reversed(self._parts.on_close):
                closing.callback(action)
            closing.callback(self._housekeeping.finish)
            closing.callback(self._end_telling, until)
            closing.callback(self._end_watching)
            self._consumer.stop(drain_seconds)

    def check_health(self) -> None:
        """`StageFailed` when a thread died or hangs; models, bus, evidence and database may be away."""
        self._consumer.check_health()
        raise_first([*self._workers, *self._calls.workers, *self._teller.work.workers])
        pulses = [*self._pulses, *self._calls.pulses, *self._teller.work.pulses]
        raise_stuck(pulses, self._parts.settings.bus.poll_stale_after)

    def stats(self) -> Mapping[str, float]:
        """The consumer's figures; `in_hand` records, `cameras`, `late_level` (0 in time, 1 thinned, 2 dropped), and the
        share of time `waiting` for the models since it was last asked."""
        return {
            **self._consumer.stats(),
            "in_hand": float(self._intake.num_in_hand),
            "cameras": float(len(self._park)),
            "late_level": float(self._gate.ladder.level),
            "waiting": self._gate_loop.waiting.read(),
        }

    def _run_gate(self) -> None:
        fault = FaultLog("the models", "frames wait on the bus", done="reached")
        with suppress(Stopping):
            until_it_works(self._warm_up, self._stop, self._pulses[0], fault)
            self._gate_loop.run()

    def _warm_up(self) -> None:
        self._pulses[0].rest()  # to load a model may take minutes, which is no reason to begin again
        self._parts.vision.warm_up()

    def _end_watching(self) -> None:
        self._stop.set()
        self._calls.stop()
        for worker in self._workers:
            worker.join()
        self._learning.finish()

    def _end_telling(self, until: float) -> None:
        work = self._teller.work
        is_done = work.wait_until_done(until - self._clock.monotonic())
        if is_done:
            self._evidence.close()  # the clips in hand are the last that is told
            is_done = work.wait_until_done(until - self._clock.monotonic())
        if not is_done:
            log.warning("time to drain is over: the next owner of these cameras tells what is left")
        work.stop()
        self._evidence.close()

    def _evidence_keeper(self) -> EvidenceKeeper:
        return EvidenceKeeper(
            self._parts.evidence,
            self._parts.settings.evidence,
            self._metrics,
            lambda candidate, uri: self._teller.tell_clip(candidate, uri),
            waits_for_clips=False,
        )

    def _findings(self) -> Findings:
        return Findings(
            self._parts.site,
            self._evidence,
            has_reasoner=self._parts.has_reasoner,
            decisions=self._parts.ledger,
            metrics=self._metrics,
            clock=self._clock,
            tracing=self._parts.tracing,
            looks=self._parts.looks,
        )

    def _camera_park(self, handover: Handover) -> CameraPark:
        parts = self._parts
        makers = CameraMakers(
            parts.site,
            parts.settings,
            parts.vision,
            self._learned,
            self._reviews,
            parts.ledger,
            self._metrics,
            self._forecasts,
        )
        return CameraPark(makers, handover, self._evidence)

    def _frame_gate(self) -> FrameGate:
        return FrameGate(
            self._parts.site,
            self._parts.settings.bus,
            self._park,
            self._teller.set_aside,
            self._coverage,
            decisions=self._parts.ledger,
            metrics=self._metrics,
            clock=self._clock,
            tracing=self._parts.tracing,
        )
