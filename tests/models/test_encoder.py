"""Pictures and words in one space, and what regions show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.values import Box
from pipeline.errors import ConfigError
from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.weights import SHIPPED, vision_version
from tests.support.builtin import tiny_vision, write_tiny_vision

pytestmark = pytest.mark.models
_RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VisionText:
    return tiny_vision(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize(
    "shape",
    [(360, 640, 3), (1, 1, 3), (1, 900, 3), (900, 1, 3), (96, 160, 3), (48, 20, 3), (33, 57), (40, 40, 1), (64, 64, 4)],
    ids=str,
)
def test_a_picture_of_any_shape_has_a_unit_vector(model: VisionText, shape: tuple[int, ...]) -> None:
    """Wide, high, a single pixel, grey, with a fourth channel."""
    rows = model.images([_RNG.integers(0, 256, shape, np.uint8)])
    assert rows.shape == (1, model.dimensions)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows[0]) == pytest.approx(1, abs=1e-5)


def test_a_batch_is_as_each_alone(model: VisionText) -> None:
    """Order and shapes of the others do not matter; matrix products of other sizes round otherwise."""
    images = [_RNG.integers(0, 256, (20 + 9 * n, 70 - 5 * n, 3), np.uint8) for n in range(9)]
    alone = np.concatenate([model.images([image]) for image in images])
    np.testing.assert_allclose(model.images(images), alone, atol=1e-5)


def test_nothing_gives_nothing(model: VisionText) -> None:
    """No pictures, no texts, no boxes: empty answers of the right width."""
    assert model.images([]).shape == model.texts([]).shape == (0, model.dimensions)
    assert model.regions(np.zeros((9, 9, 3), np.uint8), []) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a person climbs the fence",
        "有人翻过围栏",
        "zxqv \x00 🦑",
        "half of a character: \ud83e",
        "человек бежит",
        "word " * 500,
        "ＡＢＣ\n",
    ],
    ids=["empty", "blank", "english", "chinese", "strange", "half", "russian", "long", "wide"],
)
def test_any_text_has_a_unit_vector(model: VisionText, text: str) -> None:
    """Known language or not; always the same one, whoever stands beside it."""
    alone = model.texts([text])
    assert np.linalg.norm(alone[0]) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(model.texts(["a much longer text beside it", text])[1], alone[0], atol=1e-5)


def test_chinese_texts_are_told_apart(model: VisionText) -> None:
    """Characters that the vocabulary lacks are not all one stranger."""
    rows = model.texts(["有人跑步", "有车停下"])
    assert not np.allclose(rows[0], rows[1], atol=1e-3)


@pytest.mark.parametrize(
    "box",
    [Box(10, 10, 30, 60), Box(-50, -50, 500, 500), Box(400, 400, 420, 460), Box(20, 20, 20, 20), Box(30, 30, 10, 5)],
    ids=["inside", "larger", "outside", "no area", "turned round"],
)
def test_any_box_has_a_look(model: VisionText, box: Box) -> None:
    """Probabilities that add up, and a feature; a box beyond the picture too."""
    (look,) = model.regions(_RNG.integers(0, 256, (80, 120, 3), np.uint8), [box])
    assert sum(look.labels.values()) == pytest.approx(1, abs=1e-4)
    assert 0 < look.score <= 1
    assert look.embedding.shape == (model.model.size.width,)
    assert (look.pose != "") == (look.action != "") == (look.label == "person")


def test_the_background_changes_what_is_seen(model: VisionText) -> None:
    """The difference to the empty view is looked at; a background of another size is none."""
    image, box = _RNG.integers(0, 256, (80, 120, 3), np.uint8), Box(10, 10, 40, 70)
    plain, other = model.regions(image, [box])[0], model.regions(image, [box], image[:40])[0]
    before = model.regions(image, [box], np.zeros_like(image))[0]
    np.testing.assert_array_equal(plain.embedding, other.embedding)
    assert not np.allclose(plain.embedding, before.embedding, atol=1e-4)


def test_weights_survive_the_way_to_disk(tmp_path: Path) -> None:
    """What is read back answers as what was written, but for half precision."""
    first, image = tiny_vision(tmp_path), _RNG.integers(0, 256, (90, 160, 3), np.uint8)
    again = load_vision_text(folder=tmp_path)
    np.testing.assert_array_equal(first.images([image]), again.images([image]))
    assert first.version == again.version == vision_version(tmp_path)


def test_other_weights_are_another_version(tmp_path: Path) -> None:
    """The version is a fingerprint."""
    versions = [tiny_vision(tmp_path / str(seed), seed).version for seed in (0, 1)]
    assert versions[0] != versions[1]


def test_missing_weights_are_told_in_words(tmp_path: Path) -> None:
    """Where they were looked for, and what to do."""
    with pytest.raises(ConfigError, match=r"no weights at .*vision\.safetensors.*sightline train"):
        load_vision_text(folder=tmp_path)


def test_damaged_weights_are_told_in_words(tmp_path: Path) -> None:
    """No traceback of a library."""
    path = write_tiny_vision(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="damaged"):
        load_vision_text(folder=tmp_path)


def test_missing_words_are_told_in_words(tmp_path: Path) -> None:
    """The table of words is a file of its own."""
    write_tiny_vision(tmp_path)
    with pytest.raises(ConfigError, match="words are missing"):
        load_vision_text(folder=tmp_path, words=tmp_path)


def test_a_device_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    """As any setting that cannot be."""
    write_tiny_vision(tmp_path)
    with pytest.raises(ConfigError, match="cannot be used on"):
        load_vision_text(folder=tmp_path, device="cuda:99")


def test_words_of_like_meaning_stand_near_each_other() -> None:
    """The table that ships was distilled from a sentence encoder: `suitcase` is nearer to `luggage` than to `sing`."""
    from pipeline.models.weights import read_words

    words = read_words(SHIPPED)
    pieces = words.vocabulary.read_text(encoding="utf-8").split("\n")
    bag, luggage, sing = (words.vectors[pieces.index(word)].astype(float) for word in ("suitcase", "luggage", "sing"))
    assert _cosine(bag, luggage) > _cosine(bag, sing) + 0.2


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_without_torch_the_words_say_what_to_install() -> None:
    """Importing the package needs no torch; loading a model says what is missing."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import pipeline.models.encoder as encoder\n"
        "try: encoder.load_vision_text()\n"
        "except encoder.ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "need torch: pip install 'sightline[models]'" in done.stdout
