"""`sightline ingest`: as a command in this process, and as a process that is told to stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.contracts.bus import StreamEnd
from pipeline.settings import Settings
from tests.conftest import ROOT
from tests.support.broker import free_port, running_broker
from tests.support.ingest import mjpeg_camera
from tests.support.published import frames_of, read_back, settings_of
from tests.support.sasl_gate import SaslGate

YARD = "{id: yard, url: 'synthetic:yard?seed=3&seconds=4&size=320x180'}"


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


def write_site(folder: Path, settings: Settings, cameras: str = YARD) -> Path:
    path = folder / "site.yaml"
    bus = f"{{servers: '{settings.bus.servers}', prefix: {settings.bus.prefix}, partitions: {settings.bus.partitions}}}"
    path.write_text(f"cameras: [{cameras}]\nsettings: {{bus: {bus}}}\n", encoding="utf-8")
    return path


def ingest(*arguments: object) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    result = CliRunner().invoke(app, ["ingest", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_files_are_published_to_their_end(broker: int, tmp_path: Path) -> None:
    """Exit status 0, a summary as one line of JSON, the first frame from when it was said to be."""
    settings = settings_of(broker, "cli-file")
    site = write_site(tmp_path, settings)
    status, shown, _ = ingest(site, "--speed", 0, "--start-at", "2026-05-01T12:00", "--json")
    summary = json.loads(shown)
    assert status == 0
    assert (summary["type"], summary["frames_read"], summary["frames_published"]) == ("summary", 40, 20)
    frames = frames_of(read_back(settings), "yard")
    assert frames[0].frame.captured_at == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_only_the_cameras_of_the_share_are_read(broker: int, tmp_path: Path) -> None:
    """With --shard, the others are left to other processes."""
    settings = settings_of(broker, "cli-shard")
    cameras = ", ".join(YARD.replace("yard,", f"yard-{number},") for number in range(4))
    site = write_site(tmp_path, settings, cameras)
    counts = [json.loads(ingest(site, "--speed", 0, "--json", "--shard", f"{i}/2")[1])["cameras"] for i in range(2)]
    assert sum(counts) == 4
    assert len({found.camera_id for found in read_back(settings)}) == 4


def test_a_camera_that_cannot_be_read_makes_the_status_1(broker: int, tmp_path: Path) -> None:
    """The others are published, and the one is named."""
    settings = settings_of(broker, "cli-gone")
    site = write_site(tmp_path, settings, f"{YARD}, {{id: gone, url: /gone.mp4}}")
    status, shown, _ = ingest(site, "--speed", 0, "--json")
    summary = json.loads(shown)
    assert (status, summary["frames_published"]) == (1, 20)
    assert summary["failures"][0].startswith("gone: ")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--shard", "2/2"], "expected a shard such as 0/3"),
        (["--start-at", "soon"], "expected a time such as"),
    ],
    ids=["shard", "time"],
)
def test_wrong_options_are_refused(tmp_path: Path, options: list[str], problem: str) -> None:
    """Exit status 2, with the right form."""
    status, _, said = ingest(write_site(tmp_path, settings_of(1, "cli-wrong")), *options)
    assert status == 2
    assert problem in said


def test_a_site_without_a_broker_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, and the name of the setting."""
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    path = tmp_path / "site.yaml"
    path.write_text(f"cameras: [{YARD}]\n", encoding="utf-8")
    status, _, said = ingest(path)
    assert status == 2
    assert "KAFKA_BOOTSTRAP_SERVERS" in said


def test_a_refused_login_ends_it(broker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2 and where to look: trying again would not help."""
    monkeypatch.setenv("SIGHTLINE_BUS__PASSWORD", "hunter2")
    with SaslGate(broker, free_port(), {"cam": "another"}) as gate:
        site = write_site(tmp_path, settings_of(gate.port, "cli-login"))
        site.write_text(site.read_text().replace("bus: {", "bus: {security: sasl_plaintext, username: cam, "))
        status, _, said = ingest(site, "--speed", 0)
    assert status == 2
    assert said.splitlines()[-1].endswith("refuses the login: see bus.username, bus.password and bus.sasl_mechanism")
    assert "hunter2" not in said


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of its own."""
    line = [sys.executable, "-m", "pipeline", "ingest", *map(str, arguments)]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_live_camera_is_drained_and_not_ended_when_told_to_stop(broker: int, tmp_path: Path) -> None:
    """SIGTERM: what was read is on the bus, no end of the stream, exit status 0."""
    settings = settings_of(broker, "cli-term")
    with mjpeg_camera(fps=25) as url:
        site = write_site(tmp_path, settings, f"{{id: live, url: '{url}'}}")
        with running(site, "--json") as process:
            _wait_for_frames(settings, 3)
            process.send_signal(signal.SIGTERM)
            shown, _ = process.communicate(timeout=30)
    summary = json.loads(shown)
    found = read_back(settings)
    assert (process.returncode, summary["records_unsent"]) == (0, 0)
    assert len(found) == summary["frames_published"] >= 3
    assert not any(isinstance(each.message, StreamEnd) for each in found)


def test_ctrl_c_ends_with_130(broker: int, tmp_path: Path) -> None:
    """Published to the last frame that was read, and said to be interrupted."""
    settings = settings_of(broker, "cli-int")
    site = write_site(tmp_path, settings, YARD.replace("seconds=4", "seconds=600"))
    with running(site, "--json") as process:
        _wait_for_frames(settings, 2)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(shown)["frames_published"] == len(read_back(settings))


def test_a_broker_that_is_away_is_said_and_waited_for(tmp_path: Path) -> None:
    """One line in the log; SIGTERM still ends it, and the status is 1 when frames were read that stay here."""
    site = write_site(tmp_path, settings_of(free_port(), "cli-away"))
    site.write_text(site.read_text().replace("settings: {", "settings: {drain_for: 1, "))
    with running(site, "--json", "--log-format", "json") as process:
        assert process.stderr is not None
        told = next(line for line in process.stderr if "cannot be published" in line)
        process.send_signal(signal.SIGTERM)
        shown, _ = process.communicate(timeout=60)
    summary = json.loads(shown)
    assert json.loads(told)["event"] == "frames cannot be published; files wait, live cameras keep their newest"
    assert summary["frames_published"] == 0
    assert process.returncode == (1 if summary["records_unsent"] else 0)


def _wait_for_frames(settings: Settings, number: int) -> None:
    """Until so many are on the bus; the topic is made by ingest itself, which takes a moment to start."""
    from pipeline.transport.kafka import KafkaBus

    KafkaBus(settings.bus, "maker").ensure_topics()
    read_back(settings, until=lambda found: len(found) >= number)
