"""Settings and site to the local runtime: every stage in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.alerting.outbox import DeliveryWorker
from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.alerting.webhook import WebhookSender
from pipeline.app.cameras import make_eye
from pipeline.app.stores import Stores, open_stores
from pipeline.clock import Clock, SystemClock
from pipeline.console.signing import alert_links
from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import Incident, IncidentChange
from pipeline.contracts.observation import Encoder
from pipeline.errors import ConfigError
from pipeline.events.rule_scorers import RuleScorers
from pipeline.events.stage import EventStage
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.ingest.pace import Pace
from pipeline.perception.detector import load_detector
from pipeline.perception.encoder import load_encoder
from pipeline.perception.examples import embed_examples
from pipeline.perception.stage import PerceptionStage
from pipeline.perception.vision import LocalVision
from pipeline.reasoning.budget import make_admission, most_workers
from pipeline.reasoning.model import load_judge
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.coverage import CoverageBook, judged_gap_seconds, seen_gap_seconds
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.evidence_keeper import EvidenceKeeper
from pipeline.runtime.forecasts import ForecastBook, ForecastDesk
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.learning import LearnedBook, ReviewDesk
from pipeline.runtime.linker import Linker
from pipeline.runtime.local.cameras import CameraSampling
from pipeline.runtime.local.crew import CameraCrew, Station
from pipeline.runtime.local.inbox import CameraTrouble, FairInbox, Reviewed, WithdrawAlert
from pipeline.runtime.local.runtime import LocalParts, LocalRuntime, RunListener
from pipeline.runtime.local.watch import WatchLoop
from pipeline.runtime.reader import CameraReader
from pipeline.runtime.verification import Verifier
from pipeline.sampling.ring import FrameRing
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.ledger import Ledger
from pipeline.store.lock import DataFolderLock
from pipeline.store.vectors import is_installed
from pipeline.telemetry import Metrics
from pipeline.tracing import Tracing, open_tracing

LIVE_PACE = Pace(speed=1.0)
_PROGRESS_EVERY_FRAMES = 10
_OWNER = "local"
"""The data folder's lock lets one run at a time have this name: a restart has its own work back at once."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models of this process: those that see, warm, and the one that judges, not warm yet."""

    vision: LocalVision
    reasoner: VlmReasoner | None
    encoder: Encoder | None = None
    """Of `vision`."""
    judge: VisionLanguageModel | None = None
    """Of `reasoner`."""

    def close(self) -> None:
        """Free them; may be called twice."""
        self.vision.close()
        if self.reasoner is not None:
            self.reasoner.close()


def load_models(site: Site, settings: Settings, clock: Clock | None = None) -> Models:
    """The models that the site names; `ConfigError` when one that sees cannot be had."""
    reasoning = settings.reasoning
    judge = load_judge(site.models, reasoning)
    reasoner = VlmReasoner(judge, reasoning, clock or SystemClock()) if judge else None
    detector = load_detector(site.models.detector, settings.perception)
    encoder = load_encoder(site.models.encoder, settings.perception)
    vision = LocalVision(detector, encoder, settings.perception)
    vision.warm_up()  # the event stage encodes the words of its rules when it is made
    return Models(vision, reasoner, encoder, judge)


def build_local(
    site: Site,
    settings: Settings,
    *,
    pace: Pace = LIVE_PACE,
    listener: RunListener | None = None,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    models: Models | None = None,
    reviewed: Sequence[Incident] = (),
    tracing: Tracing | None = None,
) -> LocalRuntime:
    """Wire all stages into one process, holding the data folder's lock until the runtime is closed.

    Loads the site's models, unless `models` has them, which are left open. `reviewed`: incidents of another data folder
    whose reviews the rules learn from, too; `tracing` takes the place of the settings'. `ConfigError` when a model
    cannot be had, or the data folder cannot be written.
    """
    clock = clock or SystemClock()
    metrics = metrics or Metrics()
    lock = _lock(settings.data_dir)
    with ExitStack() as undo:
        undo.callback(lock.release)
        tracing = tracing or open_tracing(settings.tracing, clock, "local")
        undo.callback(tracing.close)
        stores = open_stores(settings, tracing=tracing)
        undo.callback(stores.close)
        wiring = _Wiring(site, settings, pace, listener or _Nobody(), clock, metrics, stores, lock, tracing)
        runtime = wiring.runtime(models, reviewed)
        undo.pop_all()
    return runtime


def _lock(data_dir: Path) -> DataFolderLock:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the data folder {data_dir}: {error.strerror}") from error
    lock = DataFolderLock(data_dir)
    lock.acquire()
    return lock


class _Nobody:
    """The listener of a run nobody watches."""

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Ignore."""

    def changed(self, change: IncidentChange) -> None:
        """Ignore."""


class _Wiring:
    """Makes the parts in the order they need each other."""

    def __init__(
        self,
        site: Site,
        settings: Settings,
        pace: Pace,
        listener: RunListener,
        clock: Clock,
        metrics: Metrics,
        stores: Stores,
        lock: DataFolderLock,
        tracing: Tracing,
    ) -> None:
        self.site = site
        self.settings = settings
        self.pace = pace
        self.listener = listener
        self.clock = clock
        self.metrics = metrics
        self.stores = stores
        self.lock = lock
        self.tracing = tracing
        self.ledger = Ledger(stores.decisions)
        self.inbox = FairInbox(tuple(c.id for c in site.cameras), settings.perception.batch_size)
        self.coverage = CoverageBook(stores.coverage, clock)
        self.learned = LearnedBook(stores.learned)
        self.foretold = ForecastBook(stores.forecasts, metrics, clock)
        self.forecasts = ForecastDesk(stores.forecasts, stores.incidents, site, self.foretold, clock)
        self.reviews = ReviewDesk(stores.incidents, lambda incident: self.inbox.tell(Reviewed(incident)))
        self.delivery = self._delivery()
        self.policy = DeliveryPolicy(*rules_and_channels(site), clock)
        self.recorder = IncidentRecorder(stores.incidents, self.policy, clock)
        self.linker = Linker(stores.incidents, settings.linking)
        self.crew: CameraCrew | None = None
        self.desk = HealthDesk(
            site,
            self._ring_of,
            lambda candidate: self.inbox.tell(CameraTrouble(candidate)),
            self.coverage,
            self.ledger,
            clock,
        )
        self.desk.inherit(incident.candidate for incident in stores.incidents.still_open())
        self.verifier: Verifier | None = None

    def runtime(self, given: Models | None, reviewed: Sequence[Incident]) -> LocalRuntime:
        """The whole graph; models that are given stay open when it is closed."""
        settings = self.settings
        models = given or load_models(self.site, settings, self.clock)
        reasoner, vision = models.reasoner, models.vision
        evidence = self._evidence()
        self.verifier = self._verifier(reasoner)
        self.reviews.look()
        for incident in reviewed:
            self.inbox.tell(Reviewed(incident))
        stations = {camera.id: self._station(camera) for camera in self.site.cameras}
        looks = self._looks(vision)
        watch = WatchLoop(
            self.inbox,
            PerceptionStage(vision, settings.perception, self.ledger),
            self._events(vision),
            self.recorder,
            evidence,
            {camera_id: station.sampling.ring for camera_id, station in stations.items()},
            self.site,
            self.coverage,
            self.learned,
            has_reasoner=reasoner is not None,
            batch_size=settings.perception.batch_size,
            decisions=self.ledger,
            metrics=self.metrics,
            clock=self.clock,
            on_change=self._announce,
            tracing=self.tracing,
            looks=looks,
        )
        self.crew = CameraCrew(self.site, stations, self._station, self.inbox, watch, self.desk)
        close_models: list[Callable[[], None]] = [] if given else [models.close]
        parts = LocalParts(
            crew=self.crew,
            desk=self.desk,
            policy=self.policy,
            coverage=self.coverage,
            inbox=self.inbox,
            watch=watch,
            evidence=evidence,
            reasoner=reasoner,
            verifier=self.verifier,
            delivery=self.delivery,
            recorder=self.recorder,
            linker=self.linker,
            incidents=self.stores.incidents,
            outbox=self.stores.outbox,
            ledger=self.ledger,
            retention=self.stores.retention,
            learned=self.learned,
            forecasts=self.forecasts,
            reviews=self.reviews,
            on_close=(*close_models, self.delivery.close, self.stores.close, self.tracing.close, self.lock.release),
            looks=looks,
            encoder=models.encoder,
            judge=models.judge,
        )
        return LocalRuntime(parts, drain_seconds=settings.drain_for, metrics=self.metrics, clock=self.clock)

    def _looks(self, vision: LocalVision) -> EmbeddingWriter | None:
        encoder_id = vision.model_ids.get("encoder", "")
        if not encoder_id or not self.settings.search.enabled or not is_installed():
            return None
        return EmbeddingWriter(self.stores.vectors, lambda: encoder_id, self.site, self.metrics, self.clock)

    def _events(self, vision: LocalVision) -> EventStage:
        since = self.clock.now() - self.site.longest_cooldown
        return EventStage(
            tuple((camera, self.site.rules_for(camera)) for camera in self.site.cameras),
            self.settings.events,
            self.site.site.zone_info,
            vision.words,
            self.ledger,
            last_alerts=self.stores.incidents.last_alerts(),
            model_ids=vision.model_ids,
            lately=[incident.candidate for incident in self.stores.incidents.last_told(since)],
            learned_of=self.learned.load,
            scorers=RuleScorers(
                vision.words, vision.model_ids.get("encoder", ""), lambda rule: embed_examples(rule, vision, Path())
            ),
            forecasts=self.foretold,
        )

    def _delivery(self) -> DeliveryWorker:
        links = alert_links(self.settings.access, self.stores.database, self.clock)
        sender = WebhookSender(self.site.site.name, self.site.site.timezone, tracing=self.tracing, links=links)
        return DeliveryWorker(
            self.stores.outbox,
            sender.send,
            self.site.channels,
            self.settings.alerting,
            self.clock,
            self.ledger,
            self.metrics,
            owner=_OWNER,
            tracing=self.tracing,
        )

    def _evidence(self) -> EvidenceKeeper:
        return EvidenceKeeper(
            self.stores.evidence,
            self.settings.evidence,
            self.metrics,
            lambda candidate, uri: self.recorder.attach(candidate.id, clip_uri=uri),
        )

    def _verifier(self, reasoner: VlmReasoner | None) -> Verifier:
        if reasoner is not None:
            self.metrics.breaker_state.set_function(lambda: reasoner.breaker.state)
        return Verifier(
            self.stores.incidents,
            self.recorder,
            reasoner,
            self.stores.evidence,
            self.site,
            most_workers(self.site.models.vlm, self.settings.reasoning),
            self.ledger,
            self.metrics,
            self.clock,
            on_change=self._announce,
            on_rejected_untold=self._withdraw,
            owner=_OWNER,
            admission=make_admission(self.site.models.vlm, self.settings.reasoning, self.clock),
            tracing=self.tracing,
        )

    def _withdraw(self, candidate: Candidate) -> None:
        self.inbox.put(candidate.camera_id, WithdrawAlert(candidate))

    def _announce(self, change: IncidentChange) -> None:
        self.delivery.wake()
        self.linker.note(change)
        self.forecasts.note(change)
        if change.incident.awaits_verdict and self.verifier is not None:
            self.verifier.wake()
        self.listener.changed(change)

    def _station(self, camera: Camera) -> Station:
        settings, ledger, metrics = self.settings.sampling, self.ledger, self.metrics
        eye = make_eye(
            camera, self.site, self.settings, self.pace, self.desk, decisions=ledger, metrics=metrics, clock=self.clock
        )
        self.coverage.set_gap(camera.id, seen_gap_seconds(camera), judged_gap_seconds(camera))
        sampling = CameraSampling(camera, self.inbox, settings, self.coverage, ledger, metrics, self.tracing)
        reader = CameraReader(
            camera,
            eye,
            sampling,
            settings,
            self.coverage,
            ledger,
            metrics,
            self.clock,
            on_read=partial(self._progress, camera.id),
        )
        return Station(reader, sampling)

    def _progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        if frames_read % _PROGRESS_EVERY_FRAMES == 0 or frames_read == expected_frames:
            self.listener.progress(camera_id, frames_read, expected_frames)

    def _ring_of(self, camera_id: str) -> FrameRing | None:
        return self.crew.ring_of(camera_id) if self.crew is not None else None
