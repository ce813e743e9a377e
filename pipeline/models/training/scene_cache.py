"""What is made of scenes, on disk: one file each, made once, by this process or by others ahead of it.

What a file holds depends on its number and the recipe alone, and the folder is named by that: a run that is resumed,
or begun again alike, finds what it needs, another makes its own.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.training.ahead import Ahead
from pipeline.models.training.plan import TrainingPlan, is_bf16_fast
from pipeline.models.vision import VisionModel
from pipeline.models.weights import SHIPPED, VISION

_AHEAD = 8
"""Scenes rendered before they are wanted, for each process."""
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What files are made from."""

    vision: Path
    """Folder of the trunk's weights."""
    out: Path
    """Of the run."""
    name: str
    """What is made, with the versions of its form and of the trunk."""
    seed: int
    count: int
    """Clips or moments of one scene."""
    split: str = "train"
    """What they are for: each maker has splits of its own."""
    footage: tuple[Path, ...] = ()
    is_bf16: bool = False
    """Let the trunk look in bfloat16: twice as fast where the processor has it."""

    @property
    def folder(self) -> Path:
        """Where the files go."""
        views = ", ".join(str(path.resolve()) for path in self.footage)
        told = hashlib.sha256(f"{self.count} {self.is_bf16} {views}".encode()).hexdigest()[:8]
        return self.out / f"{self.name}-{self.seed}-{told}"

    def path(self, number: int) -> Path:
        """The file of a scene."""
        return self.folder / f"{self.split}-{number:06d}.npz"


@dataclass(frozen=True, slots=True)
class Kind(Generic[Made]):
    """How one kind of file is made; functions of a module, since they travel to other processes."""

    make: Callable[[Recipe, int, VisionModel], Made]
    write: Callable[[Path, Made], None]
    read: Callable[[Path], Made]


class SceneCache(Generic[Made]):
    """What was made of scenes, by their number."""

    def __init__(self, recipe: Recipe, kind: Kind[Made]) -> None:
        self._recipe, self._kind = recipe, kind
        self._made: list[Made] = []
        self._ahead = Ahead(functools.partial(_make_alone, recipe, kind), depth=_AHEAD)

    def ahead(self, workers: int) -> AbstractContextManager[None]:
        """Inside the block `workers` processes make what comes next."""
        return self._ahead.running(workers)

    def up_to(self, count: int) -> list[Made]:
        """Of the first `count` scenes, in order."""
        coming = range(len(self._made), count + self._ahead.reach)
        self._ahead.ask(number for number in coming if not self._recipe.path(number).exists())
        for number in range(len(self._made), count):
            self._ahead.take(number)
            if not self._recipe.path(number).exists():
                _make(self._recipe, self._kind, number)
            self._made.append(self._kind.read(self._recipe.path(number)))
        return self._made[:count]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whole or not at all; several processes may write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # arrays by name
    partial.replace(path)


def training_recipe(plan: TrainingPlan, name: str, count: int) -> Recipe:
    """Of what a plan trains on. The trunk looks on the CPU, whatever trains."""
    is_bf16 = plan.is_bf16 and is_bf16_fast("cpu")
    return Recipe(trunk_folder(plan), plan.out, name, plan.seed, count, footage=tuple(plan.footage), is_bf16=is_bf16)


def trunk_folder(plan: TrainingPlan) -> Path:
    """Where the trunk lies that stays as it is: of the same run, where there is one; else the shipped one."""
    given = plan.options.get("vision")
    if given:
        return Path(given)
    return plan.out if (plan.out / f"{VISION}.safetensors").exists() else SHIPPED


def _make_alone(recipe: Recipe, kind: Kind[Made], number: int) -> None:
    """In a process of its own, which must not take the training's cores."""
    torch.set_num_threads(1)
    _make(recipe, kind, number)


def _make(recipe: Recipe, kind: Kind[Made], number: int) -> None:
    # Loading a model draws random weights first; the step under way must not notice.
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=recipe.is_bf16):
        made = kind.make(recipe, number, _eyes(recipe.vision).model)
    kind.write(recipe.path(number), made)


@functools.lru_cache(maxsize=2)
def _eyes(folder: Path) -> VisionText:
    return load_vision_text(folder=folder)
