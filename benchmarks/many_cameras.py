"""A thousand cameras, a frame each ten seconds, through one machine: memory that stays, and nobody left waiting.

A broker, a process that publishes, and one watcher with the motion detector, its database and its ledger; no Ray.
Pictures are small, and through each camera's something walks now and then. Printed are the watcher's resident memory
over time and a camera's share of it; how long each camera's oldest frame waited, from the bus to the decision, for the
median and the worst camera; and the frames that were lost. The first minute, in which all is new, does not count.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import ROOT, parser, save, show
from simulated import Camera, broker, cpu_seconds, pictures, publish_paced, resident_mib, watcher, write_site

from pipeline.contracts.bus import Record
from pipeline.perception.detector import MotionDetector
from pipeline.perception.vision import LocalVision
from pipeline.settings import load_settings
from pipeline.site import load_site
from pipeline.telemetry import Metrics
from pipeline.transport.kafka import KafkaBus

SIZE_PX = (320, 180)
INTERVAL_SECONDS = 10.0
STILL, WALKING = 12, 6
"""Frames without and with somebody in them, in turn; each camera begins somewhere else."""
WARM_UP_SECONDS = 60.0
"""As long as the ring looks back, and some."""
LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


class Ages:
    """How long the frames of each camera waited."""

    def __init__(self) -> None:
        self.frames = 0
        self.since: datetime | None = None
        """Frames published before do not count; None: all."""
        self.by_camera: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))
        self._lock = threading.Lock()

    def note(self, record: Record) -> None:
        """A record is done."""
        with self._lock:
            self.frames += 1
            if self.since is None or record.published_at >= self.since:
                self.by_camera[record.key].append((datetime.now(UTC) - record.published_at).total_seconds())


def watch(site_path: Path) -> None:
    """The watcher's process: reads `warm` and then the number of frames from standard input, prints what it saw."""
    site = load_site(site_path)
    settings = load_settings(site.settings)
    ages, metrics = Ages(), Metrics()
    vision = LocalVision(MotionDetector(settings.perception), None, settings.perception)
    service = watcher(site, settings, vision, "watchers", ages.note, metrics)
    service.start()
    while not service.stats()["partitions"]:
        time.sleep(0.1)
    print("joined", flush=True)
    sys.stdin.readline()
    ages.since = datetime.now(UTC)
    ages.by_camera.clear()
    expected = int(sys.stdin.readline())
    until = time.monotonic() + PATIENCE_SECONDS
    while ages.frames < expected and time.monotonic() < until:
        time.sleep(0.1)
    service.check_health()
    service.stop(5.0)
    counts = {"done": ages.frames} | {name: total(metrics, name) for name in ("sampled", "dropped", "skipped")}
    print(json.dumps({"counts": counts, "ages": {name: list(each) for name, each in ages.by_camera.items()}}))


def total(metrics: Metrics, what: str) -> int:
    """Of all cameras and reasons."""
    name = f"sightline_frames_{what}_total"
    return int(sum(s.value for family in metrics.registry.collect() for s in family.samples if s.name == name))


def simulated(number: int) -> list[Camera]:
    """The cameras, each at its own place of the same round of pictures."""
    still = pictures(STILL, SIZE_PX, grain=0.0, moves=False)
    jpegs = [*still, *pictures(WALKING, SIZE_PX, grain=0.0)]
    turned = [[*jpegs[at:], *jpegs[:at]] for at in range(len(jpegs))]
    return [Camera(each, turned[each % len(turned)], SIZE_PX) for each in range(number)]


class Memory(threading.Thread):
    """Looks at a process's resident memory every few seconds."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="memory", daemon=True)
        self._pid = pid
        self._began = time.monotonic()
        self._over = threading.Event()
        self.samples: list[tuple[float, float]] = []
        """Seconds and MiB."""

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.samples.append((time.monotonic() - self._began, resident_mib(self._pid)))

    def stop(self) -> None:
        self._over.set()
        self.join()


def run(num_cameras: int, minutes: float, warm_up_seconds: float) -> dict[str, Any]:
    """All of it; what came out."""
    with broker() as (folder, servers):
        bus_settings = {"servers": servers, "session_timeout": 6}
        given = {"data_dir": str(folder / "data"), "log_level": "warning", "bus": bus_settings}
        site_path = write_site(folder, num_cameras, {}, settings=given)
        (folder / "data").mkdir()
        bus = KafkaBus(load_settings(load_site(site_path).settings).bus, "cameras")
        bus.ensure_topics()
        cameras, fps = simulated(num_cameras), num_cameras / INTERVAL_SECONDS
        command = [sys.executable, __file__, "--watch", str(site_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            empty_mib = resident_mib(child.pid)
            memory = Memory(child.pid)
            memory.start()
            published = publish_paced(bus, cameras, fps, warm_up_seconds)
            print("warm", file=child.stdin, flush=True)
            cpu_before = cpu_seconds(child.pid)
            measured = publish_paced(bus, cameras, fps, 60 * minutes - warm_up_seconds)
            cpu = cpu_seconds(child.pid) - cpu_before
            memory.stop()
            said, _ = child.communicate(f"{published + measured}\n")
            seen = json.loads(said.splitlines()[-1])
    counts = {"published": published + measured, **seen["counts"]}
    return {
        "counts": {**counts, "lost": counts["published"] - counts["done"] + counts["dropped"]},
        "memory": memory_figures(empty_mib, memory.samples, warm_up_seconds, num_cameras),
        "ages": age_figures(list(seen["ages"].values())),
        "cpu_ms_a_frame": cpu / measured * 1000,
    }


def memory_figures(
    empty_mib: float, samples: Sequence[tuple[float, float]], warm_up_seconds: float, num_cameras: int
) -> dict[str, float]:
    """Resident memory when it began, once warm, in the middle and at the end, and what a camera has of it."""
    warm = [sample for sample in samples if sample[0] >= warm_up_seconds]
    slope_mib_a_second = statistics.linear_regression(*zip(*warm, strict=True)).slope if len(warm) > 1 else 0.0
    return {
        "empty_mib": empty_mib,
        "warm_mib": warm[0][1],
        "middle_mib": warm[len(warm) // 2][1],
        "end_mib": warm[-1][1],
        "growth_mib_a_minute": 60 * slope_mib_a_second,
        "kib_a_camera": (warm[-1][1] - empty_mib) * 1024 / num_cameras,
    }


def age_figures(by_camera: Sequence[Sequence[float]]) -> dict[str, float]:
    """What frames waited, milliseconds: each camera's oldest, and each camera's median."""
    oldest = sorted(1000 * max(each) for each in by_camera)
    medians = sorted(1000 * statistics.median(each) for each in by_camera)
    every = sorted(1000 * age for each in by_camera for age in each)
    return {
        "cameras": len(by_camera),
        "p50_ms": statistics.median(every),
        "p99_ms": every[int(0.99 * (len(every) - 1))],
        "oldest_of_median_camera_ms": statistics.median(oldest),
        "oldest_of_worst_camera_ms": oldest[-1],
        "worst_to_median": oldest[-1] / statistics.median(oldest),
        "worst_to_median_of_medians": medians[-1] / statistics.median(medians),
    }


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--cameras", type=int, default=1000)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument(
        "--quick", action="store_true", help="one minute of a hundred cameras: a check of the script"
    )
    arguments.add_argument("--watch", type=Path, help="be the watcher of this site file")
    given = arguments.parse_args()
    if given.watch is not None:
        watch(given.watch)
        return
    size = (100, 1.0, 20.0) if given.quick else (given.cameras, given.minutes, WARM_UP_SECONDS)
    figures = run(*size)
    title = f"{size[0]} cameras, a frame each {INTERVAL_SECONDS:g} s, {size[1]:g} minutes"
    for name in ("counts", "memory", "ages"):
        show(f"{title}: {name}", tuple(figures[name]), [tuple(figures[name].values())])
    print(f"processor time of the watcher: {figures['cpu_ms_a_frame']:.2f} ms a frame")
    if given.save:
        print("saved", save("many_cameras", {"cameras": size[0], "minutes": size[1], **figures}))


if __name__ == "__main__":
    main()
