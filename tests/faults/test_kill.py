"""`kill -9` at random moments: what was stored is told, each change once by its id.

A real `sightline run` in a process of its own, with a slow vision-language model, verdicts pending, and a receiver
that fails half of the time. `SIGHTLINE_KILLS` says how often it is killed (`make chaos` kills more often).
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.model_server import judge
from tests.support.receiver import Receiver, answer

KILLS = int(os.environ.get("SIGHTLINE_KILLS", "4"))
SEED = int(os.environ.get("SIGHTLINE_SEED", "7"))
SITE = """
site: {{name: killed}}
models: {{vlm: "openai:{vlm}/v1#judge"}}
cameras:
  - id: yard
    url: "synthetic:yard?seed=3&seconds=60&fps=8&size=480x270"
    zones: &zones
      left: [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
      right: [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
    lines: &lines {{middle: [[0.5, 0.0], [0.5, 1.0]]}}
  - {{id: street, url: "synthetic:street?seed=4&seconds=60&fps=8&size=480x270", zones: *zones, lines: *lines}}
rules:
  - {{id: left, track: {{object: any, enters: left}}, cooldown: 0s}}
  - {{id: right, track: {{object: any, enters: right}}, cooldown: 0s}}
  - {{id: middle, track: {{object: any, crosses: middle}}, cooldown: 0s}}
  - {{id: moving, track: {{object: any, inside: left}}, cooldown: 1s, timing: {{dwell: 0.2s, gap: 0.5s}}}}
channels:
  guards: {{webhook: "{receiver}", allow_private: true, secret: a-secret-of-guards, timeout: 2s}}
settings:
  alerting: {{retry_from: 0.05s, retry_to: 0.4s}}
  reasoning: {{workers: 2}}
  drain_for: 60s
"""


class Guard:
    """A receiver that fails half of the time and remembers what it accepted."""

    def __init__(self, random_source: random.Random) -> None:
        self.accepted: Counter[str] = Counter()
        self.refused = 0
        self._random = random_source
        self._lock = threading.Lock()

    def step(self, handler) -> None:  # type: ignore[no-untyped-def]
        with self._lock:
            if self._random.random() < 0.5:
                self.refused += 1
                reply = answer(500)
            else:
                self.accepted[handler.headers["webhook-id"]] += 1
                reply = answer(204)
        reply(handler)


def start(folder: Path, site: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "run", str(site), "--data-dir", str(folder), "--speed", "6", "--quiet"]
    with (folder.parent / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def num_changes(folder: Path) -> int:
    """Changes stored so far; 0 before there is a database."""
    try:
        with sqlite3.connect(f"file:{folder / 'sightline.db'}?mode=ro", uri=True, timeout=5) as connection:
            count = connection.execute("select count(*) from incident_changes").fetchone()[0]
        connection.close()
        return int(count)
    except sqlite3.OperationalError:
        return 0


def kill_at_random(process: subprocess.Popen[bytes], folder: Path, random_source: random.Random) -> None:
    """Kill once the run has stored something new, and a random while later."""
    before = num_changes(folder)
    deadline = time.monotonic() + 60
    while num_changes(folder) <= before and time.monotonic() < deadline:
        assert process.poll() is None, (folder.parent / "log").read_text()[-2000:]
        time.sleep(0.02)
    time.sleep(random_source.uniform(0.0, 1.5))
    process.send_signal(signal.SIGKILL)
    process.wait()


def query(folder: Path, text: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(folder / "sightline.db")
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_stored_incident_reaches_the_receiver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After any number of kills, each stored change is told, once per id as the receiver dedupes."""
    random_source = random.Random(SEED)
    guard = Guard(random_source)
    folder = tmp_path / "data"
    with Receiver(otherwise=guard.step) as receiver, Receiver(otherwise=judge(0.99, delay_seconds=0.4)) as vlm:
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(vlm=f"http://127.0.0.1:{vlm.port}", receiver=receiver.url))
        pending_verdicts = 0
        for _ in range(KILLS):
            kill_at_random(start(folder, site), folder, random_source)
            pending_verdicts += int(query(folder, "select count(*) from incidents where awaits_verdict")[0][0])
        assert start(folder, site).wait(timeout=300) == 0, (tmp_path / "log").read_text()[-3000:]
    owed = {row[0] for row in query(folder, "select id from deliveries")}
    incidents = query(folder, "select id, status, awaits_verdict from incidents")
    told = {f"{change_id}.guards" for change_id in guard.accepted}
    with capsys.disabled():
        print(
            f"\n{KILLS} kills: {len(incidents)} incidents stored, {pending_verdicts} verdicts pending at kills, "
            f"{len(owed)} changes owed, {len(owed & told)} told, {len(owed - told)} lost, "
            f"{sum(guard.accepted.values()) - len(guard.accepted)} repeats deduped, {guard.refused} attempts refused"
        )
    assert len(incidents) > KILLS
    assert {row[0] for row in query(folder, "select id from incidents")} <= {key.rsplit(".", 2)[0] for key in owed}
    assert not owed - told
    assert not any(awaits for _, _, awaits in incidents)
    assert pending_verdicts > 0
