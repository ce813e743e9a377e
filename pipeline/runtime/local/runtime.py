"""All stages in one process: threads, bounded memory, one database, a folder of evidence.

    a thread a camera ──► inbox ──► perception thread ──► store ──► verification threads
       read, gate          fair        see, decide          │
                                                            └──────► delivery threads

Stopping drains: cameras close, what was sampled is perceived, open incidents are closed, verdicts in hand are
stored, deliveries that are due are tried once more. Whatever is still owed stays in the database and is
resumed by the next run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from pipeline.alerting.outbox import DeliveryWorker
from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.clock import Clock
from pipeline.contracts.alert import Outbox
from pipeline.contracts.assessment import Reasoner, VisionLanguageModel
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import IncidentChange, IncidentStore
from pipeline.contracts.observation import Encoder, Observation
from pipeline.errors import TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.forecasts import ForecastDesk
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.learning import LearnedBook, ReviewDesk
from pipeline.runtime.linker import Linker
from pipeline.runtime.local.crew import CameraCrew
from pipeline.runtime.local.inbox import FairInbox
from pipeline.runtime.local.watch import WatchLoop
from pipeline.runtime.verification import Verifier
from pipeline.runtime.worker import Worker, raise_first
from pipeline.site import Site
from pipeline.store.ledger import Ledger
from pipeline.store.retention import Retention
from pipeline.telemetry import Metrics

log = structlog.get_logger()
_LOOK_SECONDS = 0.1
_TICK_SECONDS = 1.0


class RunListener(Protocol):
    """Somebody who wants to see a run as it goes. Called from worker threads: be quick, never raise."""

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """So many frames of a camera were read."""
        ...

    def changed(self, change: IncidentChange) -> None:
        """A change of an incident was stored."""
        ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did and what it left."""

    frames_read: int
    frames_sampled: int
    frames_dropped: int
    incidents: int
    elapsed_seconds: float
    media_seconds: float
    """Event time covered, all cameras together."""
    pending_verdicts: int
    pending_deliveries: int
    dead_deliveries: int
    failures: tuple[str, ...]
    """`camera: why it could not be read`, and incidents that could not be stored."""


@dataclass(frozen=True, slots=True)
class LocalParts:
    """The wired stages; `pipeline.app` makes them."""

    crew: CameraCrew
    desk: HealthDesk
    policy: DeliveryPolicy
    coverage: CoverageBook
    inbox: FairInbox
    watch: WatchLoop
    evidence: EvidenceKeeper
    reasoner: Reasoner | None
    verifier: Verifier
    delivery: DeliveryWorker
    recorder: IncidentRecorder
    linker: Linker
    incidents: IncidentStore
    outbox: Outbox
    ledger: Ledger
    retention: Retention
    learned: LearnedBook
    forecasts: ForecastDesk
    reviews: ReviewDesk
    on_close: tuple[Callable[[], None], ...]
    """Called in order when all is over."""
    looks: EmbeddingWriter | None = None
    """None where nothing is kept for search."""
    encoder: Encoder | None = None
    judge: VisionLanguageModel | None = None
    """The model behind `reasoner`."""


class LocalRuntime:
    """Hosts the stages. `warm_up`, `run` once, `close`."""

    def __init__(self, parts: LocalParts, *, drain_seconds: float, metrics: Metrics, clock: Clock) -> None:
        self._parts = parts
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._stop_workers = threading.Event()
        self._housekeeping = Housekeeping(
            parts.ledger,
            metrics,
            clock,
            parts.outbox,
            coverage=parts.coverage,
            retention=parts.retention,
            learned=parts.learned,
            forecasts=parts.forecasts.keep,
        )

    def __enter__(self) -> LocalRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder | None:
        """Safe from several threads; closed with the runtime."""
        return self._parts.encoder

    @property
    def judge(self) -> VisionLanguageModel | None:
        """As `encoder`; warm after `warm_up`."""
        return self._parts.judge

    def newest_frame(self, camera_id: str) -> EncodedFrame | None:
        """The last picture of a camera that is read now, masks burnt in. Any thread."""
        ring = self._parts.crew.ring_of(camera_id)
        return ring.newest if ring is not None else None

    def frame_near(self, camera_id: str, at: datetime) -> EncodedFrame | None:
        """The kept picture of a camera taken nearest to a moment. Any thread."""
        ring = self._parts.crew.ring_of(camera_id)
        return ring.nearest(at) if ring is not None else None

    def newest_observation(self, camera_id: str) -> Observation | None:
        """What was perceived of a camera last. Any thread."""
        return self._parts.watch.newest(camera_id)

    def warm_up(self) -> None:
        """Load the vision-language model; `ConfigError` when it cannot be had. Those that see are warm already."""
        if self._parts.reasoner is not None:
            self._parts.reasoner.warm_up()

    def run(self, stop: threading.Event) -> RunSummary:
        """Run until every source has ended or `stop` is set; drain; say what was done.

        Raises `StageFailed` when a worker died: what is stored is safe, and the next run resumes it.
        """
        started = self._clock.monotonic()
        self._close_orphans()
        crew = self._parts.crew
        workers = self._start_workers()
        watch = Worker("watch", self._parts.watch.run)
        crew.start()
        while crew.is_reading and not stop.wait(_LOOK_SECONDS):
            if not all(worker.is_alive() for worker in (watch, *workers)):
                break
        crew.close()
        if watch.error is not None:
            self._parts.inbox.close()
        self._drain(watch, crew.workers, stop)
        self._stop_workers.set()
        self._parts.verifier.wake()
        self._parts.delivery.wake()
        for worker in workers:
            worker.join()
        self._housekeeping.finish()
        raise_first((watch, *workers, *crew.workers))
        return self._summary(self._clock.monotonic() - started)

    def follow(self, site: Site) -> None:
        """The site file changed: cameras, rules and channels are followed, from any thread; the rest waits for the
        next start. Cameras that did not change notice nothing. `TransientError`, and nothing done, while the database
        is away."""
        last_alerts = self._parts.incidents.last_alerts()
        self._parts.policy.follow(*rules_and_channels(site))
        self._parts.delivery.follow(site.channels)
        self._parts.verifier.follow(site)
        self._parts.forecasts.follow(site)
        if self._parts.looks is not None:
            self._parts.looks.follow(site)
        self._parts.watch.follow(site)
        self._parts.desk.follow(site)
        self._parts.crew.follow(site, last_alerts)

    def close(self) -> None:
        """Free models, database and lock; may be called twice."""
        self._stop_workers.set()
        for action in self._parts.on_close:
            action()

    def _start_workers(self) -> list[Worker]:
        stop = self._stop_workers
        looks = self._parts.looks
        return [
            *([Worker("embeddings", lambda: looks.run(stop))] if looks is not None else []),
            Worker("verification", lambda: self._parts.verifier.run(stop)),
            Worker("delivery", lambda: self._parts.delivery.run(stop)),
            Worker("housekeeping", lambda: self._housekeeping.run(stop)),
            Worker("linking", lambda: self._parts.linker.run(stop)),
            Worker("health", lambda: self._watch_health(stop)),
            Worker("reviews", lambda: self._parts.reviews.run(stop)),
        ]

    def _watch_health(self, stop: threading.Event) -> None:
        """Time passes for cameras from which nothing comes, too."""
        while not stop.wait(_TICK_SECONDS):
            self._parts.crew.tick()
            self._parts.desk.tick()

    def _close_orphans(self) -> None:
        """Incidents a killed run left open are closed: nobody watches them any more. Those about the cameras
        themselves are the health desk's."""
        for incident in self._parts.incidents.still_open():
            if incident.candidate.condition is not None:
                continue
            ended = incident.candidate.model_copy(
                update={"state": CandidateState.CLOSED, "ended_at": incident.candidate.opened_at}
            )
            self._parts.recorder.candidate(ended, will_verify=incident.awaits_verdict)

    def _drain(self, watch: Worker, readers: Sequence[Worker], stop: threading.Event) -> None:
        """Finish what was accepted. Files that ended by themselves may take their time; a stop is bounded."""
        deadline = threading.Timer(self._drain_seconds, self._parts.watch.give_up.set)
        if stop.is_set():
            deadline.start()
        for reader in readers:
            reader.join()
        while watch.is_alive():
            watch.join(0.1)
            if stop.is_set() and not deadline.is_alive() and not self._parts.watch.give_up.is_set():
                deadline.start()
        deadline.cancel()
        self._parts.inbox.close()
        self._parts.evidence.close()
        self._drain_verdicts(stop)
        self._drain_deliveries()

    def _drain_verdicts(self, stop: threading.Event) -> None:
        while not stop.is_set() and self._count(lambda: self._parts.verifier.submit_waiting()):
            stop.wait(0.05)
        self._parts.verifier.close()

    def _drain_deliveries(self) -> None:
        """Wait, bounded, while deliveries are due; those that must wait for a later attempt stay stored."""
        until = self._clock.monotonic() + self._drain_seconds
        while self._clock.monotonic() < until:
            try:
                due_at = self._parts.outbox.next_due_at()
            except TransientError as error:
                log.warning("what is owed cannot be looked up; the next run delivers it", error=str(error))
                return
            if due_at is None or (due_at - self._clock.now()).total_seconds() > self._drain_seconds:
                return
            self._parts.delivery.wake()
            self._clock.sleep(0.05)

    def _count(self, query: Callable[[], int]) -> int:
        try:
            return query()
        except TransientError as error:
            log.warning("database not available", error=str(error))
            return 0

    def _summary(self, elapsed_seconds: float) -> RunSummary:
        tallies = self._parts.crew.tallies
        failures = [f"{tally.camera_id}: {tally.read.failure}" for tally in tallies if tally.read.failure]
        if self._parts.watch.num_unstored:
            failures.append(f"{self._parts.watch.num_unstored} incident changes could not be stored")
        deliveries = self._parts.outbox.counts()
        return RunSummary(
            frames_read=sum(tally.read.frames_read for tally in tallies),
            frames_sampled=sum(tally.sampled.frames_sampled for tally in tallies),
            frames_dropped=sum(tally.read.frames_dropped + tally.sampled.frames_dropped for tally in tallies),
            incidents=self._parts.watch.num_incidents,
            elapsed_seconds=elapsed_seconds,
            media_seconds=sum(tally.read.media_seconds for tally in tallies),
            pending_verdicts=self._count(lambda: self._parts.incidents.verdicts_owed().number),
            pending_deliveries=deliveries.get("pending", 0),
            dead_deliveries=deliveries.get("dead", 0),
            failures=tuple(failures),
        )
