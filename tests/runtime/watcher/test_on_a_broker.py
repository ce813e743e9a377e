"""Watchers on a real broker, by real consumers: through cuts, restarts and shared partitions nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from pipeline.contracts.bus import CandidateMessage, Publisher, Record, RecordHandler, Topic
from pipeline.contracts.candidate import CandidateState
from pipeline.runtime.watcher.service import WatcherService
from pipeline.site import Site
from pipeline.transport.codec import Wire, read_contract
from pipeline.transport.consume import TopicConsumer
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import read_since
from tests.support.consuming import bus_of, committed
from tests.support.ingest import wait_for
from tests.support.local import site_of
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.watcher import BOUND_SECONDS, NEVER_LATE, SCENE, START, MemoryBus, Stand, scene_frames, until, wires

FENCE = "{fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}"
TWO_CAMERAS = SCENE.replace("rules:", f"  - {{id: attic, url: attic.mp4, zones: {FENCE}}}\nrules:")


@pytest.fixture(scope="module")
def proxy() -> Iterator[CuttableProxy]:
    """What stands between all clients and the broker."""
    with broker_behind_proxy() as proxy:
        yield proxy


@pytest.fixture
def bus(proxy: CuttableProxy, request: pytest.FixtureRequest) -> KafkaBus:
    """The broker, with topics of this test's own."""
    return bus_of(proxy.port, str(request.node.name)[:80], partitions=4, **NEVER_LATE)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The ids of the scene, without a broker."""
    stand = Stand(tmp_path_factory.mktemp("expected"))
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    return sorted(stand.bus.opened_ids())


def publish(bus: KafkaBus, records: Sequence[Wire]) -> None:
    publisher = bus.publisher()
    for future in [publisher.publish(Topic.FRAMES, *record) for record in records]:
        future.result(BOUND_SECONDS)
    publisher.close()


class Tally:
    """A `RecordHandler` in front of the watcher's own that counts what is done."""

    def __init__(self, handler: RecordHandler) -> None:
        self._handler = handler
        self.assigned, self.revoked = handler.assigned, handler.revoked
        self.live: set[tuple[int, int]] = set()
        """(partition, offset) of records that are done and no replays."""

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        def count() -> None:
            done()
            if not record.is_replay:
                self.live.add((record.partition.number, record.offset))

        self._handler.handle(record, count)


@dataclass(frozen=True)
class Watching:
    """A watcher at work on the broker."""

    service: WatcherService
    tally: Tally

    def wait_for(self, num_records: int) -> None:
        """Until so many are done."""
        done = wait_for(lambda: len(self.tally.live) >= num_records, BOUND_SECONDS)
        assert done, f"{len(self.tally.live)} of {num_records} records are done: {self.service.stats()}"
        self.service.check_health()

    def wait_until_it_stands_still(self) -> None:
        """Until nothing more was done for a second."""
        num_done = -1
        while num_done != len(self.tally.live):
            num_done = len(self.tally.live)
            time.sleep(1.0)

    @property
    def num_partitions(self) -> float:
        return self.service.stats()["partitions"]


@contextmanager
def watching(
    bus: KafkaBus,
    folder: Path,
    site: Site | None = None,
    publisher: Publisher | None = None,
    drain_seconds: float = 10.0,
) -> Iterator[Watching]:
    """A watcher on the broker; it publishes elsewhere if told so."""
    stand = Stand(folder, site=site or site_of(SCENE), settings={"bus": bus.settings.model_dump()})
    to_bus = publisher or bus.publisher()
    tallies: list[Tally] = []

    def open_consumer(handler: RecordHandler) -> TopicConsumer:
        tallies.append(Tally(handler))
        return TopicConsumer(bus, [Topic.FRAMES], "watchers", tallies[0], bus.settings, rewind_seconds=20.0)

    parts = replace(
        stand.parts(),
        open_consumer=open_consumer,
        publisher=to_bus,
        read_candidates=partial(read_since, bus, Topic.CANDIDATES),
        on_close=(to_bus.close,),
    )
    service = WatcherService(parts, stand.metrics, stand.clock)
    service.start()
    try:
        yield Watching(service, tallies[0])
    finally:
        service.stop(drain_seconds)


def all_committed(bus: KafkaBus) -> int:
    """Records committed, of all partitions."""
    return sum(committed(bus, number) or 0 for number in range(bus.settings.partitions))


def messages(bus: KafkaBus) -> list[CandidateMessage]:
    return [read_contract(record, CandidateMessage) for record in read_since(bus, Topic.CANDIDATES, START)]


def opened_ids(bus: KafkaBus) -> list[str]:
    candidates = [message.candidate for message in messages(bus) if not message.clip_uri]
    return sorted(candidate.id for candidate in candidates if candidate.state is CandidateState.OPENED)


def test_a_scene_from_frames_to_candidates(bus: KafkaBus, tmp_path: Path, expected: list[str]) -> None:
    """What stands on `frames` becomes the candidates of the scene, each once, and everything is committed."""
    publish(bus, records := wires(scene_frames()))
    with watching(bus, tmp_path) as watcher:
        watcher.wait_for(len(records))
    assert opened_ids(bus) == expected
    assert all_committed(bus) == len(records)


def test_a_broker_that_is_cut_off_loses_nothing(
    bus: KafkaBus, proxy: CuttableProxy, tmp_path: Path, expected: list[str]
) -> None:
    """Candidates wait for the broker; the watcher stays healthy and goes on by itself."""
    publish(bus, records := wires(scene_frames()))
    with watching(bus, tmp_path) as watcher:
        watcher.wait_for(1)
        proxy.cut()
        try:
            watcher.wait_until_it_stands_still()
            watcher.service.check_health()
            assert len(watcher.tally.live) < len(records)
        finally:
            proxy.mend()
        watcher.wait_for(len(records))
    assert sorted(set(opened_ids(bus))) == expected


def test_nothing_is_committed_before_its_candidates_are_durable(bus: KafkaBus, tmp_path: Path) -> None:
    """While a candidate is not acknowledged, the commit stays at the frame that caused it; then it goes on."""
    publish(bus, records := wires(scene_frames()))
    elsewhere = MemoryBus()
    elsewhere.is_silent = True
    with watching(bus, tmp_path, publisher=elsewhere, drain_seconds=0.0) as watcher:
        until(lambda: len(elsewhere.records) > 0)
    assert 0 < all_committed(bus) < len(records) - 1
    elsewhere.answer()
    with watching(bus, tmp_path, publisher=elsewhere) as watcher:
        watcher.wait_for(len(records) - all_committed(bus))
    assert all_committed(bus) == len(records)


def test_a_second_watcher_takes_over_in_the_middle(bus: KafkaBus, tmp_path: Path, expected: list[str]) -> None:
    """A watcher's cameras go on in the next one: no id is told twice, all are told and closed."""
    records = wires(scene_frames())
    publish(bus, records[:220])
    with watching(bus, tmp_path, drain_seconds=0.0) as watcher:
        watcher.wait_for(220)
    publish(bus, records[220:])
    with watching(bus, tmp_path) as watcher:
        watcher.wait_for(len(records) - 220)
    assert opened_ids(bus) == expected
    closed = [m.candidate.id for m in messages(bus) if m.candidate.state is CandidateState.CLOSED and not m.clip_uri]
    assert sorted(closed) == expected


def test_two_watchers_share_the_cameras(bus: KafkaBus, tmp_path: Path, expected: list[str]) -> None:
    """A second watcher joins while the first is at work: partitions move, and each scene is told once."""
    site = site_of(TWO_CAMERAS)
    yard, attic = wires(scene_frames("yard")), wires(scene_frames("attic"))
    with watching(bus, tmp_path, site) as first:
        publish(bus, [*yard[:200], *attic[:200]])
        first.wait_for(400)
        with watching(bus, tmp_path, site) as second:
            until(lambda: first.num_partitions == second.num_partitions == 2)
            publish(bus, [*yard[200:], *attic[200:]])
            until(lambda: len(first.tally.live | second.tally.live) == len(yard) + len(attic))
    opened = opened_ids(bus)
    assert set(expected) < set(opened)
    assert (len(opened), len(set(opened))) == (2 * len(expected), 2 * len(expected))
