"""Tier 6: what the pods of `values-cpu.yaml` would run is run, with a real broker and a real database: commands,
environment and probes as rendered, one clip through all of it to a webhook, and SIGTERM at the end."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from kafka.structs import TopicPartition

from pipeline.contracts.bus import Topic
from pipeline.settings import BusSettings
from pipeline.transport.kafka import KafkaBus
from tests.deployments.helm.renderings import rendered
from tests.support.broker import free_port, running_broker
from tests.support.chart_processes import Container, Node
from tests.support.chart_ray import RayCluster
from tests.support.kubernetes import processes_of
from tests.support.processes import wait_until
from tests.support.store import PostgresServer

STAGES = {"watchers", "reasoners", "alerting"}
PATIENCE_SECONDS = 300.0
"""For what has no limit of its own in the chart: Serve's applications, and the test pod's own 240 s of waiting."""
STARTED = {
    "StatefulSet/sightline-ingest/ingest",
    "Deployment/sightline-console/console",
    "RayService/sightline/head/ray",
    "RayService/sightline/cpu/ray",
    "Pod/sightline-test/check",
    "Pod/sightline-test/clip",
}
NOT_RUN = {"autoscaler", "wait-gcs-ready"}
"""KubeRay's own containers: the first asks the API server for workers, the second waits for the head."""
RAY_TOLD_TO_END = 1
"""What `ray start --block` ends with on SIGTERM, drained or not (`ray._private.node`)."""


class Log:
    """What happened, with seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {line}", flush=True)


@contextmanager
def _node(database_url: str, alerts: int) -> Iterator[Node]:
    """A machine with a broker and nothing running yet. `alerts` is the port of the test pod's webhook."""
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as folder, running_broker() as broker:
        outside = {
            "kafka-kafka-bootstrap.kafka.svc:9092": f"127.0.0.1:{broker}",
            "sightline-test.video.svc:8080": f"127.0.0.1:{alerts}",
            "s3://sightline-evidence": f"{folder}/evidence",
            "rtsp://viewer:${CAMERA_PASSWORD}@camera-1.example.org/stream": "synthetic:yard?seed=2&seconds=600",
        }
        secret = {"SIGHTLINE_DATABASE_URL": database_url, "CAMERA_PASSWORD": "c", "WEBHOOK_SECRET": "whsec_" + "A" * 32}
        node = Node(Path(folder), rendered("cpu"), outside, {"sightline": secret})
        try:
            yield node
        finally:
            node.stop()


def _start(node: Node, log: Log) -> tuple[RayCluster, Container]:
    """All pods of the release, ready by their own probes."""
    ray = RayCluster(node, uuid.uuid4().hex)
    ray.start_head()
    ingest = node.start("sightline-ingest/ingest")
    log.say(f"ingest: startup and readiness probe answered after {ingest.wait_until_ready():.1f} s")
    ray.head.wait_until_ready()
    log.say("head: startup and readiness probe answered")
    ray.start_worker()
    log.say(f"worker: startup and readiness probe answered after {ray.worker.wait_until_ready():.1f} s")
    ray.deploy()
    wait_until(lambda: ray.applications() == dict.fromkeys(STAGES, "RUNNING"), PATIENCE_SECONDS, "Serve")
    log.say(f"serveConfigV2 handed to the head: {', '.join(sorted(STAGES))} RUNNING")
    return ray, ingest


def _helm_test(node: Node, alerts: int, log: Log) -> list[int]:
    """Exit statuses of the test pod's two containers, one after the other."""
    check = node.start("/check")
    statuses = [check.wait(60)]
    log.say(f"test pod, check: exit status {statuses[0]}: {check.said().strip().splitlines()[-1]}")
    clip = node.start("/clip", ports={8080: alerts})
    clip.wait_until_ready()
    statuses.append(clip.wait(PATIENCE_SECONDS))
    log.say(f"test pod, clip: exit status {statuses[1]}: {clip.said().strip().splitlines()[-1]}")
    return statuses


def _stop(log: Log, *containers: Container) -> dict[str, int]:
    """Exit statuses, all told to end at once as when a release is deleted."""
    for container in containers:
        container.send_sigterm()
    statuses = {}
    for container in containers:
        ended = container.ended()
        name = container.process.name
        statuses[name] = ended.status
        log.say(f"SIGTERM {name}: exit status {ended.status} after {ended.seconds:.1f} s of {ended.grace_seconds} s")
    return statuses


def _undecided(node: Node, database_url: str) -> int:
    """Frames that the watchers' group has committed, and of which the ledger holds no decision: 0 after a drain, which
    writes the decisions of its last second and commits what it has finished."""
    bus = KafkaBus(BusSettings(servers=node.outside["kafka-kafka-bootstrap.kafka.svc:9092"]), "test")
    consumer = bus.consumer("watchers")
    name, num_frames = bus.topic_name(Topic.FRAMES), 0
    for number in consumer.partitions_for_topic(name):
        partition = TopicPartition(name, number)
        if committed := consumer.committed(partition):
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            while consumer.position(partition) < committed:
                for record in consumer.poll(500).get(partition, ()):
                    num_frames += record.offset < committed and bool(record.value)  # without value: the end of a file
    consumer.close(autocommit=False)
    with psycopg.connect(database_url) as connection:
        decided = connection.execute("SELECT sum(count) FROM decisions WHERE gate = 'sampling'").fetchone()
    assert num_frames > 0
    assert decided is not None
    print(f"          frames committed {num_frames}, decided {decided[0]}")
    return max(0, num_frames - int(decided[0]))


def _print_table(node: Node) -> None:
    print(f"replaced on this machine ({len(node.outside)} addresses, {len(node.mapped)} paths and ports):")
    for what, here in {**node.outside, **node.mapped}.items():
        print(f"    {what} -> {here.replace(str(node.folder), 'FOLDER')}")


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_what_the_pods_would_run_takes_a_clip_to_a_webhook(postgres: PostgresServer) -> None:
    """Every pod becomes ready and stays alive by its own probes, the test pod ends with 0, and SIGTERM ends each within
    its grace period, the stages drained."""
    url, alerts, log = postgres.new_database(), free_port(), Log()
    with _node(url, alerts) as node:
        ray, ingest = _start(node, log)
        assert _helm_test(node, alerts, log) == [0, 0]
        console = node.start("sightline-console/console")
        log.say(f"console: startup and readiness probe answered after {console.wait_until_ready():.1f} s")
        pods = (ingest, console, ray.worker, ray.head)
        assert [pod.answers("livenessProbe") for pod in pods] == [True, True, True, True]
        log.say("liveness probes of ingest, console, worker and head answered")
        statuses = _stop(log, *pods)
        assert [statuses[pod.process.name] for pod in pods] == [0, 0, RAY_TOLD_TO_END, RAY_TOLD_TO_END]
        assert _undecided(node, url) == 0
        _print_table(node)


def test_every_container_is_run_or_named() -> None:
    """What values-cpu.yaml renders and KubeRay adds: each is started above, but for two of KubeRay's own."""
    names = {process.name for process in processes_of(rendered("cpu"))}
    assert {name for name in names if name.rpartition("/")[2] in NOT_RUN} | STARTED == names
    print(f"tier 6: {len(STARTED)} of {len(names)} containers run; not run: {', '.join(sorted(NOT_RUN))}")
