"""Cameras onto a real broker, read back by a plain consumer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline import jpeg
from pipeline.contracts.bus import StreamEnd
from pipeline.contracts.decision import Gate
from pipeline.errors import ConfigError
from pipeline.ingest.pace import Pace
from pipeline.runtime.ingest.shard import Shard
from pipeline.store.database import Database
from pipeline.store.ledger import SqlDecisionStore
from pipeline.telemetry import Metrics
from tests.support.broker import free_port, running_broker
from tests.support.ingest import wait_for, write_video
from tests.support.published import (
    frames_of,
    ingest_to_the_end,
    read_back,
    sequences_of,
    service_of,
    settings_of,
)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
FAST = Pace(speed=0.0, start_at=START)


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


def scene(camera_id: str, seconds: float = 4, fps: float = 10, more: str = "") -> str:
    return f"{{id: {camera_id}, url: 'synthetic:yard?seed=3&seconds={seconds}&fps={fps}&size=320x180'{more}}}"


def test_a_frame_stands_on_the_bus_as_it_was_read(broker: int) -> None:
    """JPEG of its size, with the source's number, both times, a producer with its start; no trace unless asked for."""
    settings = settings_of(broker, "as-read")
    ingest_to_the_end(service_of(scene("yard"), settings, pace=FAST))
    published = frames_of(read_back(settings), "yard")
    first, second = published[0].frame, published[1].frame
    assert (first.sequence, first.captured_at, first.pts_seconds) == (0, START, 0.0)
    assert (second.sequence, second.captured_at) == (2, START + timedelta(seconds=0.2))
    assert jpeg.decode(first.jpeg).shape == (180, 320, 3)
    assert (first.width, first.height) == (320, 180)
    started_ms = int(published[0].producer.split("-")[0])
    assert abs(datetime.now(UTC).timestamp() * 1000 - started_ms) < 60_000
    assert len({each.producer for each in published}) == 1
    assert {each.trace for each in published} == {""}


def test_the_rate_is_what_anything_downstream_can_use(broker: int) -> None:
    """The higher of the camera's active rate and the ring's, by the frames' own times."""
    settings = settings_of(broker, "rates", sampling={"ring_fps": 2})
    quick = scene("quick", fps=25, more=", sampling: {active_fps: 10}")
    slow = scene("slow", fps=25, more=", sampling: {active_fps: 1, idle_fps: 0.5}")
    summary = ingest_to_the_end(service_of(f"{quick}, {slow}", settings, pace=FAST))
    found = read_back(settings)
    numbers = [len(frames_of(found, camera)) for camera in ("quick", "slow")]
    assert numbers == [pytest.approx(40, abs=1), pytest.approx(8, abs=1)]  # four seconds; one more at the ends
    assert (summary.frames_read, summary.frames_published) == (200, sum(numbers))


def test_the_end_of_a_file_stands_behind_its_last_frame(broker: int, tmp_path: Path) -> None:
    """Frames in their order, then one end, all of one camera in one partition."""
    clip = write_video(tmp_path / "clip.mp4", num_frames=25)
    settings = settings_of(broker, "end")
    ingest_to_the_end(service_of(f"{{id: clip, url: '{clip}'}}, {scene('yard')}", settings, pace=FAST))
    found = read_back(settings)
    for camera in ("clip", "yard"):
        records = [each for each in found if each.camera_id == camera]
        assert len({each.partition for each in records}) == 1
        assert [isinstance(each.message, StreamEnd) for each in records] == [False] * (len(records) - 1) + [True]
        numbers = sequences_of(found, camera)
        assert all(before < after for before, after in pairwise(numbers))
        assert len(numbers) > 10


def test_masks_are_black_before_a_frame_leaves(broker: int) -> None:
    """What a mask hides cannot be had from the bus."""
    settings = settings_of(broker, "masks")
    masked = scene("yard", 1, more=", masks: [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]")
    ingest_to_the_end(service_of(masked, settings, pace=FAST))
    picture = jpeg.decode(frames_of(read_back(settings), "yard")[0].frame.jpeg)
    assert picture[:, :150].max() <= 8  # JPEG's own noise beside the edge of the mask
    assert picture[:, 170:].mean() > 30


def test_two_shards_together_publish_every_camera_once(broker: int) -> None:
    """Each camera comes from exactly one of the two."""
    settings = settings_of(broker, "shards")
    cameras = ", ".join(scene(f"cam-{number}", 0.5) for number in range(6))
    for index in range(2):
        ingest_to_the_end(service_of(cameras, settings, pace=FAST, shard=Shard(index, 2)))
    producers: dict[str, set[str]] = {}
    for each in read_back(settings):
        producers.setdefault(each.camera_id, set()).add(each.message.producer)
    assert sorted(producers) == [f"cam-{number}" for number in range(6)]
    assert all(len(names) == 1 for names in producers.values())
    assert len(set().union(*producers.values())) == 2


def test_a_frame_too_large_is_counted_and_the_other_cameras_go_on(broker: int, tmp_path: Path) -> None:
    """One camera's frames are refused by name; the other's are all there."""
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    path = tmp_path / "noise.avi"
    _write_pictures(path, noise, 3)
    settings = settings_of(broker, "large", sampling={"jpeg_quality": 100})
    bus = settings.bus.model_copy(update={"max_message_bytes": 1_000_000})
    metrics = Metrics()
    service = service_of(
        f"{{id: noise, url: '{path}'}}, {scene('yard')}", settings.model_copy(update={"bus": bus}), pace=FAST,
        metrics=metrics,
    )  # fmt: skip
    summary = ingest_to_the_end(service)
    found = read_back(settings)
    assert (frames_of(found, "noise"), len(frames_of(found, "yard"))) == ([], 20)
    assert summary.frames_refused == 1
    assert metrics.registry.get_sample_value(
        "sightline_invalid_items_total", {"stage": "ingest", "reason": "refused by the broker"}
    )


def test_what_was_published_is_measured(broker: int) -> None:
    """Counters by camera, and the summary adds them up."""
    metrics = Metrics()
    settings = settings_of(broker, "metrics")
    summary = ingest_to_the_end(service_of(scene("yard"), settings, pace=FAST, metrics=metrics))
    value = metrics.registry.get_sample_value
    assert value("sightline_frames_read_total", {"camera": "yard"}) == summary.frames_read == 40
    assert value("sightline_frames_published_total", {"camera": "yard"}) == summary.frames_published == 20
    assert value("sightline_bytes_published_total", {"camera": "yard"}) == summary.bytes_published
    assert value("sightline_camera_up", {"camera": "yard"}) == 0


def test_a_camera_that_cannot_be_read_is_named_and_the_others_go_on(broker: int, tmp_path: Path) -> None:
    """Its failure stands in the summary and, with a database, in the ledger."""
    url = f"sqlite:///{tmp_path / 'sightline.db'}"
    settings = settings_of(broker, "gone").model_copy(update={"database_url": url})
    summary = ingest_to_the_end(service_of(f"{{id: gone, url: /gone.mp4}}, {scene('yard')}", settings, pace=FAST))
    assert summary.failures[0].startswith("gone: ")
    assert summary.frames_published == 20
    database = Database(url)
    now = datetime.now(UTC)
    told = SqlDecisionStore(database).between("gone", now - timedelta(minutes=5), now + timedelta(minutes=5))
    database.close()
    assert [(count.gate, count.reason) for count in told] == [(Gate.CAMERA, "cannot be read")]


def test_a_live_camera_that_does_not_answer_is_tried_again_and_no_fault(broker: int) -> None:
    """The service stays healthy, counts it as not up, and the other camera is published."""
    settings = settings_of(broker, "down")
    service = service_of(
        f"{{id: down, url: 'http://127.0.0.1:{free_port()}/video'}}, {scene('yard')}", settings, pace=FAST
    )
    service.start()
    try:
        assert wait_for(lambda: service.stats()["frames_published"] == 20)
        service.check_health()
        assert (service.stats()["cameras_up"], service.is_finished) == (0, False)
    finally:
        service.stop(5)
    assert service.summary().failures == ()


@pytest.mark.shared
def test_a_real_clip_keeps_its_own_times(broker: int, shared: Path) -> None:
    """Twelve frames a second for fifty seconds become five a second, timed by the container."""
    settings = settings_of(broker, "real")
    clip = shared / "videos" / "intel_people-detection.mp4"
    ingest_to_the_end(service_of(f"{{id: clip, url: '{clip}'}}", settings, pace=FAST))
    times = [(each.frame.captured_at - START).total_seconds() for each in frames_of(read_back(settings), "clip")]
    assert (times[0], times[-1]) == (0.0, pytest.approx(49.5, abs=0.5))
    assert len(times) == pytest.approx(5 * times[-1], abs=2)
    assert all(0.1 < after - before < 0.3 for before, after in pairwise(times))


def test_a_database_that_cannot_work_does_not_stop_the_video(broker: int, tmp_path: Path) -> None:
    """The ledger is lost, the frames are not."""
    settings = settings_of(broker, "no-db").model_copy(update={"database_url": f"sqlite:///{tmp_path}/no/folder/db"})
    service = service_of(f"{{id: gone, url: /gone.mp4}}, {scene('yard')}", settings, pace=FAST)
    assert ingest_to_the_end(service).frames_published == 20


def test_stopping_a_file_in_its_middle_is_not_its_end(broker: int) -> None:
    """What was read is published; the stream stays open, since whoever starts again begins it anew."""
    settings = settings_of(broker, "stopped")
    service = service_of(scene("yard", 3600), settings, pace=Pace(speed=1.0))
    service.start()
    try:
        read_back(settings, until=lambda found: len(found) >= 3)
        assert service.stats()["cameras_up"] == 1
    finally:
        service.stop(10)
    found = read_back(settings)
    assert len(found) == service.summary().frames_published
    assert not any(isinstance(each.message, StreamEnd) for each in found)
    assert service.summary().records_unsent == 0


def test_without_a_broker_named_nothing_starts() -> None:
    """The message names the setting."""
    settings = settings_of(free_port(), "none")
    nameless = settings.model_copy(update={"bus": settings.bus.model_copy(update={"servers": ""})})
    with pytest.raises(ConfigError, match="KAFKA_BOOTSTRAP_SERVERS"):
        service_of(scene("yard"), nameless)


def _write_pictures(path: Path, picture: np.ndarray, number: int) -> None:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (picture.shape[1], picture.shape[0]))
    for _ in range(number):
        writer.write(picture)
    writer.release()
