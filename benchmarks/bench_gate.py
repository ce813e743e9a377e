"""The motion gate beside dvr-scan on one clip: frames a second, all in one run, so that ratios hold.

dvr-scan-headless runs at its defaults (`--scan-only`, the whole picture) from a temporary virtual environment
made here, since it brings an OpenCV of its own; its own count and time are used, so that its start costs it
nothing. Repetitions alternate, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from measure import SHARED, parser, save, show, spread

from pipeline.contracts.frame import Frame
from pipeline.sampling.gate import MotionGate
from pipeline.settings import SamplingSettings

CLIP = SHARED / "videos" / "dvrscan_traffic_camera.mp4"
PEER = "dvr-scan-headless"
PEER_SAYS = re.compile(r"Processed (\d+) frames read in ([0-9.]+) secs")
START = datetime(2026, 1, 1, tzinfo=UTC)


def run_ours() -> dict[str, float]:
    """Frames a second of decoding alone, the gate alone, and one after the other on one thread."""
    capture = cv2.VideoCapture(str(CLIP))
    fps = capture.get(cv2.CAP_PROP_FPS)
    gate = MotionGate(SamplingSettings())
    num_frames, gate_seconds, started = 0, 0.0, time.perf_counter()
    while capture.grab():
        pixels = np.asarray(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)
        frame = Frame("bench", num_frames, START + timedelta(seconds=num_frames / fps), num_frames / fps, pixels)
        before = time.perf_counter()
        gate.look(frame)
        gate_seconds += time.perf_counter() - before
        num_frames += 1
    all_seconds = time.perf_counter() - started
    capture.release()
    return {
        "gate": num_frames / gate_seconds,
        "decode": num_frames / (all_seconds - gate_seconds),
        "decode + gate": num_frames / all_seconds,
    }


def install_peer(folder: Path) -> Callable[[], dict[str, float]]:
    """Install the peer in `folder`; what is returned runs it once."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", PEER], check=True)
    command = [folder / "bin" / "dvr-scan", "--input", CLIP, "--scan-only", "--ignore-user-config"]

    def run() -> dict[str, float]:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        said = PEER_SAYS.search(done.stdout + done.stderr)
        if said is None:
            sys.exit(f"{PEER} said nothing of its speed:\n{done.stdout}\n{done.stderr}")
        return {PEER: int(said[1]) / float(said[2])}

    return run


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--repetitions", type=int, default=5, help="runs of each (default 5)")
    given = options.parse_args()
    runs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        run_peer = install_peer(Path(folder))
        run_ours()  # warms the file cache for both
        for _ in range(given.repetitions):
            runs.append({**run_ours(), **run_peer()})
    speeds = {name: [run[name] for run in runs] for name in runs[0]}
    ratios = {name: [run[name] / run[PEER] for run in runs] for name in runs[0]}
    show(
        f"{CLIP.name}, {given.repetitions} repetitions: median (least–most)",
        ["", "frames a second", f"as often as {PEER}"],
        [(name, spread(speeds[name]), spread(ratios[name])) for name in speeds],
    )
    if given.save:
        medians = {name: statistics.median(values) for name, values in ratios.items()}
        figures = {"clip": CLIP.name, "frames_per_second": speeds, "ratio": ratios, "median_ratio": medians}
        print(save(Path(__file__).stem, figures))


if __name__ == "__main__":
    main()
