"""The cluster demo: its site, its conclusion, and the whole of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.app.stores import Stores, open_stores
from pipeline.cli.cluster_demo_result import conclude
from pipeline.cli.cluster_demo_site import SECRET_VARIABLE, DemoSite, Plan, write_site
from pipeline.cli.demo_receiver import DemoReceiver
from pipeline.cli.demo_truth import planted_in
from pipeline.contracts.decision import DecisionCount, Gate
from tests.conftest import ROOT
from tests.support.store import make_candidate, opened

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def demo_site(folder: Path, *sources: str) -> DemoSite:
    plan = Plan(folder, sources, seconds=30.0, speed=1.0)
    return write_site(plan, "127.0.0.1:9092", f"sqlite:///{folder}/demo.db", "http://127.0.0.1:1/hook", "s3cret")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = open_stores(demo_site(tmp_path).settings)
    yield stores
    stores.close()


def test_the_site_names_everything_but_the_secret(tmp_path: Path) -> None:
    """Scenes and files are cameras; the webhook's secret comes from the environment."""
    clip = tmp_path / "gate north.mp4"
    clip.touch()
    site = demo_site(tmp_path, str(clip), "rtsp://10.0.0.1/main")
    assert site.cameras == ("yard-1", "yard-2", "1-gate-north", "2-camera")
    written = site.path.read_text()
    assert "s3cret" not in written
    assert f"${{{SECRET_VARIABLE}}}" in written
    assert site.settings.bus.servers == "127.0.0.1:9092"


def test_two_demos_do_not_read_each_others_topics(tmp_path: Path) -> None:
    """On a broker of the user's each has a prefix of its own."""
    assert demo_site(tmp_path).settings.bus.prefix != demo_site(tmp_path).settings.bus.prefix


def test_every_camera_has_something_planted_even_in_the_shortest_demo(tmp_path: Path) -> None:
    """Half a minute of each scene shows an incident."""
    for scene in demo_site(tmp_path).scenes.values():
        assert any(not event.is_near_miss for event in planted_in(scene))


def concluded(folder: Path, stores: Stores) -> bool:
    log = folder / "ingest.log"
    log.write_text("a line of the log\n" + json.dumps({"type": "summary", "frames_published": 300}) + "\n")
    with DemoReceiver(lambda _: None) as receiver:
        return conclude(demo_site(folder), stores, receiver, START, log, lag=0)


def test_what_was_planted_and_not_found_is_a_failure(
    tmp_path: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary counts what was published and looked at, and names what was missed."""
    looked_at = DecisionCount("yard-1", "", START, Gate.SAMPLING, True, "motion", 42, None, None, None, "")
    stores.decisions.add([looked_at])
    assert not concluded(tmp_path, stores)
    shown = capsys.readouterr().out
    assert "300 published, 42 looked at, 0 to do" in shown
    assert "MISSED by" in shown


def test_an_incident_nobody_was_told_of_is_a_failure(
    tmp_path: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even when it is one that was planted."""
    planted = next(event for event in planted_in(demo_site(tmp_path).scenes["yard-1"]) if not event.is_near_miss)
    at = START + timedelta(seconds=planted.start_seconds)
    candidate = make_candidate(at, camera_id="yard-1", rule_id=planted.rule_id, opened_at=at)
    stores.incidents.commit(opened(candidate), [])
    assert not concluded(tmp_path, stores)
    shown = capsys.readouterr().out
    assert f"found by {planted.rule_id}" in shown
    assert "1 incident untold" in shown


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_the_whole_demo_finds_and_tells_what_is_planted() -> None:
    """Broker, database, Ray, cameras and webhooks: exit status 0, and what it kept is gone."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        Path(folder).chmod(0o755)  # the database server may be another user
        line = [sys.executable, "-m", "pipeline", "cluster", "demo", "--seconds", "30"]
        environment = {"TMPDIR": folder, "PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(Path.home())}
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
        left = list(Path(folder).glob("sightline-*"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found by fence-entry" in done.stdout
    assert left == []
