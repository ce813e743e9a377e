"""The console that `sightline run` serves, or goes on without."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.app.local import build_local
from pipeline.cli.console import console_beside
from pipeline.cli.program import app
from pipeline.site import load_site
from pipeline.telemetry import Metrics
from tests.support.cli import write_video
from tests.support.local import settings_of

SITE = """
cameras: [{{id: hall, url: "{video}"}}]
rules: [{{id: moving, track: {{object: any, count_above: 0}}}}]
"""


def run(folder: Path, *options: str, **console: str) -> Result:
    """A run over a short video, to its end; `console`: what the environment says of it."""
    video = write_video(folder / "walk.mp4")
    (folder / "site.yaml").write_text(SITE.format(video=video))
    given = {f"SIGHTLINE_CONSOLE__{name.upper()}": value for name, value in console.items()}
    arguments = ["run", str(folder / "site.yaml"), "--data-dir", str(folder / "data"), "--speed", "0", "--json"]
    return CliRunner(env={"COLUMNS": "200", **given}).invoke(app, [*arguments, *options])


def found(result: Result) -> int:
    """Incidents, as the summary has them."""
    return int(json.loads(result.stdout.splitlines()[-1])["incidents"])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_run_says_where_its_console_is(tmp_path: Path) -> None:
    """And the address that makes the first account; both on standard error."""
    result = run(tmp_path, enabled="true", port="0")
    assert (result.exit_code, found(result)) == (0, 1)
    assert "console: http://127.0.0.1:" in result.stderr
    assert "/sign-in#link=" in result.stderr


def test_logs_for_machines_hold_no_secret(tmp_path: Path) -> None:
    """They are collected: where the console is stands in them, the link does not."""
    result = run(tmp_path, "--log-format", "json", enabled="true", port="0")
    told = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert any(line["event"] == "the console is served" and line["url"].startswith("http://127") for line in told)
    assert "link=" not in result.stderr


def test_without_being_asked_for_it_stops_no_run(tmp_path: Path) -> None:
    """The usual port is taken, by another run or by this test: the run says so and goes on."""
    with ExitStack() as here:
        with suppress(OSError):
            here.enter_context(socket.create_server(("127.0.0.1", 8484)))
        result = run(tmp_path, enabled="auto")
    assert (result.exit_code, found(result)) == (0, 1)
    assert "the run goes on without the console" in result.stderr
    assert "port 8484" in result.stderr


def test_what_is_not_served_shows_in_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 at the address where it was to be; the run may tell of changed site files all the same."""
    monkeypatch.delenv("SIGHTLINE_CONSOLE__ENABLED")
    path, metrics = tmp_path / "site.yaml", Metrics()
    path.write_text(SITE.format(video="x.mp4"))
    site = load_site(path)
    with ExitStack() as here:
        with suppress(OSError):
            here.enter_context(socket.create_server(("127.0.0.1", 8484)))
        runtime = here.enter_context(build_local(site, settings_of(site, tmp_path / "data")))
        follow = here.enter_context(console_beside(runtime, site, path, settings_of(site, tmp_path / "data"), metrics))
        follow(site)
    address = {"address": "http://127.0.0.1:8484"}
    assert metrics.registry.get_sample_value("sightline_console_up", address) == 0


def test_a_mistake_of_its_own_stops_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected is in the log, and cameras are watched."""

    def broken(*_: object) -> None:
        raise RuntimeError("a page that cannot be made")

    monkeypatch.setattr("pipeline.console.server.make_app", broken)
    result = run(tmp_path, enabled="auto")
    assert (result.exit_code, found(result)) == (0, 1)
    assert "the run goes on without the console" in result.stderr
    assert "a page that cannot be made" in result.stderr


@pytest.mark.parametrize("given", [{"enabled": "true"}, {"enabled": "auto"}], ids=["switched on", "a port named"])
def test_asked_for_and_not_to_be_had_the_run_does_not_start(tmp_path: Path, taken: int, given: dict[str, str]) -> None:
    """Exit status 2, before anything is read."""
    result = run(tmp_path, port=str(taken), **given)
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {taken}" in result.stderr
    assert result.stdout == ""


def test_beyond_loopback_only_when_told_so(tmp_path: Path) -> None:
    """An address is not enough."""
    result = run(tmp_path, enabled="auto", address="0.0.0.0", port="0")
    assert result.exit_code == 2
    assert "0.0.0.0 is not loopback" in result.stderr


_WITHOUT = """
import sys
for name in ("argon2", "authlib", "babel", "fastapi", "joserfc", "sse_starlette", "starlette", "uvicorn"):
    sys.modules[name] = None
from pipeline.__main__ import main
sys.argv[0] = "sightline"
main()
"""


@pytest.mark.parametrize(("enabled", "status"), [("auto", 0), ("true", 2)])
def test_where_it_is_not_installed(tmp_path: Path, enabled: str, status: int) -> None:
    """The run goes on without; asked for, it says what to install."""
    (tmp_path / "site.yaml").write_text(SITE.format(video=write_video(tmp_path / "walk.mp4")))
    command = [sys.executable, "-c", _WITHOUT, "run", str(tmp_path / "site.yaml"), "--speed", "0", "--quiet"]
    environment = {**os.environ, "SIGHTLINE_CONSOLE__ENABLED": enabled, "SIGHTLINE_DATA_DIR": str(tmp_path / "data")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == status, ended.stderr
    assert "the console needs pip install 'sightline[console]'" in ended.stderr


def test_it_can_be_left_out(tmp_path: Path) -> None:
    """By an option, whatever the settings say."""
    result = run(tmp_path, "--no-console", enabled="true", port="0")
    assert (result.exit_code, found(result)) == (0, 1)
    assert "console" not in result.stderr
