"""`sightline api` as a program."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from tests.support.archive import BAG, fill


def test_the_api_beside_a_data_folder(tmp_path: Path) -> None:
    """It prints the one-time secret, which makes an administrator who sees what was kept; SIGTERM ends it with 0."""
    fill(tmp_path, (BAG,))
    command = [sys.executable, "-m", "pipeline", "api", "--site", str(tmp_path / "site.yaml"), "--http", "127.0.0.1:0"]
    command += ["--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        try:
            seen = _first_look(program)
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
    assert [one["id"] for one in seen["items"]] == [BAG.id]


def _first_look(program: subprocess.Popen[str]) -> dict[str, Any]:
    """Make the first account with what the program prints, and read the incidents with its session."""
    assert program.stderr is not None
    url, secret = "", ""
    while not secret:
        line = program.stderr.readline()
        assert line, "the program ended before it served"
        url = found[1] if (found := re.search(r"serving (\S+),", line)) else url
        secret = found[1] if (found := re.search(r'"link": "([^"]+)"', line)) else ""
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/incidents").status_code == 401
        first = {"link": secret, "name": "anna", "password": "correct horse battery"}
        made = client.post("/session/first", json=first, timeout=30)
        assert made.json()["roles"] == {"*": "admin"}
        cookie = {"Cookie": made.headers["set-cookie"].partition(";")[0]}  # Secure: no client sends it over HTTP
        return dict(client.get("/incidents", headers=cookie).json())


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
