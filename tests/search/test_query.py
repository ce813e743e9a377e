"""Moments by words, by a picture, by a part of one; and what is said of a wrong question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import jpeg
from pipeline.app.stores import open_stores
from pipeline.contracts.values import Image
from pipeline.contracts.vectors import Alike, Among, KeptVector
from pipeline.errors import ConfigError
from pipeline.search.found import cite
from pipeline.search.query import MAX_CHARACTERS, MomentSearch, Part
from pipeline.search.toolbox import Toolbox
from pipeline.settings import Settings
from tests.support.archive import BAG, archive_of, fill
from tests.support.archive import seconds as evening
from tests.support.perception import MeanEncoder
from tests.support.vectors import MemoryVectors, kept, seconds

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


class ColourEncoder(MeanEncoder):
    """The mean colour of pictures, and the colours that words name."""

    supports_text = True

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[255.0 * (name in text) + 1 for name in ("red", "green", "blue")] for text in texts]
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def store() -> MemoryVectors:
    """Red at 0 s, blue 100 s later."""
    store = MemoryVectors()
    store.add([kept(0, 1, 0, 0, model_id="mean"), kept(100, 0, 0, 1, model_id="mean")])
    return store


@pytest.fixture
def search(store: MemoryVectors) -> MomentSearch:
    return MomentSearch(store, ColourEncoder)


def picture() -> bytes:
    """Blue; its right half red."""
    pixels: Image = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64, 2] = pixels[:, 64:, 0] = 255
    return jpeg.encode_pixels(pixels, 95)


def at(found: Alike) -> list[float]:
    return [(one.captured_at - seconds(0)).total_seconds() for one in found.moments]


def test_words_find_what_looks_so(search: MomentSearch) -> None:
    """The most alike first; filters hold."""
    assert at(search.by_words("  a blue\ncar ", Among(), 5)) == [100, 0]
    assert at(search.by_words("blue", Among(end=seconds(50)), 5)) == [0]


def test_what_another_encoder_saw_is_counted(search: MomentSearch, store: MemoryVectors) -> None:
    """Of the same while: nothing found is not nothing there."""
    store.add([kept(n, 1, 0, 0, model_id="old") for n in (10, 20, 500)])
    found = search.by_words("green", Among(start=seconds(5), end=seconds(60)), 5)
    assert (at(found), found.num_not_compared) == ([], 2)


def test_a_part_of_a_picture_is_looked_for_by_itself(search: MomentSearch) -> None:
    """Drawn as fractions of its sides, also a little outside; without one the whole picture counts."""
    assert at(search.by_picture(picture(), Among(), 1, part=LEFT)) == [100]
    assert at(search.by_picture(picture(), Among(), 1, part=(0.5, -0.2, 1.3, 1.0))) == [0]
    whole = search.by_picture(picture(), Among(), 2).moments
    assert whole[0].similarity == pytest.approx(whole[1].similarity, abs=0.02)


@pytest.mark.parametrize("text", ["", " \n", "x" * 10_000], ids=["none", "blanks", "10,000 characters"])
def test_words_that_cannot_be_looked_for_are_refused(search: MomentSearch, text: str) -> None:
    """With the bounds."""
    with pytest.raises(ConfigError, match=f"expected 1 to {MAX_CHARACTERS} characters"):
        search.by_words(text, Among(), 5)


def test_an_image_bomb_is_refused_before_it_is_decoded(search: MomentSearch) -> None:
    """By what its header says: 65,000 pixels each way."""
    header = b"\xff\xd8\xff\xc0\x00\x11\x08" + (65_000).to_bytes(2) * 2 + b"\x03" + bytes(20)
    with pytest.raises(ConfigError, match="got 65000x65000"):
        search.by_picture(header, Among(), 5)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\x00\x00\x18ftypmp42" + bytes(100), b"\x89PNG\r\n\x1a\n" + bytes(100), picture()[:400]],
    ids=["nothing", "a video", "a PNG", "half a picture"],
)
def test_what_is_no_whole_jpeg_is_refused(search: MomentSearch, data: bytes) -> None:
    """In words that say what is expected."""
    with pytest.raises(ConfigError, match="expected an example as one whole JPEG picture"):
        search.by_picture(data, Among(), 5)


@pytest.mark.parametrize(
    "part",
    [(0.5, 0.5, 0.5, 0.9), (0.9, 0.0, 0.1, 1.0), (1.5, 0.0, 2.0, 1.0), (0.0, 0.0, float("nan"), 1.0)],
    ids=["empty", "turned round", "outside", "no number"],
)
def test_a_part_that_shows_nothing_is_refused(search: MomentSearch, part: Part) -> None:
    """Instead of an answer about something else."""
    with pytest.raises(ConfigError, match="expected a part"):
        search.by_picture(picture(), Among(), 5, part=part)


def test_what_a_site_cannot_answer_is_said(store: MemoryVectors) -> None:
    """Without an encoder nothing; with one that reads no words pictures alone."""
    with pytest.raises(ConfigError, match=r"set models\.encoder in the site file"):
        MomentSearch(store, lambda: None).by_picture(picture(), Among(), 1)
    blind = MomentSearch(store, MeanEncoder)
    with pytest.raises(ConfigError, match="mean reads no words"):
        blind.by_words("red", Among(), 1)
    assert at(blind.by_picture(picture(), Among(), 1, part=RIGHT)) == [0]


@pytest.mark.parametrize("limit", [0, 101])
def test_a_while_and_a_number_must_make_sense(search: MomentSearch, limit: int) -> None:
    """They are refused as they were asked for."""
    with pytest.raises(ConfigError, match=f"got {limit}"):
        search.by_words("red", Among(), limit)
    with pytest.raises(ConfigError, match="must be before"):
        search.by_words("red", Among(start=seconds(2), end=seconds(1)), 5)


def test_a_model_finds_times_by_their_look(tmp_path: Path, store: MemoryVectors) -> None:
    """With the incident to cite where there is one; without a store of moments there is no such tool."""
    fill(tmp_path)
    stores = open_stores(Settings(data_dir=tmp_path))
    store.kept = [
        kept_in_evening(0, 1, 0, 0, incident_id=BAG.id, labels=frozenset({"person"})),
        kept_in_evening(300, 0, 0, 1, zones=frozenset({"fence"})),
    ]
    wanted = {"text": "red", "from": "2026-07-10T22:00", "to": "2026-07-10T23:00"}
    archive = archive_of(stores, moments=MomentSearch(store, ColourEncoder))
    found = Toolbox(archive).call("search_moments", json.dumps(wanted))
    assert [row.get("cite") for row in found.data["moments"]] == [cite(BAG), None]
    assert found.data["moments"][0] | {"similarity": 0} == {
        "camera": "yard",
        "at": "2026-07-10T22:14:00",
        "similarity": 0,
        "detected": ["person"],
        "in_zones": [],
        "cite": cite(BAG),
    }
    in_zone = Toolbox(archive).call("search_moments", json.dumps(wanted | {"zone": "fence"}))
    assert [row["at"] for row in in_zone.data["moments"]] == ["2026-07-10T22:19:00"]
    assert "not_compared" not in found.data
    store.kept = [replace(one, model_id="old") for one in store.kept]
    assert Toolbox(archive).call("search_moments", json.dumps(wanted)).data["not_compared"].startswith("2 moments")
    assert "search_moments" not in {tool.name for tool in Toolbox(archive_of(stores)).tools}
    stores.close()


def kept_in_evening(at_seconds: float, *numbers: float, **given: Any) -> KeptVector:
    at = evening(at_seconds)
    return replace(kept(0, *numbers, camera="yard", model_id="mean", **given), captured_at=at)
