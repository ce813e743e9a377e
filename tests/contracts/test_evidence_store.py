"""What every `EvidenceStore` promises."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.contracts.evidence import EvidenceStore
from pipeline.errors import InvalidMessage
from pipeline.store.evidence import FsspecEvidenceStore

KEY = "gate/2026-03-01/0a1b2c/snapshot.jpg"


@pytest.fixture(params=["folder", "file-url", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EvidenceStore:
    urls = {
        "folder": str(tmp_path / "evidence"),
        "file-url": f"file://{tmp_path}/evidence",
        "memory": f"memory://{uuid.uuid4().hex}",
    }
    return FsspecEvidenceStore(urls[request.param])


def test_what_is_put_can_be_got(store: EvidenceStore) -> None:
    """The same bytes come back under the key that put gave."""
    data = bytes(range(256)) * 1000
    assert store.get(store.put(KEY, data)) == data


def test_a_key_put_again_is_replaced(store: EvidenceStore) -> None:
    """Writing the same evidence after a restart is no error."""
    store.put(KEY, b"old and longer")
    store.put(KEY, b"new")
    assert store.get(KEY) == b"new"


def test_an_unknown_key_is_refused(store: EvidenceStore) -> None:
    """What is not there never will be: set aside, do not retry."""
    with pytest.raises(InvalidMessage, match="no evidence under"):
        store.get(KEY)


def test_delete_says_whether_it_was_there(store: EvidenceStore) -> None:
    """True once, then False."""
    store.put(KEY, b"data")
    assert store.delete(KEY)
    assert not store.delete(KEY)
    with pytest.raises(InvalidMessage):
        store.get(KEY)


def test_folders_are_told_by_name(store: EvidenceStore) -> None:
    """Those right under one; files are none, and one that is not there has none."""
    store.put(KEY, b"data")
    store.put("gate/2026-03-02/0a/clip.mp4", b"data")
    store.put("yard/2026-03-02/0a/clip.mp4", b"data")
    assert store.folders() == ["gate", "yard"]
    assert store.folders("gate") == ["2026-03-01", "2026-03-02"]
    assert store.folders("gate/2026-03-01/0a1b2c") == store.folders("nowhere") == []


def test_a_folder_goes_with_all_that_is_in_it(store: EvidenceStore) -> None:
    """And with the folders above it that are empty then; twice is no error."""
    store.put(KEY, b"data")
    store.put("gate/2026-03-01/0a1b2c/clip.mp4", b"data")
    store.put("yard/2026-03-02/0a/clip.mp4", b"data")
    assert sorted(store.delete_folder("gate/2026-03-01/0a1b2c")) == ["clip.mp4", "snapshot.jpg"]
    assert store.delete_folder("gate/2026-03-01/0a1b2c") == []
    assert store.put("gate/2026-03-01/new/clip.mp4", b"data")


@pytest.mark.parametrize("folder", ["", "..", "/", "a/..", "*"])
def test_a_folder_outside_is_never_deleted(store: EvidenceStore, folder: str) -> None:
    """Nor everything at once."""
    store.put(KEY, b"data")
    with pytest.raises(InvalidMessage):
        store.delete_folder(folder)
    assert store.get(KEY) == b"data"


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", ".hidden", "a\\b", "a\0b", "a b", "ü", "a" * 901],
)
def test_a_key_that_tries_to_leave_is_refused(store: EvidenceStore, key: str) -> None:
    """No key reaches outside the store or names a hidden file, whatever is asked of it."""
    for call in (lambda: store.put(key, b"x"), lambda: store.get(key), lambda: store.delete(key)):
        with pytest.raises(InvalidMessage, match="expected an evidence key"):
            call()


def test_a_person_can_open_what_locate_names(store: EvidenceStore) -> None:
    """`locate` is a path that exists, or a URL with its scheme."""
    store.put(KEY, b"data")
    place = store.locate(KEY)
    assert place.endswith(KEY)
    assert place.startswith("memory://") or Path(place).read_bytes() == b"data"


def test_writers_of_one_key_never_mix(store: EvidenceStore) -> None:
    """Whoever was last, the bytes are one writer's and whole."""
    writers = [bytes([n]) * 50_000 for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda data: store.put(KEY, data), writers))
    assert store.get(KEY) in writers
