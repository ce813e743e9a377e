"""The caption memory: how abnormal a picture looks, by the captions nearest to it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.events.captions import Caption, CaptionMemory, shipped_captions
from tests.support.events import TinyEncoder, at
from tests.support.words import BagOfWords

BAG = BagOfWords()
FEW = (
    Caption("people walking by", "walking", is_abnormal=False),
    Caption("parked cars", "vehicles", is_abnormal=False),
    Caption("a person climbing over a fence", "climbing", is_abnormal=True),
    Caption("a house on fire", "fire", is_abnormal=True),
)


@pytest.fixture(scope="module")
def memory() -> CaptionMemory:
    return CaptionMemory(BAG)


SCENES = [
    ("a man climbing over the fence of a yard", True),
    ("two men punching each other", True),
    ("an elderly woman lying on the floor", True),
    ("thick smoke and flames in the warehouse", True),
    ("a suitcase abandoned on the platform", True),
    ("people walking along the street", False),
    ("cars parked in a row along the street", False),
    ("customers looking at goods in a shop", False),
    ("an empty corridor", False),
    ("a worker pushing a pallet in a warehouse", False),
]


@pytest.mark.parametrize(("scene", "is_abnormal"), SCENES, ids=[scene for scene, _ in SCENES])
def test_scenes_lean_to_their_side(memory: CaptionMemory, scene: str, is_abnormal: bool) -> None:
    """A scene that somebody would want to be told of scores above one half, an ordinary one below."""
    (match,) = memory.match(BAG.encode_texts([scene]), at(0))
    assert (match.score > 0.5) is is_abnormal


def test_the_best_caption_is_the_reason() -> None:
    """The nearest abnormal caption is named with its category, the nearest ordinary one beside it."""
    climbing, walking = CaptionMemory(BAG, FEW).match(
        BAG.encode_texts(["a person climbing over a fence", "people walking by"]), at(0)
    )
    assert climbing.reason == "like “a person climbing over a fence” (climbing) rather than “people walking by”"
    assert walking.reason.startswith("like “people walking by” rather than “")


def test_captions_are_encoded_once() -> None:
    """Scoring asks the encoder for nothing: it is a product with what was encoded before."""
    encoder = BagOfWords(64)
    memory = CaptionMemory(encoder)
    assert encoder.num_texts == len(shipped_captions())
    memory.match(np.eye(64, dtype=np.float32), at(0))
    assert encoder.num_texts == len(shipped_captions())


def test_the_same_caption_of_both_halves_is_ordinary() -> None:
    """Abnormal vectors are a little shorter: what is equally near to both is not told."""
    both = [Caption("a person at a door", "doors", is_abnormal=abnormal) for abnormal in (False, True)]
    vector = BAG.encode_texts(["a person at a door"])
    (match,) = CaptionMemory(BAG, both).match(vector, at(0))
    assert match.score < 0.5


def test_bad_vectors_have_no_score(memory: CaptionMemory) -> None:
    """NaN, infinite, empty and zero vectors, and those of another size, are NaN and spoil no other row."""
    good = BAG.encode_texts(["a house in flames"])
    odd = [np.full_like(good, np.nan), np.full_like(good, np.inf), np.zeros_like(good), good]
    scores = [match.score for match in memory.match(np.concatenate(odd), at(0))]
    assert [bool(np.isnan(score)) for score in scores] == [True, True, True, False]
    assert [np.isnan(match.score) for match in memory.match(np.ones((2, 3), np.float32), at(0))] == [True, True]
    assert memory.match(good[:0], at(0)) == []


def test_an_encoder_without_words_is_refused() -> None:
    """The message says which model would do."""
    with pytest.raises(ConfigError, match=r"no text side.*CLIP or SigLIP"):
        CaptionMemory(TinyEncoder("x", supports_text=False))


def test_both_halves_are_needed() -> None:
    """A memory of one half would score everything alike."""
    with pytest.raises(ValueError, match="both halves"):
        CaptionMemory(BAG, FEW[:2])


def test_ordinary_scenes_near_a_text() -> None:
    """The nearest normal captions come first; abnormal ones never."""
    memory = CaptionMemory(BAG, FEW)
    assert memory.ordinary_like("cars in a parking lot", 1) == ("parked cars",)
    assert set(memory.ordinary_like("a person climbing over a fence", 9)) == {"people walking by", "parked cars"}


def test_the_shipped_captions_are_sound() -> None:
    """Hundreds of each half, none twice, none longer than an encoder reads, every one a plain sentence."""
    captions = shipped_captions()
    halves = Counter(caption.is_abnormal for caption in captions)
    assert min(halves.values()) >= 250
    assert max(halves.values()) <= 1.2 * min(halves.values())
    assert len({caption.text for caption in captions}) == len(captions)
    assert all(
        (isinstance(caption.text, str) and 1 < len(caption.text.split()) < 20) or caption.text == "darkness"
        for caption in captions
    )
