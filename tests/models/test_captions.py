"""The captions stage at its smallest: scenes, a few steps, weights that the encoder reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.values import Box
from pipeline.errors import ConfigError
from pipeline.models.encoder import load_vision_text
from pipeline.models.training.captions_cache import caption_cache, read_scene, write_scene
from pipeline.models.training.captions_scenes import CaptionedScene, make_scene, square
from pipeline.models.training.loop import train
from pipeline.models.training.scene_cache import Recipe
from pipeline.models.weights import CAPTIONS, encoder_version, read_weights, vision_version
from tests.support.builtin import tiny_plan, write_tiny_captions, write_tiny_vision

pytestmark = pytest.mark.models
_STEPS = 3


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained trunk alone."""
    folder = tmp_path_factory.mktemp("trunk")
    write_tiny_vision(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, ...]]:
    """A folder with a trunk and what was learned over it, and the losses."""
    folder = tmp_path_factory.mktemp("trained")
    write_tiny_vision(folder)
    return folder, train(tiny_plan(folder, _STEPS, stage=CAPTIONS)).losses


def _scene(folder: Path, number: int, split: str = "train") -> CaptionedScene:
    return make_scene(3, number, load_vision_text(folder=folder).model, moments=2, split=split)


def test_same_seed_gives_the_same_losses(trained: tuple[Path, tuple[float, ...]], tmp_path: Path) -> None:
    """Rendered again, or read from what an earlier run kept, scenes and steps are the same."""
    write_tiny_vision(tmp_path)
    plan = tiny_plan(tmp_path, _STEPS, stage=CAPTIONS)
    assert train(plan).losses == trained[1] == train(plan).losses


def test_what_a_run_writes_is_what_the_encoder_reads(trained: tuple[Path, tuple[float, ...]]) -> None:
    """Pictures and texts become unit rows of one width; the card has the stage's section."""
    model = load_vision_text(folder=trained[0])
    rows = model.images([np.zeros((96, 160, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)])
    assert np.linalg.norm([*rows, *model.texts(["a person walks"])], axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert read_weights(trained[0], CAPTIONS).facts["vision"] == model.version
    assert "| held out places frame at 5 |" in (trained[0] / "CARD.md").read_text()


def test_the_trunk_stays_as_it_is(trained: tuple[Path, tuple[float, ...]], trunk: Path) -> None:
    """To the last byte: other models look through it."""
    assert vision_version(trained[0]) == vision_version(trunk)


def test_without_them_regions_are_named_and_pictures_are_not(trunk: Path) -> None:
    """Missing weights are told when they are needed, with the stage that makes them."""
    model, image = load_vision_text(folder=trunk), np.zeros((80, 120, 3), np.uint8)
    assert len(model.regions(image, [Box(10, 10, 30, 60)])) == 1
    with pytest.raises(ConfigError, match=r"no weights at .*captions\.safetensors.*--stage captions"):
        model.images([image])
    with pytest.raises(ConfigError, match="--stage captions"):
        model.texts(["a person"])


def test_those_of_another_trunk_are_refused(tmp_path: Path) -> None:
    """Its tokens mean something else."""
    write_tiny_vision(tmp_path)
    write_tiny_captions(tmp_path)
    write_tiny_vision(tmp_path, seed=1)
    with pytest.raises(ConfigError, match="was trained over"):
        load_vision_text(folder=tmp_path).texts(["a person"])


def test_other_weights_are_another_space_over_the_same_trunk(tmp_path: Path) -> None:
    """Vectors must not be compared then, and what names the trunk need not be trained again."""
    write_tiny_vision(tmp_path)
    versions = []
    for seed in (0, 1):
        write_tiny_captions(tmp_path, seed)
        versions.append((load_vision_text(folder=tmp_path).version, encoder_version(tmp_path)))
    assert versions[0][0] == versions[1][0] == vision_version(tmp_path)
    assert versions[0][1] != versions[1][1]


def test_scenes_come_back_from_their_file(trunk: Path, tmp_path: Path) -> None:
    """Tokens and words."""
    scene = _scene(trunk, 0)
    write_scene(tmp_path / "one.npz", scene)
    again = read_scene(tmp_path / "one.npz")
    np.testing.assert_array_equal(scene.frames, again.frames)
    np.testing.assert_array_equal(scene.cuts, again.cuts)
    assert (scene.frames_told, scene.cuts_told) == (again.frames_told, again.cuts_told)


def test_making_ahead_changes_nothing(trunk: Path, tmp_path: Path) -> None:
    """Scenes are the same whether another process renders or this one."""
    ahead, alone = (caption_cache(Recipe(trunk, tmp_path, name, 3, 2)) for name in ("ahead", "alone"))
    with ahead.ahead(1):
        found = ahead.up_to(2)
    for one, other in zip(found, alone.up_to(2), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert one.frames_told == other.frames_told


def test_each_length_of_a_caption_has_its_key(trunk: Path) -> None:
    """So that pictures with the same words are not held against each other; galleries have cut-outs alone."""
    situation, gallery = _scene(trunk, 0), _scene(trunk, 3)
    assert len(situation.frames) == len(situation.frames_told) == 2
    assert len(gallery.frames) == 0 < len(gallery.cuts)
    for told in (*situation.frames_told, *situation.cuts_told, *gallery.cuts_told):
        assert {len(words) for some in told.words.values() for words in some} == {len(told.keys)}


def test_a_square_has_the_longer_side() -> None:
    """As cut-outs have it in use, around the same centre."""
    box = square(Box(40, 20, 60, 80))
    assert box.centre == (50, 50)
    assert box.width == box.height >= 60
