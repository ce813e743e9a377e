"""Frames a second from Kafka to committed offset, with models that take no time: what the runtime itself costs.

Naive: a consumer that makes one Serve request a frame, 64 at a time, and commits when all are answered. This
pipeline: the real watcher, whose frames go to the real encoder's host in calls of up to a batch. Both are one process
each, with one replica of an encoder, on frames that are on the bus already. They take turns, and each turn is a
consumer group of its own that begins at the first frame; its rate is the slope from its first commit to its last.

The gate's work on pixels is taken out of this pipeline (each frame counts as moving), for the naive one has no gate;
the rate with it is given for information. Added latency is from a record's time on the bus to its completion, with
frames that come at a rate far under what either side can take.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from measure import parser, save, show, spread

from pipeline.app.serve_config import ENCODER, serve_config
from pipeline.contracts.bus import PublishedFrame, Record, Topic
from pipeline.contracts.frame import Motion, SampledFrame
from pipeline.contracts.values import Box
from pipeline.runtime.serving.ray_cluster import RUNNING, RayCluster
from pipeline.runtime.serving.served import ServedVision, calls_of
from pipeline.runtime.serving.sizing import MESSAGE_VARIABLE, call_limits
from pipeline.sampling import sampler
from pipeline.sampling.gate import Look
from pipeline.settings import Settings, load_settings
from pipeline.site import load_site
from pipeline.transport.codec import read_frame_record
from pipeline.transport.kafka import KafkaBus

import ray  # isort: skip - after `ray_cluster`, which keeps it from reporting home
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition  # isort: skip
from ray import serve  # isort: skip
from simulated import Camera, broker, cpu_of_offspring, pictures, publish_all, publish_paced, watcher, write_site
from toy_models import NAIVE, application_of, naive_application, with_toy_models

SIZE_PX = (640, 360)
CAMERAS = 12
FPS = 5.0
"""Of each camera, by the times of its frames."""
NAIVE_AT_ONCE = 64
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.05
PROCESSES = {
    "::WatcherSide": "consumer",
    "::NaiveSide": "consumer",
    "::ServeReplica": "encoder",
    "tansu": "broker",
    "raylet": "Ray itself",
    "gcs_server": "Ray itself",
    "::ServeController": "Ray itself",
}
"""By a part of their command lines."""


class EverythingMoves:
    """In place of the gate: no look at the pixels, and one region that moves."""

    def __init__(self, _: object) -> None: ...

    def look_at(self, _luma: object, _at: datetime, width_px: int, height_px: int) -> Look:
        box = Box(0.0, 0.0, width_px / 4, height_px / 4)
        return Look(Motion((box,), 0.06, is_global=False), np.zeros((36, 64), np.uint8))


class WatcherSide:
    """This pipeline, in a process of Ray's."""

    def __init__(self, site_path: str, group: str, prefix: str, *, has_gate: bool) -> None:
        if not has_gate:
            sampler.luma_of = lambda _: np.zeros((1, 1), np.uint8)  # type: ignore[assignment]
            sampler.MotionGate = EverythingMoves  # type: ignore[assignment, misc]
        site = load_site(Path(site_path))
        settings = settings_of(site_path, prefix)
        vision = ServedVision(call_limits(settings.cluster, settings.bus))
        self._ages: list[float] = []
        self._service = watcher(site, settings, vision, group, self._note)
        self._service.start()

    def ages_seconds(self) -> list[float]:
        """From each record's time on the bus to its completion."""
        return self._ages

    def stop(self) -> None:
        self._service.stop(5.0)

    def _note(self, record: Record) -> None:
        self._ages.append((datetime.now(UTC) - record.published_at).total_seconds())


class NaiveSide:
    """The naive pipeline, in a process of Ray's."""

    def __init__(self, site_path: str, group: str, prefix: str) -> None:
        settings = settings_of(site_path, prefix).bus
        bus = KafkaBus(settings, group)
        self._consumer = KafkaConsumer(
            bus.topic_name(Topic.FRAMES),
            bootstrap_servers=settings.servers,
            group_id=bus.group_name(group),
            session_timeout_ms=round(settings.session_timeout * 1000),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._encoder = serve.get_app_handle(NAIVE)
        self._ages: list[float] = []
        self._is_stopped = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def ages_seconds(self) -> list[float]:
        """As above."""
        return self._ages

    def stop(self) -> None:
        self._is_stopped = True
        self._thread.join()

    async def _run(self) -> None:
        while not self._is_stopped:
            batches = self._consumer.poll(100, max_records=NAIVE_AT_ONCE)
            messages = [message for batch in batches.values() for message in batch]
            await asyncio.gather(*(self._ask(message) for message in messages))
            if messages:
                self._consumer.commit()
        self._consumer.close(autocommit=False)

    async def _ask(self, message: Any) -> None:
        await self._encoder.remote(message.value)
        self._ages.append(time.time() - message.timestamp / 1000)


@dataclass(frozen=True)
class Commits:
    """What one turn committed."""

    frames: int
    seconds: float
    cpu_seconds: dict[str, float]

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    def cpu_ms_a_frame(self) -> dict[str, float]:
        """By process."""
        return {name: seconds / self.frames * 1000 for name, seconds in self.cpu_seconds.items()}


@dataclass(frozen=True)
class Stand:
    """What the turns share."""

    servers: str
    site_path: Path
    environment: dict[str, str]

    @contextmanager
    def side(self, kind: type, prefix: str, group: str, **options: Any) -> Iterator[Any]:
        """A side, reading; a process for itself."""
        actor = ray.remote(kind).options(runtime_env={"env_vars": self.environment}, max_concurrency=1, num_cpus=0.1)
        side = actor.remote(str(self.site_path), group, prefix, **options)
        try:
            yield side
        finally:
            ray.get(side.stop.remote())
            ray.kill(side)

    def settings(self, prefix: str) -> Settings:
        return settings_of(str(self.site_path), prefix)

    def committed(self, prefix: str, group: str) -> Iterator[int]:
        """Frames committed by now, whenever asked."""
        bus = KafkaBus(self.settings(prefix).bus, "looks-on")
        topic, name = bus.topic_name(Topic.FRAMES), bus.group_name(group)
        partitions = [TopicPartition(topic, number) for number in range(bus.settings.partitions)]
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            while True:
                offsets = admin.list_group_offsets({name: partitions})[name]
                yield sum(max(found.offset, 0) for found in offsets.values())


def settings_of(site_path: str, prefix: str) -> Settings:
    """Of the site file, with topics of this prefix."""
    given = load_settings(load_site(Path(site_path)).settings)
    return load_settings(given.model_dump(), bus=given.bus.model_dump() | {"prefix": prefix})


def turn(stand: Stand, kind: type, group: str, num_frames: int, seconds: float, **options: Any) -> Commits:
    """One side from the first frame on, for so long or to the last frame."""
    with stand.side(kind, "full", group, **options):
        committed = stand.committed("full", group)
        wait_until(lambda: next(committed) > 0)
        last = first = next(committed)
        ended = began = time.monotonic()
        cpu = cpu_before = cpu_of_offspring(PROCESSES)
        while time.monotonic() - began < seconds and (now := next(committed)) < num_frames:
            if now > last:
                last, ended, cpu = now, time.monotonic(), cpu_of_offspring(PROCESSES)
            time.sleep(LOOK_SECONDS)
    return Commits(last - first, ended - began, {name: cpu[name] - cpu_before[name] for name in cpu})


def wait_until(is_so: Callable[[], bool]) -> None:
    """`RuntimeError` when it does not happen."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > until:
            raise RuntimeError(f"frames were not committed in {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def latency(stand: Stand, kind: type, group: str, fps: float, seconds: float, **options: Any) -> dict[str, float]:
    """Added latency at a rate that costs no queueing, milliseconds."""
    bus = KafkaBus(stand.settings(group).bus, "paced")
    bus.ensure_topics()
    cameras = [Camera(number, pictures(24, SIZE_PX, grain=0.5), SIZE_PX) for number in range(CAMERAS)]
    with stand.side(kind, group, group, **options) as side:
        committed = stand.committed(group, group)
        num_before = publish_paced(bus, cameras, fps, 1.0)
        wait_until(lambda: next(committed) == num_before)  # joined, and warm
        published = publish_paced(bus, cameras, fps, seconds)
        wait_until(lambda: next(committed) == num_before + published)
        ages = ray.get(side.ages_seconds.remote())[num_before:]
    p50, p99 = (float(value) * 1000 for value in np.percentile(ages, (50, 99)))
    return {"frames": len(ages), "p50_ms": p50, "p99_ms": p99}


def copies(stand: Stand, jpeg: bytes) -> dict[str, int]:
    """A frame followed through our code, from the Kafka client's message to the call: whether each step has the same
    bytes or new ones. Then it is pickled into the request, which gRPC carries and the replica unpickles: once each.
    """
    settings = stand.settings("full")
    wire = Camera(0, [jpeg], SIZE_PX).next(datetime.now(UTC))
    headers = [(name, text.encode()) for name, text in wire.headers.items()]
    bus = KafkaBus(settings.bus, "copies")
    given = {"topic": bus.topic_name(Topic.FRAMES), "partition": 0, "offset": 0, "timestamp": 0, "headers": headers}
    record = bus.record(SimpleNamespace(**given, key=wire.key.encode(), value=wire.value))
    message = read_frame_record(record, settings.bus.max_message_bytes)
    assert isinstance(message, PublishedFrame)
    frame = message.frame
    sampled = SampledFrame(frame, Motion((), 0.0, is_global=False), np.zeros((36, 64), np.uint8), "active")
    call = next(calls_of([sampled], call_limits(settings.cluster, settings.bus)))
    held = (wire.value, record.value, frame.jpeg, call[0].frame.jpeg)  # type: ignore[union-attr]
    return {
        "JPEG": len(jpeg),
        "copied by our code, message to call": sum(len(b) for a, b in itertools.pairwise(held) if a is not b),
        "a frame in a request": len(pickle.dumps(call, pickle.HIGHEST_PROTOCOL)),
    }


def parse() -> Any:
    """The command line."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--quick", action="store_true", help="one round, fewer frames: a check of the script")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--frames", type=int, default=24_000, help="on the bus; each about 20 kB in the broker")
    arguments.add_argument("--seconds", type=float, default=8.0, help="longest turn, from its first commit on")
    arguments.add_argument("--paced-fps", type=float, default=40.0, help="for the latency, all cameras together")
    given = arguments.parse_args()
    if given.quick:
        given.rounds, given.frames, given.seconds = 1, 6_000, 3.0
    return given


@contextmanager
def prepared(num_frames: int) -> Iterator[tuple[Stand, bytes]]:
    """Broker with frames, Ray with both encoders; and one of the pictures."""
    with broker() as (folder, servers):
        site_path = write_site(
            folder,
            CAMERAS,
            {"active_fps": 2 * FPS},
            models={"encoder": "toy"},
            settings={
                "data_dir": str(folder / "data"),
                "log_level": "warning",
                "bus": {"servers": servers, "session_timeout": 6, "late_after": 3600, "fresh_for": 7200},
            },
        )
        (folder / "data").mkdir()
        settings = settings_of(str(site_path), "full")
        bus = KafkaBus(settings.bus, "publishes")
        bus.ensure_topics()
        jpegs = pictures(24, SIZE_PX, grain=0.5)
        publish_all(bus, [Camera(number, jpegs, SIZE_PX) for number in range(CAMERAS)], num_frames, FPS)
        given = application_of(serve_config(load_site(site_path), settings, str(site_path)), ENCODER)
        ours = with_toy_models(given)
        with closing(RayCluster(num_cpus=4)) as cluster:
            cluster.deploy({"proxy_location": "Disabled", "applications": [ours, naive_application()]})
            while not all(application.status == RUNNING for application in cluster.applications()):
                time.sleep(0.2)
            variables = ours["runtime_env"]["env_vars"]
            assert MESSAGE_VARIABLE in variables
            yield Stand(servers, site_path, variables), jpegs[0]


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    given = parse()
    turns: dict[str, list[Commits]] = {"naive": [], "this pipeline": [], "with the gate": []}
    with prepared(given.frames) as (stand, jpeg):
        size = (given.frames, given.seconds)
        for number in range(given.rounds):
            turns["naive"].append(turn(stand, NaiveSide, f"naive-{number}", *size))
            turns["this pipeline"].append(turn(stand, WatcherSide, f"ours-{number}", *size, has_gate=False))
        turns["with the gate"].append(turn(stand, WatcherSide, "gate", *size, has_gate=True))
        paced = (given.paced_fps, given.seconds)
        latencies = {
            "naive": latency(stand, NaiveSide, "paced-naive", *paced),
            "this pipeline": latency(stand, WatcherSide, "paced-ours", *paced, has_gate=False),
            "with the gate": latency(stand, WatcherSide, "paced-gate", *paced, has_gate=True),
        }
        copied = copies(stand, jpeg)
    report(turns, latencies, copied)
    if given.save:
        figures = {"rates": {}, "latency": latencies, "copies": copied}
        for name, each in turns.items():
            figures["rates"][name] = {
                "frames_a_second": [one.rate for one in each],
                "cpu_ms_a_frame": each[len(each) // 2].cpu_ms_a_frame(),
            }
        print("saved", save("cluster_throughput", figures))


def report(turns: dict[str, list[Commits]], latencies: dict[str, dict[str, float]], copied: dict[str, int]) -> None:
    """The tables."""
    naive = statistics.median(one.rate for one in turns["naive"])
    names = [*sorted(set(PROCESSES.values())), "rest"]
    rows = []
    for name, each in turns.items():
        rates = [one.rate for one in each]
        cpu = each[len(each) // 2].cpu_ms_a_frame()
        rows.append((name, spread(rates), statistics.median(rates) / naive, *(cpu[process] for process in names)))
    columns = ("", "frames/s from bus to commit", "times naive", *(f"{name}, CPU ms a frame" for name in names))
    show(f"{CAMERAS} cameras, {copied['JPEG']} bytes a frame", columns, rows)
    show(
        "Latency added, paced", ("", *next(iter(latencies.values()))), [(n, *v.values()) for n, v in latencies.items()]
    )
    show("Bytes", tuple(copied), [tuple(copied.values())])


if __name__ == "__main__":
    main()
