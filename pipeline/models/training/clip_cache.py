"""Samples of the clip stage on disk, as `scene_cache` keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.clip_eyes import SeenArrays
from pipeline.models.training.clip_samples import AskedRule, ClipSample, make_samples
from pipeline.models.training.scene_cache import Kind, Recipe, SceneCache, write_arrays
from pipeline.models.vision import VisionModel
from pipeline.scenes.claims import Claim

SAMPLES_VERSION = 3
"""Goes up with what samples hold: older files are not read again."""


class ClipCache:
    """Samples, of one scene after another; the recipe counts clips."""

    def __init__(self, recipe: Recipe) -> None:
        self._scenes = SceneCache(recipe, Kind(_make, write_samples, read_samples))
        self.ahead = self._scenes.ahead

    def up_to(self, count: int) -> list[ClipSample]:
        """Of the first `count` scenes, in order."""
        return [sample for samples in self._scenes.up_to(count) for sample in samples]


def _make(recipe: Recipe, number: int, model: VisionModel) -> list[ClipSample]:
    return make_samples(recipe.seed, number, model, clips=recipe.count, split=recipe.split, footage=recipe.footage)


def write_samples(path: Path, samples: Sequence[ClipSample]) -> None:
    """One file."""
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
    write_arrays(path, {"told": np.array(json.dumps(told)), **seen})


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
