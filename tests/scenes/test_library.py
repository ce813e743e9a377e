"""Scenes by name."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.scenes import open_scene, open_staged, scene_names, staged_names
from pipeline.scenes.situations import SITUATIONS


def test_every_situation_has_a_name_and_one_for_its_near_miss() -> None:
    """Fifteen situations and their near misses, and ordinary life, which has none."""
    assert len(staged_names()) == 2 * len(SITUATIONS) - 1
    assert not set(staged_names()) & set(scene_names())


@pytest.mark.parametrize(("name", "is_real"), [("left-bag", True), ("near-left-bag", False)])
def test_a_name_stages_its_situation(name: str, is_real: bool) -> None:
    """The same seed gives the same scene and story, of the size that is asked for."""
    staged = open_staged(name, seed=4, size=(320, 180))
    assert (staged.story.situation, staged.story.is_real) == ("left_bag", is_real)
    picture, _ = staged.scene.render(1.0)
    again, _ = open_scene(name, seed=4, size=(320, 180)).render(1.0)
    assert picture.shape == (180, 320, 3)
    assert np.array_equal(picture, again)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """Both kinds of names are looked through."""
    with pytest.raises(ConfigError, match="did you mean near-left-bag"):
        open_scene("near-left-bagg")
