"""Reasoners and alerting services as separate processes would have them: on one database, one broker, one receiver."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from pipeline.alerting.policy import DeliveryPolicy, rules_and_channels
from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import SystemClock
from pipeline.contracts.bus import CandidateMessage, Record, Topic
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter, IncidentStatus
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.budget import make_admission
from pipeline.reasoning.model import load_model
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.alerting import AlertingService
from pipeline.runtime.reasoner import ReasonerService
from pipeline.settings import BusSettings, load_settings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.ledger import Ledger, SqlDecisionStore
from pipeline.store.outbox import SqlOutbox
from pipeline.telemetry import Metrics
from pipeline.transport.codec import contract_record, read_contract
from pipeline.transport.kafka import KafkaBus
from tests.support.local import site_of
from tests.support.reasoning import jpeg
from tests.support.store import START, make_candidate, seconds

GIVE_UP_SECONDS = 60.0
"""A test that waits longer than this for something has failed."""
_PICTURE = "gate/frame.jpg"
_SITE = """
site: {{name: shared}}
models: {{vlm: "{vlm}"}}
cameras: [{{id: gate, url: gate.mp4}}, {{id: yard, url: yard.mp4}}]
rules: [{{id: climb, track: {{object: any, count_above: 0}}, verify: vlm, notify: [guards]}}]
channels: {{guards: {{webhook: "{webhook}", allow_private: true}}}}
settings: {{alerting: {{workers: 16, retry_from: 0.1s, retry_to: 0.5s}}, reasoning: {{workers: 4}}}}
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    tick = threading.Event()
    until = time.monotonic() + GIVE_UP_SECONDS
    while not is_so():
        assert time.monotonic() < until, "it never came true"
        tick.wait(0.02)


class Plant:
    """One database, one broker, one site; each service on them has connections of its own, and stops at the end."""

    def __init__(
        self, url: str, broker: int, folder: Path, webhook: str, vlm: str = "none", prefix: str | None = None
    ) -> None:
        """`broker` is a port; `vlm` as in a site file; `prefix` of the topics and groups, by default its own."""
        self.url = url
        self.site = site_of(_SITE.format(webhook=webhook, vlm=vlm))
        self.settings = load_settings(self.site.settings)
        self.prefix = prefix or uuid.uuid4().hex
        self.bus = KafkaBus(bus_settings(broker, self.prefix), "test")
        self.evidence = FsspecEvidenceStore(str(folder))
        self.evidence.put(_PICTURE, jpeg())
        self.database = Database(url)
        self.incidents = SqlIncidentStore(self.database, has_bus=True)
        self.outbox = SqlOutbox(self.database)
        self.policy = DeliveryPolicy(*rules_and_channels(self.site))
        self._closing = ExitStack()
        self._closing.callback(self.database.close)

    def __enter__(self) -> Plant:
        self.bus.ensure_topics()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def reasoner(self) -> ReasonerService:
        """A started reasoner service."""
        database, clock, reasoning = Database(self.url), SystemClock(), self.settings.reasoning
        model = load_model(self.site.models.vlm, reasoning, api_key=None)
        store = SqlIncidentStore(database, has_bus=True)
        service = ReasonerService(
            self.bus,
            self.site,
            store,
            IncidentRecorder(store, self.policy, clock),
            self.evidence,
            VlmReasoner(model, reasoning, clock) if model else None,
            Ledger(SqlDecisionStore(database)),
            coverage=SqlCoverageStore(database),
            live_cameras=[],
            workers=reasoning.workers,
            metrics=Metrics(),
            clock=clock,
            linking=self.settings.linking,
            admission=make_admission(self.site.models.vlm, reasoning, clock),
            on_close=[database.close],
        )
        self._closing.callback(service.stop, 2.0)
        service.start()
        return service

    def alerting(self) -> AlertingService:
        """A started alerting service."""
        database = Database(self.url)
        service = AlertingService(
            self.bus,
            SqlOutbox(database),
            WebhookSender(self.site.site.name, self.site.site.timezone).send,
            self.site.channels,
            self.settings.alerting,
            Ledger(SqlDecisionStore(database)),
            metrics=Metrics(),
            clock=SystemClock(),
            on_close=[database.close],
        )
        self._closing.callback(service.stop, 2.0)
        service.start()
        return service

    def publish(self, *messages: CandidateMessage) -> None:
        """Put candidates on the bus."""
        publisher = self.bus.publisher()
        for future in [publisher.publish(Topic.CANDIDATES, *contract_record(message)) for message in messages]:
            future.result(GIVE_UP_SECONDS)
        publisher.close()

    def publish_raw(self, value: bytes, **headers: str) -> None:
        """Put anything on the topic of candidates."""
        publisher = self.bus.publisher()
        publisher.publish(Topic.CANDIDATES, "gate", value, headers).result(GIVE_UP_SECONDS)
        publisher.close()

    def stored(self, *statuses: IncidentStatus) -> list[Incident]:
        """The incidents, newest first; those of some statuses only, if any are named."""
        return self.incidents.find(IncidentFilter(statuses=statuses, limit=10_000))

    def records(self, topic: Topic) -> list[Record]:
        """All that stands on a topic now."""
        with closing_consumer(self.bus) as consumer:
            name = self.bus.topic_name(topic)
            numbers = consumer.partitions_for_topic(name) or ()
            consumer.assign([TopicPartition(name, number) for number in numbers])
            ends = consumer.end_offsets(consumer.assignment())
            consumer.seek_to_beginning()
            found: list[Record] = []
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                for batch in consumer.poll(500).values():
                    found += [self.bus.record(message) for message in batch]
        return found

    def news(self) -> list[IncidentChange]:
        """The changes on the topic `incidents`, those of one incident in the order in which they stand there."""
        return [read_contract(record, IncidentChange) for record in self.records(Topic.INCIDENTS)]


def bus_settings(port: int, prefix: str) -> BusSettings:
    return BusSettings(servers=f"127.0.0.1:{port}", prefix=prefix, partitions=4, session_timeout=6.0)


@contextmanager
def closing_consumer(bus: KafkaBus) -> Iterator[KafkaConsumer]:
    consumer = bus.consumer()
    try:
        yield consumer
    finally:
        consumer.close()


def candidate(number: int, camera_id: str = "gate", **changes: object) -> Candidate:
    """One of any number, with a picture."""
    plain = make_candidate(START + seconds(number), camera_id)
    frames = tuple(frame.model_copy(update={"uri": _PICTURE}) for frame in plain.key_frames)
    return plain.model_copy(update={"key_frames": frames, "picture_size": (64, 48), **changes})


def message(number: int, camera_id: str = "gate", *, will_verify: bool = True) -> CandidateMessage:
    """The opening of a candidate, as a watcher tells it."""
    return CandidateMessage(candidate=candidate(number, camera_id), will_verify=will_verify)


def ending(number: int, camera_id: str = "gate") -> CandidateMessage:
    """The end of the same candidate."""
    ended = candidate(number, camera_id, state=CandidateState.CLOSED, ended_at=START + seconds(number + 5))
    return CandidateMessage(candidate=ended, will_verify=True)
