"""`/search/moments`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.observation import Encoder
from pipeline.contracts.values import Image
from pipeline.contracts.vectors import KeptVector
from pipeline.search.query import MomentSearch
from tests.support.archive import BAG, ColourWords, seconds
from tests.support.console_api import GATE, Desk, desk
from tests.support.reasoning import jpeg
from tests.support.vectors import MemoryVectors, unit


class Colours(ColourWords):
    """An encoder of red and the rest."""

    def warm_up(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free."""

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return np.array([[0, 1] for _ in images], np.float32)


def kept(camera_id: str, at_seconds: float, *numbers: float, incident_id: str = "") -> KeptVector:
    at = seconds(at_seconds)
    vector = unit(*numbers)
    return KeptVector(camera_id, at, at, "colours", vector, incident_id=incident_id)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two moments of the yard and one of the gate."""
    store, encoder = MemoryVectors(), Colours()
    store.add([kept("yard", 3, 1, 0, incident_id=BAG.id), kept("yard", 300, 0, 1), kept("gate", 200, 1, 1)])

    def colours() -> Encoder:
        return encoder

    with desk(tmp_path_factory.mktemp("moments"), moments=MomentSearch(store, colours)) as one:
        yield one


def test_moments_are_found_by_words_with_their_incident(made: Desk) -> None:
    """The most alike first; of what was not watched it is said."""
    told = made.client().get("/api/v1/search/moments?text=a red bag").json()
    assert [one["camera_id"] for one in told["items"]] == ["yard", "gate", "yard"]
    assert told["items"][0]["incident"]["id"] == BAG.id
    assert told["unwatched"] == ["yard was not watched 22:16:00\N{EN DASH}22:18:00: offline"]


def test_moments_are_found_by_a_picture_or_a_part_of_it(made: Desk) -> None:
    """A JPEG larger than any other body may be."""
    remark = b"\xff\xfe\xff\xff" + b"\0" * 65_533
    picture = jpeg(64, 36)[:2] + remark * 31 + jpeg(64, 36)[2:]
    for query in ("camera=yard", "camera=yard&right=0.5&bottom=0.5"):
        answer = made.client().post(f"/api/v1/search/moments?{query}", content=picture)
        assert answer.status_code == 200, answer.text
        assert next(one["captured_at"] for one in answer.json()["items"]) == "2026-07-10T20:19:00Z"


def test_moments_of_other_groups_are_not_found(made: Desk) -> None:
    """Nor does a group without cameras find any."""
    found = made.client("gus").get("/api/v1/search/moments?text=red").json()["items"]
    assert [one["camera_id"] for one in found] == ["gate"]
    assert made.client("gus").get("/api/v1/search/moments?text=red&camera=yard").status_code == 404


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"\0\0\0\x18ftypmp42", jpeg(64, 36)[:300]])
def test_what_is_no_picture_is_said(made: Desk, body: bytes) -> None:
    """A video, another format, half of one."""
    answer = made.client().post("/api/v1/search/moments", content=body)
    assert (answer.status_code, "one whole JPEG picture" in answer.json()["detail"]) == (422, True)


def test_an_image_bomb_is_refused(made: Desk) -> None:
    """A small file that would fill the memory, before it is decoded; and a large file at once."""
    picture = bytearray(jpeg(64, 36))
    start = picture.index(b"\xff\xc0")
    picture[start + 5 : start + 9] = (60_000).to_bytes(2, "big") * 2
    answer = made.client().post("/api/v1/search/moments", content=bytes(picture))
    assert (answer.status_code, "at most" in answer.json()["detail"]) == (422, True)
    assert made.client().post("/api/v1/search/moments", content=b"x" * 10_000_001).status_code == 413


def test_a_question_without_an_end_is_refused(made: Desk) -> None:
    """10,000 characters."""
    assert made.client().get("/api/v1/search/moments", params={"text": "x" * 10_000}).status_code == 422


def test_without_embeddings_it_says_what_to_set(tmp_path: Path) -> None:
    """501."""
    with desk(tmp_path, (GATE,)) as bare:
        answer = bare.client().get("/api/v1/search/moments?text=red")
    assert (answer.status_code, "models.encoder" in answer.json()["detail"]) == (501, True)
