"""A disk that is full for a while, made by a limit on the size of files that a running process may write."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from tests.support.cli import write_video

SITE = """
cameras: [{{id: hall, url: "{video}", zones: {{right: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}}}}]
rules: [{{id: entry, track: {{object: any, enters: right}}, cooldown: 0s}}]
settings: {{drain_for: 1s}}
"""
STORED = "select incident_id || '.' || sequence, kind from incident_changes"
LONGEST_SECONDS = 60
"""A bound on waiting for a line, not an expectation."""


class Run:
    """`sightline run` over a looped file in a process of its own, and what it says line by line."""

    def __init__(self, site: Path) -> None:
        command = [sys.executable, "-m", "pipeline", "run", str(site), "--loop", "--speed", "8", "--json"]
        command += ["--data-dir", str(site.parent / "data")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.changes: list[str] = []
        """Ids, as they were told."""
        self.said: list[str] = []
        """Lines on standard error."""
        self._grew = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._hear_change)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.said.append)),
        ]
        for reader in self._readers:
            reader.start()

    def fill_disk(self) -> None:
        """From now on no file can grow."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def wait_for_change(self) -> None:
        """One more than there were."""
        before = len(self.changes)
        self._wait(lambda: len(self.changes) > before)

    def wait_until_said(self, words: str) -> None:
        self._wait(lambda: any(words in line for line in self.said))

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit status after a signal, when all was heard."""
        self.process.send_signal(number)
        status = self.process.wait(LONGEST_SECONDS)
        for reader in self._readers:
            reader.join()
        return status

    def _wait(self, is_so: Callable[[], bool]) -> None:
        with self._grew:
            assert self._grew.wait_for(is_so, LONGEST_SECONDS), self.said

    def _hear_change(self, line: str) -> None:
        told = json.loads(line)
        if told["type"] == "change":
            self.changes.append(told["id"])

    def _read(self, stream: IO[str], hear: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                with self._grew:
                    hear(line)
                    self._grew.notify_all()


@contextmanager
def running(folder: Path) -> Iterator[Run]:
    """A run that is dead at the end, whatever happens."""
    site = folder / "site.yaml"
    site.write_text(SITE.format(video=write_video(folder / "walk.mp4")))
    run = Run(site)
    try:
        yield run
    finally:
        run.end(signal.SIGKILL)


def test_what_cannot_be_stored_is_stored_once_there_is_room(tmp_path: Path) -> None:
    """The run waits, says so once, and goes on; what it told of is what is stored, and the end is a clean one."""
    with running(tmp_path) as run:
        run.wait_for_change()
        run.fill_disk()
        run.wait_until_said("incidents cannot be stored")
        run.make_room()
        run.wait_until_said("incidents can be stored again")
        run.wait_for_change()
        assert run.end() == 0
    with closing(sqlite3.connect(tmp_path / "data" / "sightline.db")) as database:
        stored = dict(database.execute(STORED))
    assert set(run.changes) <= set(stored)
    assert {change for change, kind in stored.items() if kind != "updated"} <= set(run.changes)
    assert sum("incidents cannot be stored" in line for line in run.said) == 1
    assert not any("Traceback" in line for line in run.said)


def test_a_stop_while_the_disk_is_full_ends_with_an_error(tmp_path: Path) -> None:
    """SIGTERM waits no longer than `drain_for`, names what was given up, and the exit status is 1."""
    with running(tmp_path) as run:
        run.wait_for_change()
        run.fill_disk()
        run.wait_until_said("incidents cannot be stored")
        assert run.end() == 1
    assert any("given up" in line for line in run.said)
