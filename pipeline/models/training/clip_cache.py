"""Samples of the clip stage on disk: one file a staged scene, made once, by this process or by others ahead of it.

What a file holds depends on its number, the seed and the trunk alone, so a run that is resumed, or begun again with
the same trunk, finds what it needs.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.models.clip_eyes import SeenArrays
from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.training.ahead import Ahead
from pipeline.models.training.clip_samples import AskedRule, ClipSample, make_samples
from pipeline.scenes.claims import Claim

SAMPLES_VERSION = 3
"""Goes up with what samples hold: older files are not read again."""
_AHEAD = 8
"""Scenes rendered before they are wanted, for each process."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What samples are made from."""

    vision: Path
    """Folder of the trunk's weights."""
    folder: Path
    """Where the files go."""
    seed: int
    clips: int
    """Of one scene."""
    split: str = "train"
    """Of `SPLITS`."""
    footage: tuple[Path, ...] = ()
    is_bf16: bool = False
    """Let the trunk look in bfloat16: twice as fast where the processor has it."""

    def path(self, number: int) -> Path:
        """The file of a scene."""
        return self.folder / f"{self.split}-{number:06d}.npz"


class ClipCache:
    """Samples by the number of their scene."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._samples: dict[int, list[ClipSample]] = {}
        self._ahead = Ahead(functools.partial(_make_alone, recipe), depth=_AHEAD)

    def ahead(self, workers: int) -> AbstractContextManager[None]:
        """Inside the block `workers` processes make what comes next."""
        return self._ahead.running(workers)

    def up_to(self, count: int) -> list[ClipSample]:
        """The samples of the first `count` scenes, in order."""
        coming = range(len(self._samples), count + self._ahead.reach)
        self._ahead.ask(number for number in coming if not self._recipe.path(number).exists())
        for number in range(len(self._samples), count):
            self._ahead.take(number)
            self._samples[number] = _had(self._recipe, number)
        return [sample for number in range(count) for sample in self._samples[number]]


def _had(recipe: Recipe, number: int) -> list[ClipSample]:
    if not recipe.path(number).exists():
        _make(recipe, number)
    return read_samples(recipe.path(number))


def _make_alone(recipe: Recipe, number: int) -> None:
    """In a process of its own, which must not take the training's cores."""
    torch.set_num_threads(1)
    _make(recipe, number)


def _make(recipe: Recipe, number: int) -> None:
    # Loading a model draws random weights first; the step under way must not notice.
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=recipe.is_bf16):
        samples = make_samples(
            recipe.seed,
            number,
            _eyes(recipe.vision).model,
            clips=recipe.clips,
            split=recipe.split,
            footage=recipe.footage,
        )
    write_samples(recipe.path(number), samples)


@functools.lru_cache(maxsize=2)
def _eyes(folder: Path) -> VisionText:
    return load_vision_text(folder=folder)


def write_samples(path: Path, samples: Sequence[ClipSample]) -> None:
    """Whole or not at all; several processes may write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = {
        field.name: np.stack([getattr(sample.seen, field.name) for sample in samples]) for field in fields(SeenArrays)
    }
    told = [
        {
            "rules": [asdict(rule) for rule in sample.rules],
            "situations": sample.situations.tolist(),
            "report": list(sample.report),
            "situation": sample.situation,
            "is_near_miss": sample.is_near_miss,
            "place": sample.place,
        }
        for sample in samples
    ]
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, told=np.array(json.dumps(told)), **seen)  # type: ignore[arg-type]  # arrays by name
    partial.replace(path)


def read_samples(path: Path) -> list[ClipSample]:
    """What `write_samples` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        told = json.loads(str(stored["told"]))
        seen = {field.name: stored[field.name] for field in fields(SeenArrays)}
    return [
        ClipSample(
            SeenArrays(**{name: rows[index].copy() for name, rows in seen.items()}),
            tuple(_rule(**rule) for rule in one["rules"]),
            np.array(one["situations"], np.int8),
            tuple(one["report"]),
            one["situation"],
            one["is_near_miss"],
            one["place"],
        )
        for index, one in enumerate(told)
    ]


def _rule(claim: Mapping[str, Any] | None, truth: int, is_own: bool) -> AskedRule:
    return AskedRule(None if claim is None else Claim(**claim), truth, is_own)
