"""The whole path on one machine: speed as a multiple of real time, peak memory, growth of memory.

Runs the local runtime (decode, gate, YOLOX-nano, tracker, rules, database, evidence) on a real clip in a child
process of its own, as fast as possible. `--minutes 60` loops the clip for an hour of media time and prints the
memory every five minutes of it: it must be flat.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from measure import ROOT, SHARED, parser, save, show, spread

from pipeline.app.local import build_local
from pipeline.contracts.incident import IncidentChange
from pipeline.ingest.pace import Pace
from pipeline.settings import load_settings
from pipeline.site import parse_site

COUNTS = ("frames_read", "frames_sampled", "incidents")
SITE = """
models: {{detector: "onnx:{weights}"}}
cameras:
  - id: campus
    url: {clip}
    zones: {{path: [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]]}}
    lines: {{middle: [[0.5, 0.0], [0.5, 1.0]]}}
    sampling: {{active_fps: {fps}}}
rules:
  - {{id: crossing, track: {{object: person, crosses: middle}}, cooldown: 10s}}
  - {{id: staying, track: {{object: person, inside: path, longer_than: 20s}}, cooldown: 60s}}
  - {{id: crowd, track: {{object: person, count_above: 5}}, cooldown: 60s}}
"""


def resident_mib() -> float:
    """This process's resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watcher:
    """Notes memory as media time goes by and stops the run when there was enough of it."""

    def __init__(self, stop: threading.Event, clip_fps: float, max_minutes: float) -> None:
        self.samples: list[tuple[float, float]] = []
        self._stop = stop
        self._clip_fps = clip_fps
        self._max_minutes = max_minutes
        self._next = 0.0

    def progress(self, _camera_id: str, frames_read: int, _expected: int | None) -> None:
        minutes = frames_read / self._clip_fps / 60
        if minutes >= self._next:
            self.samples.append((round(minutes, 1), round(resident_mib(), 1)))
            print(f"# {minutes:.0f} min of video: {resident_mib():.0f} MiB", file=sys.stderr, flush=True)
            self._next += 5.0
        if self._max_minutes and minutes >= self._max_minutes:
            self._stop.set()

    def changed(self, _change: IncidentChange) -> None:
        """Not needed here."""


def child(fps: float, minutes: float) -> None:
    """Run once and print the figures as JSON."""
    site = parse_site(
        SITE.format(
            weights=SHARED / "weights" / "yolox_nano.onnx",
            clip=SHARED / "videos" / "pets09_s2l1_vtest.avi",
            fps=fps,
        ),
        "benchmark",
        {},
    )
    stop = threading.Event()
    watcher = Watcher(stop, 10.0, minutes)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder))
        with build_local(site, settings, pace=Pace(speed=0, loop=minutes > 0), listener=watcher) as runtime:
            runtime.warm_up()
            summary = runtime.run(stop)
    print(
        json.dumps(
            {
                "elapsed_seconds": summary.elapsed_seconds,
                "media_seconds": summary.media_seconds,
                "times_real_time": summary.media_seconds / summary.elapsed_seconds,
                "frames_read": summary.frames_read,
                "frames_sampled": summary.frames_sampled,
                "incidents": summary.incidents,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "memory_mib": watcher.samples,
            }
        )
    )


def run_child(fps: float, minutes: float) -> dict[str, float]:
    """One run in a fresh process."""
    command = [sys.executable, __file__, "--child", "--fps", str(fps), "--minutes", str(minutes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--fps", type=float, default=5.0, help="sampled frames a second")
    arguments.add_argument("--minutes", type=float, default=0.0, help="loop the clip for so much media time")
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--child", action="store_true", help="run once in this process and print JSON")
    given = arguments.parse_args()
    if given.child:
        child(given.fps, given.minutes)
        return
    runs = [run_child(given.fps, given.minutes) for _ in range(1 if given.minutes else given.repeat)]
    speeds = [run["times_real_time"] for run in runs]
    memory = [run["peak_mib"] for run in runs]
    show(
        f"Whole path, YOLOX-nano, {given.fps} sampled fps",
        ("runs", "times real time", "peak MiB", *COUNTS),
        [(len(runs), spread(speeds), spread(memory), *(runs[0][key] for key in COUNTS))],
    )
    if given.minutes:
        show("Memory over media time", ("minutes", "MiB"), runs[0]["memory_mib"])  # type: ignore[arg-type]
    if given.save:
        name = f"path-{given.minutes:.0f}min" if given.minutes else "path"
        print("saved", save(name, {"runs": runs}))


if __name__ == "__main__":
    main()
