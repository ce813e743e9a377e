"""What every `VectorStore` does, and what LanceDB's leaves in its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.vectors import Among, VectorStore
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import EvidenceSettings, RetentionSettings
from pipeline.store.database import Database
from pipeline.store.erasure import Eraser
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.retention import Retention
from pipeline.store.vectors import LanceVectorStore
from tests.support.store import make_candidate, opened
from tests.support.vectors import SPACE, MemoryVectors, crowd, kept, seconds, unit

RED, BLUE = unit(1, 0), unit(0, 1)


@pytest.fixture(params=["memory", "lance"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VectorStore:
    makers: dict[str, Callable[[], VectorStore]] = {
        "memory": MemoryVectors,
        "lance": lambda: LanceVectorStore(str(tmp_path / "vectors")),
    }
    return makers[request.param]()


def found_at(store: VectorStore, among: Among) -> list[float]:
    """Seconds of the moments found, the most alike to red first."""
    return [(one.captured_at - seconds(0)).total_seconds() for one in store.search(SPACE, RED, among, 10)]


def test_the_most_alike_comes_first_with_all_that_was_kept_of_it(store: VectorStore) -> None:
    """Similarity is the cosine; times are aware."""
    store.add([kept(0, 0, 1), kept(1, 1, 1, labels=frozenset({"person"}), zones=frozenset({"fence"}), incident_id="i")])
    near, far = store.search(SPACE, RED, Among(), 5)
    assert near.similarity == pytest.approx(0.7071, abs=1e-3)
    assert (near.camera_id, near.captured_at, near.incident_id) == ("gate", seconds(1), "i")
    assert (near.labels, near.zones) == (("person",), ("fence",))
    assert far.similarity == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("among", "expected"),
    [
        pytest.param(Among(camera_ids=("yard", "none")), [2], id="camera"),
        pytest.param(Among(labels=("car", "it's")), [1], id="label"),
        pytest.param(Among(zones=("fence",)), [2], id="zone"),
        pytest.param(Among(start=seconds(1), end=seconds(2)), [1], id="time"),
        pytest.param(Among(camera_ids=("gate",), zones=("fence",)), [], id="both"),
        pytest.param(Among(camera_ids=("x') OR ('1'='1",)), [], id="SQL"),
    ],
)
def test_only_what_was_asked_for_is_looked_through(store: VectorStore, among: Among, expected: list[float]) -> None:
    """By camera, label, zone and time, in any combination; words are never SQL."""
    store.add([kept(0, 1, 0), kept(1, 1, 0, labels=frozenset({"it's", "dog"}))])
    store.add([kept(2, 1, 0, camera="yard", zones=frozenset({"fence", "door"}))])
    assert found_at(store, among) == expected


def test_what_another_encoder_saw_is_not_compared(store: VectorStore) -> None:
    """Neither of another model nor of another length; of none that is kept nothing is found."""
    assert found_at(store, Among()) == []
    store.add([kept(0, 1, 0, model_id="other"), kept(1, 1, 0, 0), kept(2, 1, 0)])
    assert found_at(store, Among()) == [2]
    assert store.num_of_others(SPACE, 2, Among()) == 2
    assert store.num_of_others(SPACE, 2, Among(start=seconds(1))) == 1
    assert store.num_of_others("third", 2, Among(camera_ids=("yard",))) == 0


def test_erasing_takes_a_cameras_while_and_its_incidents(store: VectorStore) -> None:
    """Half-open; other cameras stay; to erase twice is no error."""
    store.add([kept(n, 1, 0) for n in range(4)] + [kept(1, 1, 0, camera="yard"), kept(9, 1, 0, incident_id="i")])
    assert store.erase("gate", seconds(1), seconds(3), ["i", "j"]) == 3
    assert store.erase("gate", seconds(1), seconds(3), ["i", "j"]) == 0
    assert sorted(found_at(store, Among())) == [0, 1, 3]
    store.add([kept(100 + n, 1, 0) for n in range(60)])
    assert store.erase("gate", seconds(105), seconds(155)) == 50


def test_what_is_too_old_is_forgotten_of_every_camera(store: VectorStore) -> None:
    """How many went is told, so that who clears knows when to stop; an old recording counts from when it was kept."""
    store.add([kept(0, 1, 0), kept(5, 1, 0), kept(1, 1, 0, camera="yard"), kept(-900, 2, 1, kept_at=seconds(6))])
    assert store.forget_before(seconds(5)) == 2
    assert store.forget_before(seconds(5)) == 0
    assert found_at(store, Among()) == [5, -900]


def test_another_store_on_the_same_place_finds_what_was_added_since(tmp_path: Path) -> None:
    """Several processes use one folder; each sees the others' moments at once."""
    one, other = LanceVectorStore(str(tmp_path)), LanceVectorStore(str(tmp_path))
    one.add([kept(0, 1, 0)])
    assert found_at(other, Among()) == [0]
    one.add([kept(1, 1, 0)])
    assert sorted(found_at(other, Among())) == [0, 1]


def test_looking_where_nothing_is_kept_makes_no_folder(tmp_path: Path) -> None:
    """Commands that only look still work on a full disk."""
    store = LanceVectorStore(str(tmp_path / "vectors"))
    assert found_at(store, Among()) == []
    assert store.erase("gate", seconds(0), seconds(1)) == store.forget_before(seconds(0)) == 0
    store.upkeep()
    assert not (tmp_path / "vectors").exists()


def test_an_index_is_made_of_many_and_finds_what_is_near(tmp_path: Path) -> None:
    """With and without a filter; what comes after it was made is found too."""
    store = LanceVectorStore(str(tmp_path), exact_up_to=200)
    moments = crowd(1200)
    store.add(moments)
    store.upkeep()
    assert any(folder.is_dir() for folder in tmp_path.glob("*.lance/_indices/*"))
    wanted = moments[700]
    store.add([kept(5000, *(-wanted.vector), model_id=SPACE)])
    nearest = store.search(SPACE, wanted.vector, Among(camera_ids=("gate",)), 5)[0]
    assert nearest.captured_at == wanted.captured_at
    assert nearest.similarity == pytest.approx(1.0, abs=1e-3)
    assert store.search(SPACE, -wanted.vector, Among(), 1)[0].captured_at == seconds(5000)


def test_the_index_grows_with_what_is_kept(tmp_path: Path) -> None:
    """It is made anew with more cells, and the old one goes."""
    store = LanceVectorStore(str(tmp_path), exact_up_to=200)
    for seed in (1, 2):
        store.add(crowd(400 if seed == 1 else 1600, seed=seed))
        store.upkeep()
    names = {index.name for index in store._all()[0].list_indices()}
    assert {name for name in names if name.startswith("cells-")} == {"cells-44"}


@pytest.mark.parametrize("exact_up_to", [200, 5000], ids=["with an index", "without one"])
def test_erased_vectors_are_gone_from_the_files(tmp_path: Path, exact_up_to: int) -> None:
    """Not only from what a search finds; the rest stays and is still found."""
    store = LanceVectorStore(str(tmp_path), exact_up_to=exact_up_to)
    moments = crowd(600)
    store.add(moments)
    store.upkeep()
    secret, other = moments[300], moments[302]
    cells = {folder.name for folder in tmp_path.glob("*.lance/_indices/*") if list(folder.glob("auxiliary.idx"))}
    assert _in_files(tmp_path, secret.vector)
    assert store.erase("gate", secret.captured_at, seconds(301)) == 1
    assert not _in_files(tmp_path, secret.vector)
    assert _in_files(tmp_path, other.vector)
    assert not cells & {folder.name for folder in tmp_path.glob("*.lance/_indices/*")}
    assert store.search(SPACE, other.vector, Among(), 1)[0].captured_at == other.captured_at


def test_a_place_that_cannot_be_read_is_said_to_be_away(tmp_path: Path) -> None:
    """A broken file is a fault of the place, told with its name."""
    store = LanceVectorStore(str(tmp_path))
    store.add([kept(0, 1, 0)])
    for file in tmp_path.glob("*.lance/data/*"):
        file.write_bytes(b"no longer a table")
    with pytest.raises(TransientError, match="vectors at"):
        LanceVectorStore(str(tmp_path)).search(SPACE, RED, Among(), 1)


def test_a_place_that_can_never_work_is_refused(tmp_path: Path) -> None:
    """A file where a folder should be, a URL that nobody knows: in words, by name."""
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "nobody://knows"):
        with pytest.raises(ConfigError, match=f"vectors cannot be kept at {place}"):
            LanceVectorStore(place).add([kept(0, 1, 0)])


def test_what_is_too_old_goes_with_the_rest(sqlite_database: Database, tmp_path: Path) -> None:
    """Retention clears moments after `search.keep_for`; 0 keeps them for ever."""
    vectors = MemoryVectors()
    vectors.add([kept(0, 1, 0), kept(50, 1, 0)])
    evidence = FsspecEvidenceStore(str(tmp_path))

    def cleared(vectors_for_seconds: float) -> int:
        incidents, settings = SqlIncidentStore(sqlite_database), RetentionSettings()
        retention = Retention(
            sqlite_database, incidents, evidence, settings, vectors=vectors, vectors_for_seconds=vectors_for_seconds
        )
        return retention.step(seconds(100)).vectors

    assert (cleared(0), cleared(60), cleared(60)) == (0, 1, 0)


def test_an_erased_incidents_peak_goes_with_it(sqlite_database: Database, tmp_path: Path) -> None:
    """Also one outside the range that was asked for; the moments in the range are counted with it."""
    candidate = make_candidate(seconds(0))
    assert SqlIncidentStore(sqlite_database).commit(opened(candidate), [])
    vectors = MemoryVectors()
    vectors.add([kept(300, 1, 0, incident_id=candidate.id), kept(300, 1, 0), kept(1, 1, 0)])
    eraser = Eraser(sqlite_database, FsspecEvidenceStore(str(tmp_path)), EvidenceSettings(), vectors)
    assert eraser.erase("gate", seconds(0), seconds(60)).num_by_kind["moment"] == 2
    assert [one.captured_at for one in vectors.kept] == [seconds(300)]


def _in_files(folder: Path, vector: NDArray[np.float32]) -> bool:
    return any(vector.tobytes() in file.read_bytes() for file in folder.rglob("*") if file.is_file())
