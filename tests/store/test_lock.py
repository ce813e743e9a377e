"""One run per data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.store.lock import DataFolderLock
from tests.conftest import ROOT

HOLD = """
import sys
from pathlib import Path
from pipeline.store.lock import DataFolderLock
with DataFolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_run_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    """Two runs on one folder: the second names the process to look for."""
    with DataFolderLock(tmp_path), pytest.raises(ConfigError, match=f"in use by process {os.getpid()};"):
        DataFolderLock(tmp_path).acquire()


def test_a_released_lock_can_be_taken(tmp_path: Path) -> None:
    """After a run ends the next one starts; releasing twice is no error."""
    lock = DataFolderLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
    with DataFolderLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    """A lock dies with its process, so that no person has to remove a file."""
    line = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid};"):
            DataFolderLock(tmp_path).acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with DataFolderLock(tmp_path):
            pass


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """One clear message instead of a traceback."""
    with pytest.raises(ConfigError, match="cannot write to the data folder"):
        DataFolderLock(tmp_path / "missing").acquire()
