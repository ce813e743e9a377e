"""Settings and site to one ingest process: cameras in, the topic `frames` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from pipeline.clock import Clock, SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import DecisionCount, DecisionSink, NullDecisionSink
from pipeline.contracts.frame import VideoSource
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest.pace import Pace
from pipeline.ingest.source import open_supervised
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.ingest.backlog import Backlog
from pipeline.runtime.ingest.feed import CameraFeed
from pipeline.runtime.ingest.frame_sender import FrameSender
from pipeline.runtime.ingest.service import IngestService, new_producer
from pipeline.runtime.ingest.shard import Shard
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.database import Database
from pipeline.store.ledger import Ledger, SqlDecisionStore
from pipeline.telemetry import Metrics
from pipeline.transport.kafka import KafkaBus

LIVE_PACE = Pace(speed=1.0)
WHOLE = Shard()


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
        self.cameras = tuple(camera for camera in site.cameras if shard.holds(camera.id))
        self.settings = settings
        self.pace = pace
        self.clock = clock
        self.metrics = metrics
        self.producer = new_producer(clock)
        self.bus = KafkaBus(settings.bus, f"ingest-{self.producer}")
        self.publisher = self.bus.publisher()
        self.sender = FrameSender(self.publisher, self.bus.ensure_topics, metrics, clock)
        self.database = Database(settings.database_url) if settings.database_url else None
        self.ledger = Ledger(_MigratingStore(self.database)) if self.database else None
        self.decisions: DecisionSink = self.ledger or NullDecisionSink()

    def service(self) -> IngestService:
        """The whole graph."""
        return IngestService(
            [self._feed(camera) for camera in self.cameras],
            self.sender,
            self.publisher,
            stale_after_seconds=self.settings.bus.poll_stale_after,
            clock=self.clock,
            housekeeping=Housekeeping(self.ledger, self.metrics, self.clock) if self.ledger else None,
            on_close=(self.database.close,) if self.database else (),
        )

    def _feed(self, camera: Camera) -> CameraFeed:
        return CameraFeed(
            camera,
            self.producer,
            partial(self._open_source, camera),
            Backlog(self.settings.ingest.keep_bytes, self.settings.ingest.keep_for, self.sender.offer),
            self.settings.sampling,
            self.decisions,
            self.metrics,
            self.clock,
        )

    def _open_source(self, camera: Camera, on_state: Callable[[bool], None]) -> VideoSource:
        return open_supervised(
            camera, self.settings.ingest, self.clock, self.decisions, pace=self.pace, on_state=on_state
        )


class _MigratingStore:
    """A `DecisionStore` that brings the tables up to date before it first writes: the database may be away until
    then, and one that can never work costs the ledger, not the video."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = SqlDecisionStore(database)
        self._is_migrated = False

    def add(self, counts: Sequence[DecisionCount]) -> None:
        """See `DecisionStore`."""
        if not self._is_migrated:
            try:
                self._database.migrate()
            except ConfigError as error:
                raise TransientError(str(error)) from error
            self._is_migrated = True
        self._store.add(counts)

    def between(
        self, camera_id: str, start: datetime, end: datetime, rule_id: str | None = None
    ) -> list[DecisionCount]:
        """See `DecisionStore`."""
        return self._store.between(camera_id, start, end, rule_id)
