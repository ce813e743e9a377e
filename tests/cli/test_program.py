"""The program around the commands: exit statuses, messages, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.output import plain
from pipeline.cli.program import Program, app
from pipeline.cli.signals import stop_on_signals
from pipeline.errors import ConfigError, TransientError


def failing(error: BaseException) -> typer.Typer:
    """A program whose one command `go` raises `error`."""
    program = typer.Typer(cls=Program, pretty_exceptions_enable=False)

    @program.callback()
    def root(debug: bool = False) -> None:
        """Take --debug."""

    @program.command()
    def go() -> None:
        """Fail."""
        raise error

    return program


STATUSES = [
    (ConfigError("no such zone"), 2, "error: no such zone"),
    (TransientError("database away"), 1, "error: database away"),
    (ZeroDivisionError("division"), 1, "unexpected ZeroDivisionError: division"),
    (ConfigError("cannot open rtsp://me:pw@host/"), 2, "rtsp://***@host/"),
    (KeyboardInterrupt(), 130, ""),
    (typer.Exit(3), 3, ""),
]


@pytest.mark.parametrize(("error", "status", "message"), STATUSES, ids=[repr(row[0]) for row in STATUSES])
def test_an_error_is_a_message_and_a_status(error: BaseException, status: int, message: str) -> None:
    """2 for configuration, 1 for what failed at run time, 130 for Ctrl-C; never a traceback."""
    result = CliRunner().invoke(failing(error), ["go"])
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback() -> None:
    """`--debug` adds what a developer needs."""
    result = CliRunner().invoke(failing(ConfigError("no such zone")), ["--debug", "go"])
    assert (result.exit_code, "Traceback" in result.stderr) == (2, True)


def test_a_wrong_setting_in_the_environment_is_named() -> None:
    """SIGHTLINE_… variables are checked like options."""
    result = CliRunner().invoke(app, ["incidents", "list"], env={"SIGHTLINE_LOG_LEVEL": "loud"})
    assert result.exit_code == 2
    assert "SIGHTLINE_LOG_LEVEL" in result.stderr


@pytest.mark.parametrize("arguments", [["chek"], ["run"], ["run", "a.yaml", "--no-such"], ["watch", "a", "--fps", "0"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong command, a missing argument, an unknown option, a value out of bounds: exit status 2."""
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize("command", ["", "run", "watch", "demo", "check", "doctor", "why", "replay-dead-letters"])
def test_every_command_helps_by_example(command: str) -> None:
    """The help of each shows how it is called."""
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"  sightline {command}".rstrip() in result.stdout


def test_python_m_pipeline_is_the_same_program() -> None:
    """`python -m pipeline` runs the command."""
    done = subprocess.run([sys.executable, "-m", "pipeline", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sightline ")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_first_signal_asks_to_stop(number: int, status: int) -> None:
    """It sets the event, gives the next one its deadly meaning, and all is as before afterwards."""
    stop = threading.Event()
    before = signal.getsignal(number)
    with stop_on_signals(stop) as interruption:
        os.kill(os.getpid(), number)
        assert stop.wait(5)
        assert signal.getsignal(number) is signal.SIG_DFL
    assert signal.getsignal(number) is before
    assert interruption.exit_status == status


def test_terminal_control_is_taken_out_of_foreign_words() -> None:
    """Words of models, cameras and files cannot steer the terminal."""
    assert (
        plain("a\x1b[2Jb\rc\nd\u202ee")
        == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\nd\N{REPLACEMENT CHARACTER}e"
    )


def test_a_module_of_this_package_needs_not_all_of_it(tmp_path: Path) -> None:
    """Reading the site file loads neither OpenCV nor a database: `check` stays quick."""
    code = "import sys, pipeline.cli.program; sys.exit(any(m in sys.modules for m in ('cv2', 'sqlalchemy', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


WITHOUT = """
import sys
from importlib.machinery import PathFinder
from pipeline.cli import main

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {"kafka", "ray"} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
main()
"""


@pytest.mark.parametrize(
    "command", ["ingest {site}", "cluster check --site {site}", "cluster up --site {site}", "dead-letters list"]
)
def test_without_the_cluster_extra_its_commands_say_what_to_install(tmp_path: Path, command: str) -> None:
    """Exit status 2 and one line, before anything is begun."""
    site = tmp_path / "site.yaml"
    site.write_text("cameras: [{id: yard, url: 'synthetic:yard'}]\nsettings: {bus: {servers: '127.0.0.1:9'}}\n")
    line = [sys.executable, "-c", WITHOUT, *command.format(site=site).split()]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.endswith("pip install 'sightline[cluster]'\n")
    assert len(done.stderr.splitlines()) == 1
