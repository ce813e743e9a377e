"""A watcher driven by hand: frames of a rendered scene as records, a bus in memory, models that may be away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import jpeg
from pipeline.clock import Clock, SystemClock
from pipeline.contracts.bus import CandidateMessage, Partition, PublishedFrame, Record, RecordHandler, StreamEnd, Topic
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.decision import DecisionCount
from pipeline.contracts.forecast import ForecastStore
from pipeline.contracts.frame import EncodedFrame, SampledFrame
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.contracts.observation import Sight, Vision
from pipeline.errors import InvalidMessage, TransientError
from pipeline.ingest.pace import Pace
from pipeline.ingest.source import open_source
from pipeline.perception.detector import MotionDetector
from pipeline.perception.vision import LocalVision
from pipeline.runtime.coverage import NoCoverage
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.runtime.service import Service
from pipeline.runtime.watcher.service import WatcherParts, WatcherService
from pipeline.settings import IngestSettings, load_settings
from pipeline.site import Site
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.ledger import Ledger
from pipeline.telemetry import Metrics
from pipeline.transport.codec import Wire, end_record, frame_record, read_contract
from tests.support.ingest import wait_for
from tests.support.local import site_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCER = "1772366400000-one"
BOUND_SECONDS = 60
SCENE = """
cameras:
  - id: yard
    url: "synthetic:yard?seed=1&seconds=40&fps=8&size=480x270"
    zones: {fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}
rules:
  - {id: entry, track: {object: any, enters: fence}, cooldown: 0s}
  - {id: someone, track: {object: any, count_above: 0}, cooldown: 0s}
"""
"""One person climbs the fence: an occurrence, and something that lasts."""
NEVER_LATE = {"late_after": 600.0, "fresh_for": 1200.0}
"""For tests that a slow machine must not make thin out frames."""
PARTITION = Partition(Topic.FRAMES, 0)


@cache
def scene_frames(camera_id: str = "yard", quality: int = 95) -> tuple[EncodedFrame, ...]:
    """All of the scene, the first taken at `START`; ingest would publish those that are due."""
    if camera_id != "yard":
        return tuple(replace(frame, camera_id=camera_id) for frame in scene_frames(quality=quality))
    source = open_source(site_of(SCENE).cameras[0], IngestSettings(), SystemClock(), pace=Pace(start_at=START))
    try:
        return tuple(jpeg.encode(frame, quality) for frame in iter(source.read, None))
    finally:
        source.close()


def wires(frames: Iterable[EncodedFrame], *, ends: bool = True, producer: str = PRODUCER) -> list[Wire]:
    """Frames of one camera as they are published, and the end of their stream."""
    records = [frame_record(PublishedFrame(frame, producer)) for frame in frames]
    return [*records, end_record(StreamEnd(records[0].key, producer))] if ends else records


class MemoryBus:
    """A `Publisher` that keeps what it took, in order; away while `is_away`, silent while `is_silent`."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_away = False
        self.is_silent = False
        self.num_tries = 0
        self._open: list[Future[None]] = []

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        self.num_tries += 1
        future: Future[None] = Future()
        if self.is_away:
            future.set_exception(TransientError("the broker is away"))
            return future
        place = Partition(topic, 0)
        self.records.append(Record(place, len(self.records), key, value, datetime.now(UTC), headers or {}))
        if self.is_silent:
            self._open.append(future)
        else:
            future.set_result(None)
        return future

    def answer(self) -> None:
        """Acknowledge all that waits, and be silent no longer."""
        self.is_silent = False
        while self._open:
            self._open.pop().set_result(None)

    def read_candidates(self, since: datetime) -> list[Record]:
        return [record for record in self.records if record.partition.topic is Topic.CANDIDATES]

    def messages(self) -> list[CandidateMessage]:
        return [read_contract(record, CandidateMessage) for record in self.read_candidates(START)]

    def told(self) -> list[tuple[str, CandidateState]]:
        """(rule, state) of all candidates but clips and updates, in order."""
        return [
            (message.candidate.rule_id, message.candidate.state)
            for message in self.messages()
            if not message.clip_uri and message.candidate.state is not CandidateState.UPDATED
        ]

    def opened_ids(self) -> list[str]:
        """Of all openings, in order."""
        candidates = [message.candidate for message in self.messages() if not message.clip_uri]
        return [candidate.id for candidate in candidates if candidate.state is CandidateState.OPENED]

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None: ...


class LetterList:
    """Dead letters, kept; away while `is_away`."""

    def __init__(self) -> None:
        self.letters: list[tuple[Record, str, str]] = []
        self.is_away = False

    def put(self, record: Record, reason: str, stage: str) -> Future[None]:
        future: Future[None] = Future()
        if self.is_away:
            future.set_exception(TransientError("the broker is away"))
        else:
            self.letters.append((record, reason, stage))
            future.set_result(None)
        return future


class KnownIncidents:
    """What the database says to who takes over; away while `is_away`."""

    def __init__(self) -> None:
        self.open: list[Incident] = []
        self.alerts: dict[tuple[str, str], datetime] = {}
        self.is_away = False

    def still_open(self) -> list[Incident]:
        if self.is_away:
            raise TransientError("the database is away")
        return list(self.open)

    def last_alerts(self) -> Mapping[tuple[str, str], datetime]:
        return self.alerts

    def last_told(self, since: datetime) -> list[Incident]:
        return []

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        return []


class CountList:
    """A `DecisionStore` that keeps what the ledger wrote."""

    def __init__(self) -> None:
        self.counts: list[DecisionCount] = []

    def add(self, counts: Sequence[DecisionCount]) -> None:
        self.counts += counts

    def between(self, *_: object) -> list[DecisionCount]:
        return self.counts

    def reasons(self) -> dict[str, int]:
        """How often each reason came up."""
        found: dict[str, int] = {}
        for count in self.counts:
            found[count.reason] = found.get(count.reason, 0) + count.count
        return found


class MovingVision:
    """The motion detector; `gate` holds up calls, `fails_with` fails them, `refuses` refuses frames by sequence."""

    words = None
    model_ids: Mapping[str, str] = {"detector": "motion"}

    def __init__(self) -> None:
        settings = load_settings({}).perception
        self._vision = LocalVision(MotionDetector(settings), None, settings)
        self.gate = threading.Event()
        self.gate.set()
        self.fails_with: Exception | None = None
        self.refuses: frozenset[int] = frozenset()
        self.batches: list[int] = []
        """Sizes, in the order of the calls."""
        self.num_failed = 0

    def warm_up(self) -> None:
        self._vision.warm_up()

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        assert self.gate.wait(BOUND_SECONDS)
        if self.fails_with is not None:
            self.num_failed += 1
            raise self.fails_with
        self.batches.append(len(frames))
        sights = self._vision.see(frames)
        return [
            InvalidMessage("too strange a picture") if sampled.frame.sequence in self.refuses else sight
            for sampled, sight in zip(frames, sights, strict=True)
        ]

    def close(self) -> None:
        self._vision.close()


class Hand:
    """A consumer that hands over what a test tells it to, and keeps which records are done."""

    def __init__(self) -> None:
        self.handler: RecordHandler | None = None
        self.done: set[tuple[Partition, int]] = set()
        self._next: dict[Partition, int] = {}
        self._owned: set[Partition] = set()

    def open(self, handler: RecordHandler) -> Service:
        self.handler = handler
        return self

    def start(self) -> None: ...

    def stop(self, drain_seconds: float) -> None:
        self.revoke(drain_seconds, *self._owned)

    def check_health(self) -> None: ...

    def stats(self) -> Mapping[str, float]:
        return {"lag": 0.0, "oldest_age_seconds": 0.0}

    def assign(self, *partitions: Partition) -> None:
        self._owned |= set(partitions)
        assert self.handler is not None
        self.handler.assigned(partitions)

    def revoke(self, drain_seconds: float, *partitions: Partition) -> None:
        self._owned -= set(partitions)
        assert self.handler is not None
        self.handler.revoked(partitions, drain_seconds)

    def give(
        self,
        wires: Iterable[Wire],
        partition: Partition = PARTITION,
        *,
        published_at: datetime | None = None,
        is_replay: bool = False,
    ) -> list[int]:
        """Hand over records of a partition; their offsets."""
        assert self.handler is not None
        if partition not in self._owned:
            self.assign(partition)
        offsets = []
        for wire in wires:
            offset = self._next[partition] = self._next.get(partition, -1) + 1
            at = published_at or datetime.now(UTC)
            record = Record(partition, offset, wire.key, wire.value, at, wire.headers, is_replay)
            self.handler.handle(record, lambda place=(partition, offset): self.done.add(place))
            offsets.append(offset)
        return offsets

    def are_done(self, offsets: Iterable[int], partition: Partition = PARTITION) -> bool:
        return all((partition, offset) in self.done for offset in offsets)

    def wait_for(self, offsets: Iterable[int], partition: Partition = PARTITION) -> None:
        offsets = list(offsets)
        assert wait_for(lambda: self.are_done(offsets, partition), BOUND_SECONDS), "records that are never done"


class LearnedMemory:
    """A `LearnedStore` that outlives watchers, not the test."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, LearnedKind], Learned] = {}

    def save(self, learned: Iterable[Learned]) -> None:
        self.kept |= {(one.camera_id, one.rule_id, one.kind): one for one in learned}

    def load(self, camera_id: str | None = None) -> list[Learned]:
        return [one for one in self.kept.values() if camera_id in (None, one.camera_id)]

    def forget(self, camera_id: str | None = None, rule_id: str | None = None) -> int:
        raise NotImplementedError


@dataclass
class Stand:
    """A watcher and all it is given."""

    folder: Path
    site: Site = field(default_factory=lambda: site_of(SCENE))
    bus: MemoryBus = field(default_factory=MemoryBus)
    hand: Hand = field(default_factory=Hand)
    letters: LetterList = field(default_factory=LetterList)
    known: KnownIncidents = field(default_factory=KnownIncidents)
    vision: Any = field(default_factory=MovingVision)
    learned: LearnedMemory = field(default_factory=LearnedMemory)
    forecasts: ForecastStore | None = None
    looks: EmbeddingWriter | None = None
    counts: CountList = field(default_factory=CountList)
    metrics: Metrics = field(default_factory=Metrics)
    clock: Clock = field(default_factory=SystemClock)
    settings: Mapping[str, Any] = field(default_factory=lambda: {"bus": NEVER_LATE})

    def service(self) -> WatcherService:
        """Not started."""
        return WatcherService(self.parts(), self.metrics, self.clock)

    def parts(self) -> WatcherParts:
        vision: Vision = self.vision
        return WatcherParts(
            site=self.site,
            settings=load_settings(self.settings, data_dir=self.folder),
            vision=vision,
            has_reasoner=False,
            open_consumer=self.hand.open,
            read_candidates=self.bus.read_candidates,
            publisher=self.bus,
            dead_letters=self.letters,
            incidents=self.known,
            evidence=FsspecEvidenceStore(str(self.folder / "evidence")),
            ledger=Ledger(self.counts),
            coverage=NoCoverage(),
            learned=self.learned,
            forecasts=self.forecasts,
            looks=self.looks,
        )

    @contextmanager
    def running(self, drain_seconds: float = 20.0) -> Iterator[WatcherService]:
        """Started, and stopped at the end."""
        service = self.service()
        service.start()
        try:
            yield service
        finally:
            self.vision.gate.set()
            service.stop(drain_seconds)

    def reasons(self) -> list[str]:
        """Of the dead letters."""
        return [reason for _, reason, _ in self.letters.letters]


def moved(frames: Iterable[EncodedFrame], seconds: float) -> list[EncodedFrame]:
    """The same pictures, taken so much later."""
    later = timedelta(seconds=seconds)
    return [replace(frame, captured_at=frame.captured_at + later) for frame in frames]


def until(is_so: Callable[[], bool]) -> None:
    assert wait_for(is_so, BOUND_SECONDS), "it never came true"
