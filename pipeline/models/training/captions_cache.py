"""Captioned scenes on disk, as `scene_cache` keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pipeline.models.training.captions_scenes import CaptionedScene, Told, make_scene
from pipeline.models.training.scene_cache import Kind, Recipe, SceneCache, write_arrays
from pipeline.models.vision import VisionModel

SCENES_VERSION = 1
"""Goes up with what scenes hold: older files are not read again."""


def caption_cache(recipe: Recipe) -> SceneCache[CaptionedScene]:
    """Scenes by their number; the recipe counts moments."""
    return SceneCache(recipe, Kind(_make, write_scene, read_scene))


def write_scene(path: Path, scene: CaptionedScene) -> None:
    """One file."""
    told = {name: [asdict(one) for one in getattr(scene, name)] for name in ("frames_told", "cuts_told")}
    write_arrays(path, {"told": np.array(json.dumps(told)), "frames": scene.frames, "cuts": scene.cuts})


def read_scene(path: Path) -> CaptionedScene:
    """What `write_scene` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        told = {name: [Told(**one) for one in some] for name, some in json.loads(str(stored["told"])).items()}
        return CaptionedScene(stored["frames"], stored["cuts"], **told)


def _make(recipe: Recipe, number: int, model: VisionModel) -> CaptionedScene:
    return make_scene(recipe.seed, number, model, moments=recipe.count, split=recipe.split, footage=recipe.footage)
