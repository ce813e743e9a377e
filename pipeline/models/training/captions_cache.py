"""Captioned scenes on disk: one file each, made once, by this process or by others ahead of it.

What a file holds depends on its number, the seed and the trunk alone.
"""

from __future__ import annotations

import functools
import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.training.ahead import Ahead
from pipeline.models.training.captions_scenes import CaptionedScene, Told, make_scene

SCENES_VERSION = 1
"""Goes up with what scenes hold: older files are not read again."""
_AHEAD = 8
"""Scenes rendered before they are wanted, for each process."""


@dataclass(frozen=True, slots=True)
class CaptionRecipe:
    """What scenes are made from."""

    vision: Path
    """Folder of the trunk's weights."""
    folder: Path
    """Where the files go."""
    seed: int
    moments: int
    """Of one scene."""
    split: str = "train"
    """Of `SPLITS`."""
    footage: tuple[Path, ...] = ()
    is_bf16: bool = False
    """Let the trunk look in bfloat16: twice as fast where the processor has it."""

    def path(self, number: int) -> Path:
        """The file of a scene."""
        return self.folder / f"{self.split}-{number:06d}.npz"


class CaptionCache:
    """Scenes by their number."""

    def __init__(self, recipe: CaptionRecipe) -> None:
        self._recipe = recipe
        self._scenes: list[CaptionedScene] = []
        self._ahead = Ahead(functools.partial(_make_alone, recipe), depth=_AHEAD)

    def ahead(self, workers: int) -> AbstractContextManager[None]:
        """Inside the block `workers` processes make what comes next."""
        return self._ahead.running(workers)

    def up_to(self, count: int) -> list[CaptionedScene]:
        """The first `count` scenes, in order."""
        coming = range(len(self._scenes), count + self._ahead.reach)
        self._ahead.ask(number for number in coming if not self._recipe.path(number).exists())
        for number in range(len(self._scenes), count):
            self._ahead.take(number)
            self._scenes.append(_had(self._recipe, number))
        return self._scenes[:count]


def _had(recipe: CaptionRecipe, number: int) -> CaptionedScene:
    if not recipe.path(number).exists():
        make_file(recipe, number)
    return read_scene(recipe.path(number))


def _make_alone(recipe: CaptionRecipe, number: int) -> None:
    """In a process of its own, which must not take the training's cores."""
    torch.set_num_threads(1)
    make_file(recipe, number)


def make_file(recipe: CaptionRecipe, number: int) -> None:
    """Render, look and write."""
    # Loading a model draws random weights first; the step under way must not notice.
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=recipe.is_bf16):
        scene = make_scene(
            recipe.seed,
            number,
            _eyes(recipe.vision).model,
            moments=recipe.moments,
            split=recipe.split,
            footage=recipe.footage,
        )
    write_scene(recipe.path(number), scene)


@functools.lru_cache(maxsize=2)
def _eyes(folder: Path) -> VisionText:
    return load_vision_text(folder=folder)


def write_scene(path: Path, scene: CaptionedScene) -> None:
    """Whole or not at all; several processes may write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {name: [asdict(one) for one in getattr(scene, name)] for name in ("frames_told", "cuts_told")}
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, told=np.array(json.dumps(told)), frames=scene.frames, cuts=scene.cuts)
    partial.replace(path)


def read_scene(path: Path) -> CaptionedScene:
    """What `write_scene` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        told = {name: [Told(**one) for one in some] for name, some in json.loads(str(stored["told"])).items()}
        return CaptionedScene(stored["frames"], stored["cuts"], **told)
