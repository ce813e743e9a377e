"""Evidence in a folder: whole or not at all, and the faults of a disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, InvalidMessage, TransientError
from pipeline.store.evidence import FsspecEvidenceStore
from tests.support.store import ordinary_user

KEY = "gate/2026-03-01/id/snapshot.jpg"


PUT_WITH_A_LIMIT = """
import resource, sys
from pipeline.errors import TransientError
from pipeline.store.evidence import FsspecEvidenceStore
store = FsspecEvidenceStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    store.put(sys.argv[2], b"x" * 5000)
except TransientError as error:
    sys.exit(0 if "cannot now" in str(error) else 3)
sys.exit(4)
"""


def test_nothing_half_written_stays_behind(tmp_path: Path) -> None:
    """After a put the folder holds the file and nothing else."""
    FsspecEvidenceStore(str(tmp_path)).put(KEY, b"data")
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["snapshot.jpg"]


def test_a_failed_put_leaves_no_file(tmp_path: Path) -> None:
    """When the name cannot be taken (a folder has it) the fault is transient and nothing stays behind."""
    (tmp_path / KEY / "inner").mkdir(parents=True)
    with pytest.raises(TransientError):
        FsspecEvidenceStore(str(tmp_path)).put(KEY, b"data")
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["snapshot.jpg"]


def test_a_write_that_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    """With no room for all the bytes (here by a limit on file size) the fault is transient and nothing changed."""
    store = FsspecEvidenceStore(str(tmp_path))
    store.put(KEY, b"old")
    # In a process of its own: the limit would hold for the log of the tests, too.
    assert subprocess.run([sys.executable, "-c", PUT_WITH_A_LIMIT, str(tmp_path), KEY], check=False).returncode == 0
    assert store.get(KEY) == b"old"
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["snapshot.jpg"]


def test_a_folder_that_became_read_only_is_transient() -> None:
    """A remounted disk delays evidence; it does not set an item aside for ever."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        store = FsspecEvidenceStore(folder)
        with ordinary_user(), pytest.raises(TransientError, match="Permission denied"):
            store.put(KEY, b"data")
        Path(folder).chmod(0o755)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be stops the start."""
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(ConfigError, match="cannot make the evidence folder"):
        FsspecEvidenceStore(str(tmp_path / "evidence"))


def test_a_url_nobody_can_read_is_refused_without_its_secret() -> None:
    """An unknown scheme, or one whose driver is not installed, is named; the password is not."""
    with pytest.raises(ConfigError, match="cannot be kept") as caught:
        FsspecEvidenceStore("nosuch://user:hunter2@host/folder")
    assert "hunter2" not in str(caught.value)


def test_a_link_in_a_key_is_not_followed_out_by_dots(tmp_path: Path) -> None:
    """A key cannot climb out over a folder it names first."""
    store = FsspecEvidenceStore(str(tmp_path / "evidence"))
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(InvalidMessage):
        store.get("gate/../../secret")
