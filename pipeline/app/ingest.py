"""Settings and site to one ingest process: cameras in, the topic `frames` out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from pipeline.app.cameras import make_eye
from pipeline.app.stores import open_evidence
from pipeline.clock import Clock, SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import DecisionSink, NullDecisionSink
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest.pace import Pace
from pipeline.runtime.coverage import CoverageBook, NoCoverage, seen_gap_seconds
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.ingest.backlog import Backlog
from pipeline.runtime.ingest.feed import CameraFeed
from pipeline.runtime.ingest.frame_sender import FrameSender
from pipeline.runtime.ingest.service import IngestService, Station, new_producer
from pipeline.runtime.ingest.shard import Shard
from pipeline.runtime.ingest.troubles import TroubleTeller
from pipeline.runtime.reader import CameraReader
from pipeline.sampling.ring import FrameRing
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.ledger import Ledger, SqlDecisionStore
from pipeline.telemetry import Metrics
from pipeline.tracing import open_tracing
from pipeline.transport.kafka import KafkaBus

LIVE_PACE = Pace(speed=1.0)
WHOLE = Shard()
_HEALTH_RING_FPS = 1.0
_HEALTH_RING_BYTES = 8_000_000
"""Of a camera: the seconds before it failed, for the evidence."""


def build_ingest(
    site: Site,
    settings: Settings,
    *,
    shard: Shard = WHOLE,
    pace: Pace = LIVE_PACE,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
) -> IngestService:
    """Wire the cameras of one shard to the bus. Touches neither cameras nor network.

    Decisions go to the ledger when `settings.database_url` is given; ingest works without a database.
    `ConfigError` when the settings of the bus cannot work.
    """
    return _Wiring(site, settings, shard, pace, clock or SystemClock(), metrics or Metrics()).service()


class _Wiring:
    """Makes the parts in the order they need each other."""

    def __init__(
        self, site: Site, settings: Settings, shard: Shard, pace: Pace, clock: Clock, metrics: Metrics
    ) -> None:
        self.site = site
        self.shard = shard
        self.settings = settings
        self.pace = pace
        self.clock = clock
        self.metrics = metrics
        self.tracing = open_tracing(settings.tracing, clock, "ingest")
        self.producer = new_producer(clock)
        self.bus = KafkaBus(settings.bus, f"ingest-{self.producer}")
        self.publisher = self.bus.publisher()
        self.sender = FrameSender(self.publisher, self.bus.ensure_topics, metrics, clock)
        self.database = _LateDatabase(settings.database_url) if settings.database_url else None
        self.ledger = Ledger(SqlDecisionStore(self.database)) if self.database else None
        self.decisions: DecisionSink = self.ledger or NullDecisionSink()
        self.coverage = CoverageBook(SqlCoverageStore(self.database) if self.database else NoCoverage(), clock)
        self.health_ring = settings.sampling.model_copy(
            update={"ring_fps": _HEALTH_RING_FPS, "ring_max_bytes": _HEALTH_RING_BYTES}
        )
        self.ring_of: Callable[[str], FrameRing | None] = lambda _: None
        self.desk = HealthDesk(site, lambda id_: self.ring_of(id_), self._tell, self.coverage, self.decisions, clock)
        evidence = open_evidence(settings)
        self.troubles = TroubleTeller(self.publisher, site, evidence, settings.evidence, metrics, clock, self.tracing)

    def service(self) -> IngestService:
        """The whole graph."""
        service = IngestService(
            self.site,
            self._station,
            self.sender,
            self.publisher,
            stale_after_seconds=self.settings.bus.poll_stale_after,
            clock=self.clock,
            desk=self.desk,
            troubles=self.troubles,
            open_before=self._open_before,
            housekeeping=Housekeeping(self.ledger, self.metrics, self.clock, coverage=self.coverage)
            if self.ledger
            else None,
            on_close=(*((self.database.close,) if self.database else ()), self.tracing.close),
        )
        self.ring_of = service.ring_of
        return service

    def _tell(self, candidate: Candidate) -> None:
        self.troubles.tell(candidate, self.ring_of(candidate.camera_id) or FrameRing(self.health_ring))

    def _station(self, camera: Camera, site: Site) -> Station | None:
        if not self.shard.holds(camera.id):
            return None
        eye = make_eye(
            camera,
            site,
            self.settings,
            self.pace,
            self.desk,
            decisions=self.decisions,
            metrics=self.metrics,
            clock=self.clock,
        )
        self.coverage.set_gap(camera.id, seen_gap_seconds(camera))
        feed = CameraFeed(
            camera,
            self.producer,
            Backlog(self.settings.ingest.keep_bytes, self.settings.ingest.keep_for, self.sender.offer),
            FrameRing(self.health_ring),
            self.coverage,
            self.decisions,
            self.metrics,
            self.clock,
            self.tracing,
        )
        reader = CameraReader(
            camera, eye, feed, self.settings.sampling, self.coverage, self.decisions, self.metrics, self.clock
        )
        return Station(reader, feed)

    def _open_before(self) -> list[Candidate]:
        if self.database is None:
            return []
        store = SqlIncidentStore(self.database, has_bus=True)
        return [incident.candidate for incident in store.still_open()]


class _LateDatabase(Database):
    """Brings its tables up to date when it is first used: it may be away until then, and one that can never work costs
    the accounts that are kept in it, not the video."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._migrating = threading.Lock()
        self._is_migrated = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See `Database`."""
        self._migrate_once()
        with super().reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See `Database`."""
        self._migrate_once()
        with super().writing() as connection:
            yield connection

    def _migrate_once(self) -> None:
        with self._migrating:
            if self._is_migrated:
                return
            try:
                self.migrate()
            except ConfigError as error:
                raise TransientError(str(error)) from error
            self._is_migrated = True
