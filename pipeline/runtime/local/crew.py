"""The cameras of a run: a reading thread each. Cameras come, go and change while the others go on undisturbed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from pipeline.contracts.camera import Camera
from pipeline.contracts.rule import Rule
from pipeline.runtime.health import HealthDesk
from pipeline.runtime.local.cameras import CameraSampling, SampledCounts
from pipeline.runtime.local.inbox import FairInbox, StreamBegins
from pipeline.runtime.local.watch import WatchLoop
from pipeline.runtime.reader import CameraReader, ReaderCounts
from pipeline.runtime.worker import Worker
from pipeline.sampling.ring import FrameRing
from pipeline.site import Site

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Station:
    """What is made for one camera."""

    reader: CameraReader
    sampling: CameraSampling


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done with one camera's frames."""

    camera_id: str
    read: ReaderCounts
    sampled: SampledCounts


@dataclass(frozen=True, slots=True)
class _Reader:
    camera: Camera
    rules: tuple[Rule, ...]
    station: Station
    worker: Worker


class CameraCrew:
    """`start` once; `follow` a changed site from any thread, one at a time."""

    def __init__(
        self,
        site: Site,
        stations: Mapping[str, Station],
        make: Callable[[Camera], Station],
        inbox: FairInbox,
        watch: WatchLoop,
        desk: HealthDesk,
    ) -> None:
        """`stations` are those of the cameras of `site`, which `watch` expects; `make` makes one for another."""
        self._site = site
        self._make = make
        self._inbox = inbox
        self._watch = watch
        self._desk = desk
        self._changing = threading.Lock()
        self._readers: dict[str, _Reader] = {}
        self._former: list[Tally] = []
        self._broken: list[Worker] = []
        self._is_closed = False
        self._stations = dict(stations)
        """Of cameras that are not read yet."""

    def ring_of(self, camera_id: str) -> FrameRing | None:
        """The last seconds of a camera that is read now."""
        reader = self._readers.get(camera_id)
        return reader.station.sampling.ring if reader else None

    def start(self) -> None:
        """Begin to read."""
        with self._changing:
            for camera in self._site.cameras:
                self._read(camera, self._stations.pop(camera.id))

    @property
    def is_reading(self) -> bool:
        """Whether any camera is read, or about to be."""
        return self._changing.locked() or any(worker.is_alive() for worker in self.workers)

    @property
    def workers(self) -> list[Worker]:
        """The threads of all cameras, and those of former ones that failed."""
        return [*self._broken, *(reader.worker for reader in list(self._readers.values()))]

    @property
    def tallies(self) -> list[Tally]:
        """What was done by each camera, former ones too."""
        return [*self._former, *(_tally(reader) for reader in list(self._readers.values()))]

    def tick(self) -> None:
        """About once a second: time passes for cameras that are silent."""
        for reader in list(self._readers.values()):
            health = reader.station.reader.eye.health
            if health is not None and not reader.station.reader.has_ended:
                health.tick()

    def close(self) -> None:
        """Stop reading; later changes of the site are not followed."""
        self._is_closed = True
        with self._changing:
            for reader in self._readers.values():
                reader.station.reader.close()

    def follow(self, site: Site, last_alerts: Mapping[tuple[str, str], datetime]) -> None:
        """Cameras that are new begin, those that are gone end, those that changed end and begin again; where only the
        rules changed, the connection stays."""
        with self._changing:
            before, self._site = self._site, site
            gone = {camera.id for camera in before.cameras} - {camera.id for camera in site.cameras}
            for camera_id in sorted(gone):
                self._stop(camera_id, "camera removed")
            for camera in site.cameras:
                if not self._is_closed:
                    self._bring(camera, before, last_alerts)

    def _bring(self, camera: Camera, before: Site, last_alerts: Mapping[tuple[str, str], datetime]) -> None:
        reader, rules = self._readers.get(camera.id), self._site.rules_for(camera)
        has_health = before.health_rules_for(camera) == self._site.health_rules_for(camera)
        if reader is not None and reader.camera == camera and has_health:
            if reader.rules != rules:
                reader.station.sampling.follow(rules)
                self._readers[camera.id] = _Reader(camera, rules, reader.station, reader.worker)
                self._inbox.put(camera.id, StreamBegins(camera, rules, reader.station.sampling.ring, last_alerts))
                log.info("rules of a camera changed", camera=camera.id)
            return
        self._watch.expect(camera.id)
        self._stop(camera.id, "camera changed")
        station = self._make(camera)
        self._inbox.add(camera.id)
        self._inbox.put(camera.id, StreamBegins(camera, rules, station.sampling.ring, last_alerts))
        self._read(camera, station)
        log.info("camera added" if reader is None else "camera read anew", camera=camera.id)

    def _read(self, camera: Camera, station: Station) -> None:
        rules = self._site.rules_for(camera)
        station.sampling.follow(rules)
        worker = Worker(f"camera-{camera.id}", station.reader.run)
        self._readers[camera.id] = _Reader(camera, rules, station, worker)

    def _stop(self, camera_id: str, why: str) -> None:
        reader = self._readers.pop(camera_id, None)
        if reader is None:
            return
        log.info(why, camera=camera_id)
        reader.station.reader.close()
        reader.worker.join()
        self._former.append(_tally(reader))
        if reader.worker.error is not None:
            self._broken.append(reader.worker)
        self._desk.forget(camera_id)


def _tally(reader: _Reader) -> Tally:
    return Tally(reader.camera.id, reader.station.reader.counts, reader.station.sampling.counts)
