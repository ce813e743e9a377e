"""The two programs that the chart brings, run as the pods would run them; and what monitoring gets."""

from __future__ import annotations

import hashlib
import json
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.deployments.helm.renderings import EVERYTHING, rendered
from tests.support.kubernetes import CHART, named, processes_of

FETCH = CHART / "files" / "fetch_models.py"
CONTENT = b"weights" * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """A server with one model, laid out as the hub's."""
    place = tmp_path / "hub" / "a" / "model" / "resolve" / "abc" / "model.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "hub")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _fetch(
    folder: Path, base_url: str, source: str = "download", wanted: str = SUM
) -> subprocess.CompletedProcess[str]:
    listing = folder.parent / "files.json"
    listing.write_text(json.dumps([{"id": "a/model", "revision": "abc", "files": {"model.bin": wanted}}]))
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-I", str(FETCH), str(listing), str(folder), source, base_url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def _markers(folder: Path) -> list[Path]:
    return list(folder.glob(".complete-*"))


def test_models_are_fetched_once_and_marked(tmp_path: Path, hub: str) -> None:
    """The first run fetches, the second finds all there; either leaves the marker that workers wait for."""
    folder = tmp_path / "models"
    first, second = _fetch(folder, hub), _fetch(folder, hub)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "fetched" in first.stdout
    assert "is there" in second.stdout
    assert (folder / "a" / "model" / "model.bin").read_bytes() == CONTENT
    assert len(_markers(folder)) == 1


def test_a_damaged_file_is_fetched_anew(tmp_path: Path, hub: str) -> None:
    """A file that was cut off is not taken for the model."""
    folder = tmp_path / "models"
    _fetch(folder, hub)
    (folder / "a" / "model" / "model.bin").write_bytes(CONTENT[:100])
    assert _fetch(folder, hub).returncode == 0
    assert (folder / "a" / "model" / "model.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(tmp_path: Path, hub: str) -> None:
    """What the mirror has is not what was meant: status 1, no file, no marker."""
    folder = tmp_path / "models"
    done = _fetch(folder, hub, wanted="0" * 64)
    assert done.returncode == 1
    assert "correct models.files or the mirror" in done.stderr
    assert not list(folder.rglob("*.bin"))
    assert not _markers(folder)


def test_a_mirror_that_is_away_is_told(tmp_path: Path) -> None:
    """The Job ends with status 1 and what it could not get, and is tried again by Kubernetes."""
    done = _fetch(tmp_path / "models", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "resolve/abc/model.bin" in done.stderr


def test_air_gapped_nothing_is_fetched_and_all_is_checked(tmp_path: Path, hub: str) -> None:
    """A missing file is asked for by name and sum; once it is there the marker is set."""
    folder = tmp_path / "models"
    done = _fetch(folder, hub, "airgapped")
    assert done.returncode == 1
    assert f"put the file with SHA-256 {SUM} there" in done.stderr
    (folder / "a" / "model").mkdir(parents=True)
    (folder / "a" / "model" / "model.bin").write_bytes(CONTENT)
    assert _fetch(folder, "http://127.0.0.1:1", "airgapped").returncode == 0
    assert len(_markers(folder)) == 1


def test_workers_wait_for_the_marker_that_the_job_sets(tmp_path: Path) -> None:
    """The marker is named by the sum of the list as it stands in the ConfigMap."""
    objects = rendered(EVERYTHING)
    text = named(objects, "ConfigMap", "-models")["data"]["files.json"]
    waiting = next(one for one in processes_of(objects) if one.name.endswith("gpu/wait-for-models"))
    assert waiting.command[-1] == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert waiting.command[:2] == ["sh", "-c"]
    script = waiting.command[2].replace("/models", str(tmp_path))
    (tmp_path / f".complete-{waiting.command[-1]}").touch()
    assert subprocess.run(["sh", "-c", script, waiting.command[-1]], timeout=10).returncode == 0


def _run_test_pod(tmp_path: Path, ingest: str, wait_seconds: str) -> tuple[subprocess.Popen[str], int]:
    """The test pod's program with another `sightline` on its path; its process and port."""
    program = tmp_path / "sightline"
    program.write_text(f"#!/bin/sh\n{ingest}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-I", str(CHART / "files" / "send_clip.py"), "site.yaml", wait_seconds, str(port)]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE), port


def test_the_test_pod_ends_well_once_the_alert_is_there(tmp_path: Path) -> None:
    """It publishes the clip, takes the alert about it, and says so."""
    go = tmp_path / "go"
    process, port = _run_test_pod(tmp_path, f"until test -e {go}; do sleep 0.05; done", "20")
    body = json.dumps({"data": {"camera": "helm-test"}}).encode()
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=body, timeout=5).close()
            break
        except OSError:
            threading.Event().wait(0.05)
    go.touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "its alert delivered" in out


@pytest.mark.parametrize(
    ("ingest", "said"), [("exit 0", "no alert within 0.2 s"), ("exit 2", "could not be published")]
)
def test_the_test_pod_fails_in_words(tmp_path: Path, ingest: str, said: str) -> None:
    """No alert in time, or a clip that could not be published: status 1."""
    process, _ = _run_test_pod(tmp_path, ingest, "0.2")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said in errors


def test_rules_and_dashboards_are_those_of_the_project() -> None:
    """The chart holds no second copy: what is rendered is what stands in deployments/observability."""
    objects = rendered(EVERYTHING)
    folder = CHART.parents[1] / "deployments" / "observability"
    wanted = {path.name for path in (folder / "dashboards").glob("*.json")}
    boards = [one["data"] for one in objects if one["kind"] == "ConfigMap" and "dashboard" in one["metadata"]["name"]]
    found = {name.removeprefix("video-sightline-"): text for data in boards for name, text in data.items()}
    assert found.keys() == wanted
    assert all(
        json.loads(text) == json.loads((folder / "dashboards" / name).read_text()) for name, text in found.items()
    )
    rules = [one for one in objects if one["kind"] == "PrometheusRule"]
    assert len(rules) == len(list((folder / "rules").glob("*.yaml"))) > 0


def test_the_clip_of_the_test_is_seen_and_told_once(tmp_path: Path) -> None:
    """The test pod's own site file, run on this machine: one alert about its camera reaches the webhook, no more."""
    received: list[dict[str, object]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    site = yaml.safe_load(named(rendered("cpu"), "ConfigMap", "-site")["data"]["helm-test.yaml"])
    site["channels"]["helm-test"]["webhook"] = f"http://127.0.0.1:{server.server_port}/"
    site["settings"] |= {"evidence": {"url": ""}, "data_dir": str(tmp_path / "data")}
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    try:
        command = [sys.executable, "-m", "pipeline", "run", str(path), "--speed", "0"]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(received) == 1
    assert "helm-test" in json.dumps(received)
