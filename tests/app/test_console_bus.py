"""What a console beside a cluster reads of a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pipeline.app.console_bus import BusCameras, BusLetters
from pipeline.clock import SystemClock
from pipeline.contracts.bus import Partition, PublishedFrame, Record, StreamEnd, Topic
from pipeline.errors import ConfigError
from pipeline.transport.codec import end_record, frame_record
from pipeline.transport.dead_letter import DeadLetters
from pipeline.transport.kafka import KafkaBus
from tests.support.broker import running_broker
from tests.support.consuming import bus_of
from tests.support.watcher import PRODUCER, moved, scene_frames


@pytest.fixture(scope="module")
def broker_port() -> Iterator[int]:
    """The port of a running broker."""
    with running_broker() as port:
        yield port


@pytest.fixture
def bus(broker_port: int, request: pytest.FixtureRequest) -> KafkaBus:
    return bus_of(broker_port, str(request.node.name)[:80], partitions=2)


def publish(bus: KafkaBus, *records: tuple[str, bytes, dict[str, str]]) -> None:
    publisher = bus.publisher()
    for key, value, headers in records:
        publisher.publish(Topic.FRAMES, key, value, headers).result(30)
    publisher.close()


def test_the_newest_picture_of_a_camera(bus: KafkaBus) -> None:
    """As ingest published it, byte for byte; also when its stream has ended. When it was taken is at hand then."""
    first, last = moved(scene_frames()[:2], 3600.0)
    wires = [frame_record(PublishedFrame(frame, PRODUCER)) for frame in (first, last)]
    publish(bus, *wires, end_record(StreamEnd("yard", PRODUCER)))
    cameras = BusCameras(bus.settings, SystemClock())
    assert cameras.taken_at("yard") is None
    found = cameras.latest("yard")
    assert found is not None
    assert (found.jpeg, found.captured_at, found.boxes_at) == (last.jpeg, last.captured_at, None)
    assert cameras.taken_at("yard") == last.captured_at
    assert cameras.latest("gate") is None
    cameras.close()


def test_what_is_no_frame_is_no_picture(bus: KafkaBus) -> None:
    """Whatever somebody else writes there."""
    publish(bus, ("yard", b"<script>", {"kind": "frame"}))
    cameras = BusCameras(bus.settings, SystemClock())
    assert cameras.latest("yard") is None
    cameras.close()


def test_dead_letters_are_told_and_sent_again(bus: KafkaBus) -> None:
    """One by its id, then those that were not yet; an id that is not there is a mistake."""
    publisher = bus.publisher()
    for offset in (7, 8):
        record = Record(Partition(Topic.CANDIDATES, 0), offset, "yard", b"{}", datetime(2026, 1, 1, tzinfo=UTC), {})
        DeadLetters(publisher).put(record, "no such rule", "reasoner").result(30)
    publisher.close()
    letters = BusLetters(bus.settings)
    first, second = letters.dead(None)
    assert (first["origin"], first["reason"], first["is_settled"], "value" in first) == (
        "0:7",
        "no such rule",
        False,
        False,
    )
    assert letters.redrive([first["id"]]) == [{"id": first["id"], "problem": ""}]
    assert letters.redrive(None) == [{"id": second["id"], "problem": ""}]
    assert [one["is_settled"] for one in letters.dead(None)] == [True, True]
    with pytest.raises(ConfigError, match="no dead letter"):
        letters.redrive(["9:9"])
