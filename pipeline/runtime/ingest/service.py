"""The cameras of one ingest process: a thread each to read, one to publish.

    a thread a camera ──► its backlog ──► one publishing thread ──► topic `frames`
      read, thin, JPEG      bounded          one record a camera
                                             under way

The broker may be away for as long as it likes: files wait, live cameras keep their newest, and it goes on by
itself. Stopping drains: cameras close, what was read is published, bounded.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import Publisher
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.errors import TransientError
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.ingest.feed import CameraFeed
from pipeline.runtime.ingest.frame_sender import FrameSender
from pipeline.runtime.ingest.troubles import TroubleTeller
from pipeline.runtime.pulse import raise_stuck
from pipeline.runtime.reader import CameraReader, ReaderCounts
from pipeline.runtime.worker import Worker, raise_first
from pipeline.sampling.ring import FrameRing
from pipeline.site import Site

log = structlog.get_logger()
_LOOK_SECONDS = 0.05
_TICK_SECONDS = 1.0


def new_producer(clock: Clock) -> str:
    """The identity of one start of an ingest process; see `PublishedFrame.producer`."""
    return f"{int(clock.now().timestamp() * 1000)}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What an ingest process did and what it left."""

    cameras: int
    frames_read: int
    frames_published: int
    bytes_published: int
    frames_dropped: int
    frames_refused: int
    """Too large for the broker, or no picture."""
    records_unsent: int
    """Read, and still not on the bus when it had to stop."""
    elapsed_seconds: float
    failures: tuple[str, ...]
    """`camera: why it could not be read`."""


@dataclass(frozen=True, slots=True)
class Station:
    """What is made for one camera."""

    reader: CameraReader
    feed: CameraFeed

    @property
    def num_dropped(self) -> int:
        """Frames that were due, and are not on the bus for want of time or room."""
        return self.reader.counts.frames_dropped + self.feed.num_dropped


@dataclass(frozen=True, slots=True)
class _Tally:
    """What was done with one camera's frames."""

    camera_id: str
    read: ReaderCounts
    num_dropped: int


class IngestService:
    """A `Service`. Its cameras may all end (files): then `is_finished`."""

    def __init__(
        self,
        site: Site,
        make: Callable[[Camera, Site], Station | None],
        sender: FrameSender,
        publisher: Publisher,
        *,
        stale_after_seconds: float,
        clock: Clock,
        desk: HealthDesk,
        troubles: TroubleTeller,
        open_before: Callable[[], Iterable[Candidate]] = tuple,
        housekeeping: Housekeeping | None = None,
        on_close: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`make` makes the station of a camera, or None for one that is another process's share; `open_before` finds
        what an earlier process left open, where there is a database, `housekeeping` keeps the ledger there; `on_close`
        is called in order at the end."""
        self._site = site
        self._make = make
        self._changing = threading.Lock()
        stations = {camera.id: make(camera, site) for camera in site.cameras}
        self._stations = {camera_id: station for camera_id, station in stations.items() if station is not None}
        self._former: list[_Tally] = []
        self._desk = desk
        self._open_before: Callable[[], Iterable[Candidate]] | None = open_before
        self._troubles = troubles
        self._sender = sender
        self._publisher = publisher
        self._stale_after_seconds = stale_after_seconds
        self._clock = clock
        self._housekeeping = housekeeping
        self._on_close = tuple(on_close)
        self._stop = threading.Event()
        self._is_stopped = False
        self._readers: dict[str, Worker] = {}
        self._workers: list[Worker] = []
        self._started_seconds = clock.monotonic()
        self._ended_seconds: float | None = None

    def start(self) -> None:
        """Begin to read and publish."""
        self._sender.prepare()
        self._started_seconds = self._clock.monotonic()
        self._workers.append(Worker("publishing", self._sender.run))
        housekeeping = self._housekeeping
        if housekeeping is not None:
            self._workers.append(Worker("ledger", lambda: housekeeping.run(self._stop)))
        self._troubles.work.start()
        self._workers.append(Worker("health", self._watch_health))
        with self._changing:
            for camera_id in self._stations:
                self._read(camera_id)

    def follow(self, site: Site) -> None:
        """The site file changed: cameras that are new begin, those that are gone end, those that changed end and
        begin again. The others notice nothing."""
        with self._changing:
            before, self._site = self._site, site
            self._troubles.follow(site)
            self._desk.follow(site)
            for camera_id in sorted({camera.id for camera in before.cameras} - {camera.id for camera in site.cameras}):
                self._drop(camera_id, "camera removed")
            for camera in site.cameras:
                has_health = before.health_rules_for(camera) == site.health_rules_for(camera)
                if not self._is_stopped and not (before.camera(camera.id) == camera and has_health):
                    self._drop(camera.id, "camera changed")
                    self._bring(camera)

    def ring_of(self, camera_id: str) -> FrameRing | None:
        """The last seconds of a camera that is read here."""
        station = self._stations.get(camera_id)
        return station.feed.ring if station else None

    @property
    def is_finished(self) -> bool:
        """Every camera has ended, and all that was read is on the bus. Never, without cameras."""
        has_ended = bool(self._readers) and not any(reader.is_alive() for reader in list(self._readers.values()))
        return has_ended and not self._changing.locked() and not self._num_unsent()

    def stop(self, drain_seconds: float) -> None:
        """Close the cameras, publish what was read within the bound, close. Ends no live camera's stream."""
        if self._is_stopped:
            return
        self._is_stopped = True
        until = self._clock.monotonic() + drain_seconds
        with self._changing:
            for station in self._stations.values():
                station.reader.close()
                station.feed.backlog.close()
        for reader in self._readers.values():
            reader.join()
        while self._num_unsent() and self._workers and self._workers[0].is_alive():
            if self._clock.monotonic() >= until:
                log.error("time to drain is over: frames stay unpublished", frames=self._num_unsent())
                break
            self._clock.sleep(_LOOK_SECONDS)
        self._troubles.evidence.close()
        if not self._troubles.work.wait_until_done(max(until - self._clock.monotonic(), 0.0)):
            log.error("time to drain is over: troubles of cameras stay untold")
        self._close_all()

    def check_health(self) -> None:
        """`StageFailed` when a thread died or publishing hangs. A camera or broker that is away is no fault of ours."""
        raise_first([*self._workers, *list(self._readers.values())])
        raise_stuck([self._sender.pulse, *self._troubles.work.pulses], self._stale_after_seconds)

    def stats(self) -> Mapping[str, float]:
        """`oldest_age_seconds` and `lag` are of records not on the bus yet; the rest is for people."""
        return {
            "oldest_age_seconds": self._oldest_age_seconds(),
            "lag": self._num_unsent(),
            "cameras": len(self._feeds),
            "cameras_up": sum(station.reader.eye.gauge.is_up for station in list(self._stations.values())),
            "frames_per_second": self._sender.frames_per_second(),
            "frames_published": self._sender.counts.frames_published,
            "frames_dropped": sum(station.num_dropped for station in list(self._stations.values())),
        }

    def summary(self) -> IngestSummary:
        """What was done until now, or until it stopped."""
        sent, tallies = self._sender.counts, [*self._former, *map(_tally, self._stations.values())]
        return IngestSummary(
            cameras=len(self._feeds),
            frames_read=sum(tally.read.frames_read for tally in tallies),
            frames_published=sent.frames_published,
            bytes_published=sent.bytes_published,
            frames_dropped=sum(tally.num_dropped for tally in tallies),
            frames_refused=sent.frames_refused + sum(tally.read.frames_refused for tally in tallies),
            records_unsent=self._num_unsent(),
            elapsed_seconds=(self._ended_seconds or self._clock.monotonic()) - self._started_seconds,
            failures=tuple(f"{tally.camera_id}: {tally.read.failure}" for tally in tallies if tally.read.failure),
        )

    @property
    def _feeds(self) -> list[CameraFeed]:
        return [station.feed for station in list(self._stations.values())]

    def _read(self, camera_id: str) -> None:
        self._readers[camera_id] = Worker(f"camera-{camera_id}", self._stations[camera_id].reader.run)

    def _bring(self, camera: Camera) -> None:
        station = self._make(camera, self._site)
        if station is not None:
            self._stations[camera.id] = station
            self._read(camera.id)
            log.info("camera added", camera=camera.id)

    def _drop(self, camera_id: str, why: str) -> None:
        """Stop reading a camera; what was read of it is published still."""
        station = self._stations.pop(camera_id, None)
        if station is None:
            return
        log.info(why, camera=camera_id)
        station.reader.close()
        self._readers.pop(camera_id).join()
        self._former.append(_tally(station))
        self._desk.forget(camera_id)

    def _watch_health(self) -> None:
        """Time passes for cameras from which nothing comes, too."""
        while not self._stop.wait(_TICK_SECONDS):
            self._inherit()
            for station in list(self._stations.values()):
                health = station.reader.eye.health
                if health is not None and not station.reader.has_ended:
                    health.tick()
                newest = station.feed.ring.newest
                if newest is not None:
                    self._troubles.evidence.frame_seen(station.reader.camera_id, newest.captured_at)
            self._desk.tick()

    def _inherit(self) -> None:
        """Once, as soon as the database can be asked."""
        if self._open_before is None:
            return
        try:
            found = [candidate for candidate in self._open_before() if candidate.camera_id in self._stations]
        except TransientError:
            return
        self._desk.inherit(found)
        self._open_before = None

    def _num_unsent(self) -> int:
        return sum(len(feed.backlog) for feed in self._feeds)

    def _oldest_age_seconds(self) -> float:
        queued = [feed.backlog.oldest_queued_seconds() for feed in self._feeds]
        return max((self._clock.monotonic() - at for at in queued if at is not None), default=0.0)

    def _close_all(self) -> None:
        """In an order in which nobody uses what is closed already."""
        self._stop.set()
        self._sender.close()
        with ExitStack() as closing:
            for action in reversed(self._on_close):
                closing.callback(action)
            closing.callback(self._publisher.close)
            closing.callback(self._troubles.work.stop)
            for worker in self._workers:
                worker.join()
            if self._housekeeping is not None:
                self._housekeeping.finish()
        self._ended_seconds = self._clock.monotonic()


def _tally(station: Station) -> _Tally:
    return _Tally(station.reader.camera_id, station.reader.counts, station.num_dropped)
