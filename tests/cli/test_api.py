"""`sightline api` as a program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from tests.support.archive import BAG, fill
from tests.support.broker import running_broker
from tests.support.consuming import bus_of
from tests.support.ingest import wait_for


def test_the_api_beside_a_data_folder(tmp_path: Path) -> None:
    """It prints the one-time address, whose secret makes an administrator who sees what was kept, by the site file as
    it is now; there is no bus. SIGTERM ends it with 0."""
    fill(tmp_path, (BAG,))
    with served(tmp_path) as client:
        assert [one["id"] for one in client.get("/incidents").json()["items"]] == [BAG.id]
        assert client.get("/dead-letters").status_code == 501
        changed = tmp_path / "site.yaml"
        changed.write_text(changed.read_text().replace("id: entry", "id: arrival"))
        assert wait_for(lambda: "arrival" in client.get("/rules").text, 30)


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[httpx.Client]:
    """The program, asked by an administrator until SIGTERM ends it, with 0."""
    command = [sys.executable, "-m", "pipeline", "api", "--site", str(folder / "site.yaml"), "--http", "127.0.0.1:0"]
    command += ["--data-dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as program:
        try:
            with _first_account(program) as client:
                yield client
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0


@contextmanager
def _first_account(program: subprocess.Popen[str]) -> Iterator[httpx.Client]:
    """Make the first account with what the program prints, and ask with its session."""
    assert program.stderr is not None
    url, secret = "", ""
    while not secret:
        line = program.stderr.readline()
        assert line, "the program ended before it served"
        url = found[1] if (found := re.search(r"serving (\S+),", line)) else url
        secret = found[1] if (found := re.search(re.escape(f"{url}/sign-in#link=") + r"(\S+)", line)) else ""
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=30) as client:
        assert client.get("/incidents").status_code == 401
        first = {"link": secret, "name": "anna", "password": "correct horse battery"}
        made = client.post("/session/first", json=first, timeout=30)
        assert made.json()["roles"] == {"*": "admin"}
        # Secure: no client sends it over HTTP.
        client.headers["Cookie"] = made.headers.get_list("set-cookie")[-1].partition(";")[0]
        yield client


@pytest.mark.parametrize("address", ["0.0.0.0:0", "nonsense"])
def test_an_address_that_will_not_do(tmp_path: Path, address: str) -> None:
    """Beyond loopback only when told so; a wrong form is said with an example."""
    fill(tmp_path, (BAG,))
    site = str(tmp_path / "site.yaml")
    result = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["api", "--site", site, "--data-dir", str(tmp_path), "--http", address]
    )
    assert result.exit_code == 2
    assert ("not loopback" if address[0] == "0" else "expected HOST:PORT") in result.output


def test_beside_a_cluster_it_reads_the_bus(tmp_path: Path) -> None:
    """With a broker in the settings dead letters and newest pictures are told, not refused as not to be had."""
    fill(tmp_path, (BAG,))
    with running_broker() as port:
        bus_of(port, "sightline")
        with served(tmp_path, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}") as client:
            assert client.get("/dead-letters").json() == {"items": []}
            assert client.get("/cameras/yard/frame").status_code == 404
            assert client.get("/site").status_code == 200
