"""What is wrong with cameras reaches the bus from ingest; and cameras come and go while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.contracts.bus import CandidateMessage, Topic
from pipeline.contracts.coverage import Layer
from pipeline.ingest.pace import Pace
from pipeline.runtime.ingest.service import IngestService
from pipeline.settings import Settings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.transport.codec import read_contract
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.tail import read_since
from tests.support.broker import free_port, running_broker
from tests.support.ingest import mjpeg_camera, wait_for
from tests.support.local import site_of
from tests.support.published import service_of, settings_of

SCENE = "{id: yard, url: 'synthetic:yard?seed=3&seconds=60&fps=5&size=320x180'}"
IMPATIENT = {"connect_timeout": 1, "read_timeout": 1, "retry_from": 0.2, "retry_to": 0.4}


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


@contextmanager
def running(service: IngestService) -> Iterator[IngestService]:
    service.start()
    try:
        yield service
    finally:
        service.stop(10)


def troubles(settings: Settings) -> list[CandidateMessage]:
    """What stands on `candidates`."""
    records = read_since(KafkaBus(settings.bus, "reader"), Topic.CANDIDATES, datetime.now(UTC) - timedelta(hours=1))
    return [read_contract(record, CandidateMessage) for record in records]


def states(settings: Settings) -> list[tuple[str, str, str]]:
    """(camera, condition, state) of what stands there without clips."""
    return [
        (each.candidate.camera_id, str(each.candidate.condition), each.candidate.state.value)
        for each in troubles(settings)
        if not each.clip_uri
    ]


def test_a_camera_that_is_away_is_told_and_its_return_too(broker: int, tmp_path: Path) -> None:
    """One candidate opens and the same one closes, with the last good picture; the hole is in the coverage."""
    url = f"sqlite:///{tmp_path}/sightline.db"
    settings = settings_of(broker, "away", ingest=IMPATIENT, data_dir=tmp_path, database_url=url)
    port = free_port()
    camera = f'{{id: door, url: "http://127.0.0.1:{port}/", health: {{offline: 1s, black: "off", covered: "off"}}}}'
    with running(service_of(camera, settings)):
        with mjpeg_camera(port=port):
            assert wait_for(lambda: service_is_up(settings), 30)
        assert wait_for(lambda: states(settings) == [("door", "offline", "opened")], 30)
        with mjpeg_camera(port=port):
            assert wait_for(lambda: ("door", "offline", "closed") in states(settings), 30)
    told = troubles(settings)
    assert len({each.candidate.id for each in told}) == 1
    assert not any(each.will_verify for each in told)
    assert told[0].snapshot_uri
    assert told[0].candidate.key_frames[0].uri
    database = Database(url)
    now = datetime.now(UTC)
    found = SqlCoverageStore(database).between(None, now - timedelta(hours=1), now)
    database.close()
    assert {each.reason for each in found if each.layer is Layer.PICTURES} >= {"", "offline"}


def service_is_up(settings: Settings) -> bool:
    """Whether a frame stands on the bus."""
    records = read_since(KafkaBus(settings.bus, "reader"), Topic.FRAMES, datetime.now(UTC) - timedelta(hours=1))
    return sum(1 for _ in records) > 5


def test_cameras_come_and_go(broker: int) -> None:
    """One that is added is published, one that is removed is not any more; what was open on it is closed."""
    settings = settings_of(broker, "come-and-go", ingest=IMPATIENT)
    away = "{id: gone, url: 'http://127.0.0.1:9/', health: {offline: 1s}}"
    service = service_of(f"{away}, {SCENE}", settings, pace=Pace(speed=1.0))
    with running(service):
        assert wait_for(lambda: ("gone", "offline", "opened") in states(settings), 30)
        service.follow(site_of(f"cameras: [{SCENE}, {SCENE.replace('yard,', 'more,', 1)}]"))
        assert wait_for(lambda: ("gone", "offline", "closed") in states(settings), 30)
        assert wait_for(lambda: service.stats()["cameras_up"] == 2, 30)
    summary = service.summary()
    assert summary.cameras == 2
    assert summary.frames_published > 0
