"""What ingest put on a broker, read back by a plain consumer and the codec; and a publisher that follows a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from pipeline.app.ingest import build_ingest
from pipeline.contracts.bus import Partition, PublishedFrame, Record, StreamEnd, Topic
from pipeline.runtime.ingest.service import IngestService, IngestSummary
from pipeline.settings import Settings, load_settings
from pipeline.transport.codec import read_frame_record
from pipeline.transport.kafka import KafkaBus
from tests.support.ingest import wait_for
from tests.support.local import site_of

_MAX_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """One record of `frames` as it was read."""

    record: Record
    message: PublishedFrame | StreamEnd

    @property
    def camera_id(self) -> str:
        return self.record.key

    @property
    def partition(self) -> Partition:
        return self.record.partition


def settings_of(port: int, prefix: str, **sections: object) -> Settings:
    return load_settings(sections, bus={"servers": f"127.0.0.1:{port}", "prefix": prefix, "partitions": 4})


def service_of(cameras: str, settings: Settings, **options: object) -> IngestService:
    """Ingest of `cameras`, YAML in flow style."""
    return build_ingest(site_of(f"cameras: [{cameras}]"), settings, **options)  # type: ignore[arg-type]


def ingest_to_the_end(service: IngestService) -> IngestSummary:
    """Start, wait until all cameras have ended and all is durable, stop."""
    service.start()
    try:
        assert wait_for(lambda: service.is_finished, 30)
        service.check_health()
    finally:
        service.stop(5)
    return service.summary()


def read_back(settings: Settings, until: Callable[[Sequence[Found]], bool] | None = None) -> list[Found]:
    """All that stands on `frames` now, in the order of each partition; or keep reading `until` it is enough."""
    bus = KafkaBus(settings.bus, "reader")
    consumer = bus.consumer()
    try:
        return _read(bus, consumer, until)
    finally:
        consumer.close()


def _read(bus: KafkaBus, consumer: KafkaConsumer, until: Callable[[Sequence[Found]], bool] | None) -> list[Found]:
    name = bus.topic_name(Topic.FRAMES)
    partitions = [TopicPartition(name, number) for number in range(bus.settings.partitions)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found: list[Found] = []
    deadline = time.monotonic() + 20
    while until(found) is False if until else any(consumer.position(each) < ends[each] for each in partitions):
        assert time.monotonic() < deadline, f"only {len(found)} records in 20 s"
        for messages in consumer.poll(timeout_ms=100).values():
            records = [bus.record(message) for message in messages]
            found += [Found(record, read_frame_record(record, _MAX_BYTES)) for record in records]
    return found


def frames_of(found: Sequence[Found], camera_id: str) -> list[PublishedFrame]:
    """One camera's frames, without its end."""
    messages = [each.message for each in found if each.camera_id == camera_id]
    return [message for message in messages if isinstance(message, PublishedFrame)]


def sequences_of(found: Sequence[Found], camera_id: str) -> list[int]:
    return [published.frame.sequence for published in frames_of(found, camera_id)]


class ScriptedPublisher:
    """A `Publisher` that keeps what it took. The script gives each publish in turn an error, `None` for success,
    or leaves it open with `...`; after the script all succeed."""

    def __init__(self, script: Sequence[Exception | None] = ()) -> None:
        self.taken: list[tuple[str, bytes]] = []
        """(key, value) of what succeeded, in order."""
        self.num_tries = 0
        self._script = iter(script)

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        self.num_tries += 1
        outcome = next(self._script, None)
        future: Future[None] = Future()
        if outcome is None:
            self.taken.append((key, value))
            future.set_result(None)
        else:
            future.set_exception(outcome)
        return future

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close."""
