"""A cluster of real processes on this machine: `sightline cluster up` with its Ray, `sightline ingest` with its clips,
and the scenes that the clips show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2

from pipeline.scenes import open_scene
from tests.conftest import ROOT

FPS = 5
"""Of the clips; so many frames a second are sampled while something moves, so that every frame counts."""
APPLICATIONS = ("watchers", "encoder", "reasoners", "alerting")
SCENES = {f"yard-{seed}": ("yard", seed) for seed in (1, 2, 3, 4)}
"""Camera to scene and seed. In the first 48 s of these a takeover at any moment is exact: how far it is not where
people hide each other or stand on a line is measured in `tests/events`."""
SIZE = (480, 270)
_CAMERA = """
  - id: {id}
    url: "{url}"
    zones:
      left: [[0.0, 0.0], [0.35, 0.0], [0.35, 1.0], [0.0, 1.0]]
      right: [[0.65, 0.0], [1.0, 0.0], [1.0, 1.0], [0.65, 1.0]]
    lines: {{west: [[0.3, 0.0], [0.3, 1.0]], middle: [[0.5, 0.0], [0.5, 1.0]], east: [[0.7, 0.0], [0.7, 1.0]]}}"""
_RULES = """
rules:
  - {id: left, track: {object: any, enters: left}, cooldown: 0s}
  - {id: right, track: {object: any, enters: right}, cooldown: 0s}
  - {id: west, track: {object: any, crosses: west}, cooldown: 0s}
  - {id: middle, track: {object: any, crosses: middle}, cooldown: 0s}
  - {id: east, track: {object: any, crosses: east}, cooldown: 0s}
  - {id: moving, track: {object: any, inside: left}, cooldown: 1s, timing: {dwell: 0.2s, gap: 0.5s}}
"""


def render_clips(folder: Path, seconds: float) -> dict[str, Path]:
    """Every scene as a file, by camera: rendered once, then read as often as one likes."""
    clips = {}
    for camera_id, (name, seed) in SCENES.items():
        scene = open_scene(name, seed=seed, seconds=seconds, size=SIZE)
        clips[camera_id] = folder / f"{camera_id}.avi"
        writer = cv2.VideoWriter(str(clips[camera_id]), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
        for number in range(int(seconds * FPS)):
            writer.write(cv2.cvtColor(scene.render(number / FPS)[0], cv2.COLOR_RGB2BGR))
        writer.release()
    return clips


def cameras_and_rules(clips: dict[str, Path]) -> str:
    """The part of a site file that says what is watched."""
    cameras = [_CAMERA.format(id=camera_id, url=clip) for camera_id, clip in clips.items()]
    return "".join(["cameras:", *cameras, _RULES])


def sightline(log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The command in a session of its own; what it says is added to `log`."""
    line = [sys.executable, "-m", "pipeline", *arguments]
    with log.open("ab") as file:
        return subprocess.Popen(
            line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


@dataclass(frozen=True, slots=True)
class Process:
    """One entry of `/proc`."""

    pid: int
    parent: int
    title: str


class ClusterUp:
    """`sightline cluster up`, and all the processes that Ray begins for it."""

    def __init__(self, site: Path, log: Path) -> None:
        self._site = site
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0
        """Size of the log when the present command began."""

    def start(self) -> None:
        """Begin; does not wait."""
        self._said_before = self._log.stat().st_size if self._log.exists() else 0
        self._process = sightline(self._log, "cluster", "up", "--site", str(self._site))

    @property
    def is_ready(self) -> bool:
        """Every application has come up since the command was given."""
        assert self._process is not None
        said = self._log.read_bytes()[self._said_before :]
        assert self._process.poll() is None, said[-3000:].decode()
        return b"\nreplicas: " in said

    def replicas(self, application: str) -> list[int]:
        """Process ids of its replicas that are alive."""
        return [each.pid for each in self._family() if each.title.startswith(f"ray::ServeReplica:{application}:")]

    def kill(self) -> None:
        """`kill -9` of the command, of Ray's head and of every worker."""
        for each in self._family():
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _family(self) -> list[Process]:
        """The command and its descendants."""
        alive = list(_processes())
        family = [each for each in alive if self._process is not None and each.pid == self._process.pid]
        for parent in family:  # grows meanwhile
            family += [each for each in alive if each.parent == parent.pid]
        return family


def _processes() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):  # it ended meanwhile
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield Process(int(entry.name), int(parent), title)


class IngestRounds:
    """`sightline ingest` of the clips, round after round, each round with a start of its own; one that was killed is
    run again with the same start."""

    def __init__(self, site: Path, log: Path) -> None:
        self.starts: list[datetime] = []
        """When the first frames of each round are said to be from."""
        self.failures: list[int] = []
        """Exit statuses of those that ended early without being killed."""
        self._line = ("ingest", str(site), "--start-at")
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_last = False
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, name="ingest-rounds", daemon=True)

    def start(self) -> None:
        """Begin the first round."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """A round is under way."""
        with self._lock:
            return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """`kill -9`."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def finish(self, seconds: float) -> None:
        """Let the round under way come to its end; an assertion fails when it does not in time."""
        self._is_last = True
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"ingest did not end within {seconds:.0f} s"

    def abandon(self) -> None:
        """`kill -9`, and no further one."""
        self._is_last = self._is_abandoned = True
        self.kill()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_last:
            self.starts.append(datetime.now(UTC).replace(microsecond=0))
            while (status := self._once(self.starts[-1])) != 0 and not self._is_abandoned:
                if status != -signal.SIGKILL:
                    self.failures.append(status)

    def _once(self, start_at: datetime) -> int:
        with self._lock:
            self._process = process = sightline(self._log, *self._line, start_at.isoformat())
        return process.wait()


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took; an assertion fails when it took longer."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
    return time.monotonic() - began
