"""Simulated cameras for the benchmarks of the cluster: pictures in which something moves, a site file that names the
cameras, their frames on a real bus, and a watcher in this process that says when each of them was decided.

Pictures are drawn once and published again and again: publishing must cost little beside what is measured.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pipeline.app.stores import open_stores
from pipeline.cli.demo_services import temporary_broker
from pipeline.clock import SystemClock
from pipeline.contracts.bus import Partition, PublishedFrame, Record, RecordHandler, Topic
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.observation import Vision
from pipeline.jpeg import encode_bgr
from pipeline.runtime.coverage import NoCoverage
from pipeline.runtime.ingest.service import new_producer
from pipeline.runtime.watcher.service import WatcherParts, WatcherService
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.store.ledger import Ledger
from pipeline.telemetry import Metrics
from pipeline.transport.codec import Wire, frame_record
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import read_since

HALF = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
"""A zone: the left half of the picture."""


@contextmanager
def broker() -> Iterator[tuple[Path, str]]:
    """A broker that keeps all in memory, and a folder for as long as it runs; the folder and host:port."""
    with tempfile.TemporaryDirectory(prefix="sightline-benchmark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with temporary_broker(folder / "broker.log") as servers:
            yield folder, servers


def pictures(number: int, size_px: tuple[int, int], *, grain: float, moves: bool = True) -> list[bytes]:
    """JPEGs of one scene, quality 85, through which a person-sized box walks to and fro; without it they only rustle.

    `grain` in grey levels decides how many bytes they take.
    """
    random = np.random.default_rng(7)
    width, height = size_px
    patches = random.integers(60, 190, (9, 16, 3)).astype(np.float32)
    scene = cv2.resize(patches, size_px, interpolation=cv2.INTER_CUBIC)
    texture = random.normal(0, grain, (height, width, 1))
    found = []
    for step in range(number):
        pixels = np.clip(scene + texture + random.normal(0, 1, (height, width, 1)), 0, 255).astype(np.uint8)
        if moves:
            left = round((1 - abs(1 - 2 * step / number)) * (width - width // 12))
            cv2.rectangle(pixels, (left, height // 3), (left + width // 12, height * 2 // 3), (20, 30, 200), -1)
        found.append(encode_bgr(pixels, 85))
    return found


def write_site(folder: Path, num_cameras: int, sampling: dict[str, Any], **rest: Any) -> Path:
    """A site file with so many cameras, one rule on each, and whatever else is given."""
    camera = {"url": "rtsp://camera.example.org/stream", "zones": {"left": HALF}, "sampling": sampling}
    document = {
        "cameras": [{"id": camera_id(number), **camera} for number in range(num_cameras)],
        "rules": [{"id": "entry", "track": {"object": "any", "enters": "left"}, "cooldown": "60s"}],
        **rest,
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def camera_id(number: int) -> str:
    """Of the camera with this number."""
    return f"camera-{number:04d}"


@dataclass
class Camera:
    """Makes the records of one camera."""

    number: int
    jpegs: Sequence[bytes]
    size_px: tuple[int, int]
    producer: str = field(default_factory=lambda: new_producer(SystemClock()))
    sequence: int = 0

    def next(self, captured_at: datetime) -> Wire:
        """The next frame, taken then."""
        jpeg = self.jpegs[self.sequence % len(self.jpegs)]
        width, height = self.size_px
        frame = EncodedFrame(
            camera_id(self.number), self.sequence, captured_at, float(self.sequence), width, height, jpeg
        )
        self.sequence += 1
        return frame_record(PublishedFrame(frame, self.producer))


def publish_all(bus: KafkaBus, cameras: Sequence[Camera], num_frames: int, fps: float) -> None:
    """All at once, the cameras in turn, as if taken at `fps` until now."""
    first = datetime.now(UTC) - timedelta(seconds=num_frames / len(cameras) / fps)
    publisher = bus.publisher()
    try:
        for number in range(num_frames):
            taken_at = first + timedelta(seconds=(number // len(cameras)) / fps)
            publisher.publish(Topic.FRAMES, *cameras[number % len(cameras)].next(taken_at))
            if number % 1000 == 999:
                publisher.flush(60)
        if not publisher.flush(60):
            raise RuntimeError("the broker did not take the frames in a minute")
    finally:
        publisher.close()


def publish_paced(bus: KafkaBus, cameras: Sequence[Camera], fps: float, seconds: float) -> int:
    """In real time, the cameras evenly in turn, `fps` frames a second of all together; how many."""
    publisher = bus.publisher()
    started, published = time.monotonic(), 0
    try:
        while (elapsed := time.monotonic() - started) < seconds:
            while published < elapsed * fps:
                publisher.publish(Topic.FRAMES, *cameras[published % len(cameras)].next(datetime.now(UTC)))
                published += 1
            time.sleep(max(published / fps - (time.monotonic() - started), 0.001))
        if not publisher.flush(60):
            raise RuntimeError("the broker did not take the frames in a minute")
    finally:
        publisher.close()
    return published


OnDone = Callable[[Record], None]


class DoneNoted:
    """A `RecordHandler` in front of the watcher's own: tells when a record is done."""

    def __init__(self, handler: RecordHandler, on_done: OnDone) -> None:
        self._handler = handler
        self._on_done = on_done

    def assigned(self, partitions: Collection[Partition]) -> None:
        self._handler.assigned(partitions)

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        self._handler.handle(record, partial(self._done, record, done))

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:
        self._handler.revoked(partitions, drain_seconds)

    def _done(self, record: Record, done: Callable[[], None]) -> None:
        done()
        self._on_done(record)


def watcher(
    site: Site, settings: Settings, vision: Vision, group: str, on_done: OnDone, metrics: Metrics | None = None
) -> WatcherService:
    """The real service in this process, as `pipeline.app` makes it but for its group and the note of what is done."""
    bus = KafkaBus(settings.bus, group)
    stores = open_stores(settings)
    publisher = bus.publisher()
    parts = WatcherParts(
        site=site,
        settings=settings,
        vision=vision,
        has_reasoner=False,
        open_consumer=lambda handler: TopicConsumer(
            bus, [Topic.FRAMES], group, DoneNoted(handler, on_done), settings.bus
        ),
        read_candidates=partial(read_since, bus, Topic.CANDIDATES),
        publisher=publisher,
        dead_letters=DeadLetters(publisher, max_message_bytes=settings.bus.max_message_bytes),
        incidents=stores.incidents,
        evidence=stores.evidence,
        ledger=Ledger(stores.decisions),
        coverage=NoCoverage(),
        on_close=(publisher.close, vision.close, stores.close),
    )
    return WatcherService(parts, metrics or Metrics(), SystemClock())


def resident_mib(pid: int | str = "self") -> float:
    """A process's resident memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_offspring(names: dict[str, str]) -> dict[str, float]:
    """Processor time so far of all processes that descend from this one, added up by what they are.

    `names` maps a part of a command line to what to call it; all others are `rest`.
    """
    parents, found = {}, dict.fromkeys((*names.values(), "rest"), 0.0)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    for pid in parents:
        if not _descends(pid, os.getpid(), parents):
            continue
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            name = next((name for part, name in names.items() if part in line), "rest")
            found[name] += cpu_seconds(pid)
        except OSError:
            continue
    return found


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False
