"""One staged scene as pictures with their words: what the frozen trunk sees of them, and several captions of each.

In: a seed and a number. Out: a `CaptionedScene`, a pure function of both and of the trunk. Pictures are looked at as
the encoder looks at them in use: with no background, cut-outs as squares around a thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image
from pipeline.models.pixels import Planes, cut_region, whole_frame, with_difference
from pipeline.models.training.augment import augmented
from pipeline.models.training.crops import boxes_of
from pipeline.models.training.staging import Set, crowded, situation
from pipeline.models.vision import VisionModel, as_pictures
from pipeline.scenes.captions import captions, crop_caption
from pipeline.scenes.claims import is_shown
from pipeline.scenes.story import Story
from pipeline.scenes.truth import ActorTruth, FrameTruth

LANGUAGES = ("en", "zh")
SPLITS: dict[str, int] = {"train": 0, "known": 500_000_000, "held_out": 900_000_000}
"""What scenes are for, and what is added to their seed: `known` has other people and moments than training in its
places, `held_out` other places and wordings too."""
_DRAWS = {"en": 4, "zh": 2}
"""How often each picture is told anew in a language."""
_GALLERY_EVERY = 4
"""Of so many scenes the last is a gallery: cut-outs alone."""
_MOST_CUTS = {False: 12, True: 24}
"""Kept of a situation, and of a gallery."""
_SQUARE = 1.2 / 1.15
"""A cut-out in use is a square a fifth larger than the thing; `cut_region` adds 15 % itself."""
_AUGMENTED = 0.5
"""Share of the pictures that training sees changed."""
_MOST_NAMED = 6
_SEEDS = 1_000_003
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Told:
    """The words of one picture."""

    words: dict[str, list[list[str]]]
    """By language: several tellings, each from short to long; of a cut-out one caption each."""
    keys: list[str]
    """One a length: pictures with the same key are described by the same words."""


@dataclass(frozen=True, slots=True)
class CaptionedScene:
    """F whole frames (0 of a gallery) and C cut-outs."""

    frames: NDArray[np.float16]
    """(F, T, width): tokens of the trunk."""
    cuts: NDArray[np.float16]
    """(C, T, width)."""
    frames_told: list[Told]
    cuts_told: list[Told]


def make_scene(
    seed: int, number: int, model: VisionModel, *, moments: int, split: str = "train", footage: Sequence[Path] = ()
) -> CaptionedScene:
    """The pictures of one scene; `split`: of `SPLITS`."""
    rng = np.random.default_rng((seed + SPLITS[split], number, 13))
    is_held_out = split == "held_out"
    of_kind = crowded if number % _GALLERY_EVERY == _GALLERY_EVERY - 1 else situation
    scenery = of_kind(rng, moments, is_held_out=is_held_out, footage=footage)
    rendered = [scenery.scene.render(at) for at in scenery.times]
    planes = [with_difference(image, None) for image, _ in rendered]
    cuts, cuts_told = _cut(scenery, rendered, planes, rng, is_held_out)
    frames_told = [_frame_told(truth, scenery.story, rng, is_held_out) for _, truth in rendered if scenery.story]
    frames = [whole_frame(each) for each in planes[: len(frames_told)]]
    look = _Looker(model, rng, seed * _SEEDS + number, changes=split == "train")
    return CaptionedScene(look(frames, may_flip=False), look(cuts, may_flip=True), frames_told, cuts_told)


def square(box: Box) -> Box:
    """Of the longer side, around the same centre."""
    (x, y), half = box.centre, max(box.width, box.height) * _SQUARE / 2
    return Box(x - half, y - half, x + half, y + half)


def _cut(
    scenery: Set,
    rendered: Sequence[tuple[Image, FrameTruth]],
    planes: Sequence[Planes],
    rng: np.random.Generator,
    is_held_out: bool,
) -> tuple[list[Planes], list[Told]]:
    found = [
        (each, seen.box, seen.actor)
        for (image, truth), each in zip(rendered, planes, strict=True)
        for seen in boxes_of(truth.actors, (image.shape[1], image.shape[0]), rng)
        if seen.actor is not None
    ]
    chosen = [found[int(n)] for n in rng.permutation(len(found))[: _MOST_CUTS[scenery.story is None]]]
    told = [_cut_told(actor, rng, is_held_out) for _, _, actor in chosen]
    return [cut_region(each, square(box)) for each, box, _ in chosen], told


def _cut_told(actor: ActorTruth, rng: np.random.Generator, is_held_out: bool) -> Told:
    words = {
        language: [[crop_caption(actor, language, rng, held_out=is_held_out)] for _ in range(_DRAWS[language])]
        for language in LANGUAGES
    }
    return Told(words, [f"{actor.label} {_doing(actor)} {actor.carrying[:1]}"])


def _frame_told(truth: FrameTruth, story: Story, rng: np.random.Generator, is_held_out: bool) -> Told:
    words = {
        language: [list(captions(truth, story, language, rng, held_out=is_held_out)) for _ in range(_DRAWS[language])]
        for language in LANGUAGES
    }
    around = f"in {story.place} {story.light} {story.weather}"
    if len(words["en"][0]) == 2:  # of a blind or an empty picture: that, and where
        blinding = (
            fault.kind for fault in story.faults if fault.kind != "moved" and fault.share(truth.at_seconds) > 0.5
        )
        state = next(blinding, "nobody")
        return Told(words, [state, f"{state} {around}"])
    named = [actor for actor in truth.actors if _is_named(actor)]
    counts = sorted(Counter(actor.label for actor in named).items())
    doing = sorted(Counter((actor.label, _doing(actor), actor.carrying) for actor in named).items())[:_MOST_NAMED]
    return Told(words, [f"{counts}", f"{counts} {around}", f"{doing}", f"{doing} {around}"])


def _doing(actor: ActorTruth) -> str:
    """The same for actions that have the same words."""
    return "crouch" if actor.action == "bend" else actor.action


def _is_named(actor: ActorTruth) -> bool:
    """As captions do: what is seen well enough, and no part of another."""
    is_ridden = actor.label == "bicycle" and actor.action == "drive"
    return is_shown(actor) and actor.action != "carried" and not is_ridden


class _Looker:
    """The trunk, looking at the pictures of one scene."""

    def __init__(self, model: VisionModel, rng: np.random.Generator, seed: int, *, changes: bool) -> None:
        self._model, self._rng, self._seed, self._changes = model, rng, seed, changes

    def __call__(self, pictures: Sequence[Planes], *, may_flip: bool) -> NDArray[np.float16]:
        """(N, T, width)."""
        if not pictures:
            return np.zeros((0, 1, self._model.size.width), np.float16)
        ready = as_pictures(torch.from_numpy(np.stack(pictures)))
        if self._changes:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed)
                changed = augmented(ready, may_flip=may_flip)
            chosen = torch.from_numpy(self._rng.random(len(ready)) < _AUGMENTED)
            ready = torch.where(chosen[:, None, None, None], changed, ready)
        ready[:, 3] = 0
        with torch.inference_mode():
            tokens = torch.cat([self._model.trunk(part) for part in torch.split(ready, _BATCH)])
        found: NDArray[np.float16] = tokens.half().numpy()
        return found
