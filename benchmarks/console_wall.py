"""What the wall of live pictures costs, and whether it keeps up with cameras of 1080p at fifteen frames a second.

The console is served by a process of its own; pictures come from memory, each another one, so that what is counted is
the console alone: shrinking, sending, and what it takes of a browser without a graphics card.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from console import opened
from measure import ROOT, parser, save, show
from playwright.sync_api import Browser

sys.path.insert(0, str(ROOT))

from pipeline.console.host import LatestFrame, LiveBox
from pipeline.contracts.coverage import Interval, Layer
from pipeline.scenes import open_scene
from pipeline.site import Site, parse_site
from tests.support.browser import chromium
from tests.support.console_demo import demo_console
from tests.support.console_past import NOW, RunningClock

_SIZE = (1920, 1080)
_PER_SECOND = 15
_WARM_UP_MS = 4_000
_WATCH = """() => {
  window.drawn = {}; window.ages = []; window.long = [];
  for (const image of document.querySelectorAll(".newest")) {
    const camera = image.closest(".view").dataset.camera;
    image.addEventListener("load", () => { window.drawn[camera] = (window.drawn[camera] ?? 0) + 1; });
  }
  setInterval(() => {
    for (const age of document.querySelectorAll(".age-shown")) window.ages.push(parseFloat(age.textContent));
  }, 500);
  new PerformanceObserver((list) => window.long.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "longtask" });
  performance.clearResourceTimings();
  performance.setResourceTimingBufferSize(100000);
}"""
_TOLD = """() => ({
  drawn: window.drawn, ages: window.ages, long: window.long,
  asked: performance.getEntriesByType("resource").filter((one) => one.name.includes("/now?"))
    .map((one) => [one.duration, one.transferSize]),
})"""


class Film:
    """`LiveCameras` with a short film over and over, no picture like another to the last byte."""

    def __init__(self) -> None:
        scene, rng = open_scene("yard", seed=1), np.random.default_rng(1)
        self._pictures = [_jpeg(scene.render(10.0 + number)[0], rng) for number in range(12)]
        self._clock = RunningClock.at(NOW)

    @property
    def mean_bytes(self) -> float:
        return float(np.mean([len(picture) for picture in self._pictures]))

    def latest(self, camera_id: str) -> LatestFrame:
        at = self.taken_at(camera_id)
        picture = self._pictures[int(at.timestamp() * _PER_SECOND) % len(self._pictures)]
        boxes = tuple(
            LiveBox("person", 0.9, number, (0.1 * number, 0.3, 0.1 * number + 0.08, 0.7)) for number in (1, 4)
        )
        return LatestFrame(picture + f"{camera_id}{at.timestamp()}".encode(), at, boxes, at)

    def taken_at(self, _camera_id: str) -> datetime:
        now = self._clock.now().timestamp()
        return datetime.fromtimestamp(int(now * _PER_SECOND) / _PER_SECOND, NOW.tzinfo)


def _jpeg(pixels: np.ndarray, rng: np.random.Generator) -> bytes:
    large = cv2.resize(pixels[:, :, ::-1], _SIZE)
    noisy = np.clip(large + rng.normal(0, 5, large.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def wall_site(number: int) -> Site:
    """So many cameras, each with a zone."""
    camera = "  - {{id: camera-{:02}, url: film.mp4, zones: {{fence: [[0.1, 0.1], [0.6, 0.1], [0.6, 0.7]]}}}}\n"
    return parse_site("cameras:\n" + "".join(camera.format(each) for each in range(number)), "site.yaml", {})


def serve(folder: Path, number: int, told: Connection) -> None:
    """In a process of its own, until told to stop."""
    film, site = Film(), wall_site(number)
    with demo_console(folder, live=film) as console:
        cameras = {camera.id: camera.labels for camera in site.cameras}
        archive = replace(console.host.archive(), cameras=cameras)
        console.app.state.host = replace(console.host, site=lambda: site, archive=lambda: archive)
        hour = timedelta(hours=1)
        console.stores.coverage.extend(
            [Interval(camera_id, layer, NOW - hour, NOW + hour) for camera_id in cameras for layer in Layer]
        )
        told.send((console.url, os.getpid(), film.mean_bytes))
        told.recv()


@contextmanager
def served(folder: Path, number: int) -> Iterator[tuple[str, int, float]]:
    """(address, process, mean bytes of a picture) of a console in another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(folder, number, there))
    process.start()
    yield here.recv()
    here.send("stop")
    process.join()


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(browser: Browser, url: str, pid: int, size: str, seconds: int) -> dict[str, float]:
    """One who looks at the wall on a full HD screen."""
    page = opened(browser, url, "/live")
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.get_by_label("Size of pictures").select_option(size)
    page.wait_for_timeout(_WARM_UP_MS)
    page.evaluate(_WATCH)
    before = cpu_seconds(pid)
    page.wait_for_timeout(1000 * seconds)
    used, told = cpu_seconds(pid) - before, page.evaluate(_TOLD)
    page.context.close()
    return _figures(told, used, seconds)


def _figures(told: dict[str, Any], used_seconds: float, seconds: int) -> dict[str, float]:
    milliseconds, sizes = np.array(told["asked"]).T
    rates = np.array(list(told["drawn"].values())) / seconds
    return {
        "cameras_drawn": len(rates),
        "pictures_a_second_least": float(rates.min()),
        "pictures_a_second_mean": float(rates.mean()),
        "age_seconds_p50": float(np.quantile(told["ages"], 0.5)),
        "age_seconds_p95": float(np.quantile(told["ages"], 0.95)),
        "answer_ms_p95": float(np.quantile(milliseconds, 0.95)),
        "picture_kb": float(sizes.mean() / 1000),
        "sent_mbit_a_second": float(sizes.sum() * 8 / 1e6 / seconds),
        "longest_task_ms": max(told["long"], default=0.0),
        "tasks_over_50_ms": len(told["long"]),
        "server_cores": used_seconds / seconds,
    }


def main() -> None:
    """Measure, show, keep."""
    made = parser(str(__doc__))
    made.add_argument("--cameras", type=int, default=16)
    made.add_argument("--seconds", type=int, default=30)
    given = made.parse_args()
    figures: dict[str, Any] = {"cameras": given.cameras, "seconds": given.seconds}
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), given.cameras) as (url, pid, mean_bytes):
        figures["camera_picture_kb"] = mean_bytes / 1000
        with chromium() as browser:
            for size in ("small", "medium"):
                figures[size] = watch(browser, url, pid, size, given.seconds)
    figures["load"] = os.getloadavg()[0]
    rows = [(name, figures["small"][name], figures["medium"][name]) for name in figures["small"]]
    show(f"{given.cameras} cameras, 1080p of {figures['camera_picture_kb']:.0f} KB", ("", "small", "medium"), rows)
    if given.save:
        save("console_wall", figures)


if __name__ == "__main__":
    main()
