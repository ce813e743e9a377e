"""One staged scene as training samples: cut-outs and whole frames, their truth and their words.

A shard is a pure function of a seed and a number. Half of the time of making one is staging the scene, so several
moments are taken from each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.models.pixels import FRAME_SIZE_PX, Planes, cut_region, whole_frame, with_difference
from pipeline.models.regions import LABELS, NOTHING
from pipeline.models.training.crops import UNTOLD, Seen, boxes_of
from pipeline.models.training.staging import crowded, situation
from pipeline.models.trunk import STRIDE_PX
from pipeline.scenes import FrameTruth
from pipeline.scenes.captions import captions, crop_caption

_CHINESE = 0.3
"""Share of the captions in Chinese."""
GRID = (FRAME_SIZE_PX[1] // STRIDE_PX, FRAME_SIZE_PX[0] // STRIDE_PX)
_FRAME = (FRAME_SIZE_PX[1], FRAME_SIZE_PX[0], 4)
HELD_OUT_SEED = 900_000_000


@dataclass(frozen=True, slots=True)
class Shard:
    """C cut-outs and F frames of one scene; F is 0 for galleries."""

    crops: NDArray[np.uint8]
    """(C, 64, 64, 4)."""
    label: NDArray[np.int64]
    pose: NDArray[np.int64]
    action: NDArray[np.int64]
    """(C,) each; -1: not told."""
    carrying: NDArray[np.float32]
    """(C, 3) of 0 and 1; -1: not told."""
    words: tuple[str, ...]
    """A caption a cut-out; "" where there is none."""
    frames: NDArray[np.uint8]
    """(F, 96, 160, 4)."""
    grid: NDArray[np.int64]
    """(F, 12, 20): the label that stands in each cell."""
    captions: tuple[tuple[str, ...], ...]
    """Of each frame, short to long."""
    alike: tuple[str, ...]
    """Of each frame: the same text for frames that the same words describe."""


def make_shard(
    seed: int, number: int, *, moments: int, is_held_out: bool = False, footage: Sequence[Path] = ()
) -> Shard:
    """The samples of one scene: even numbers are situations, odd ones galleries, which give cut-outs alone.

    Held-out ones have places and wordings that training never meets.
    """
    rng = np.random.default_rng((seed + (HELD_OUT_SEED if is_held_out else 0), number))
    of_kind = crowded if number % 2 else situation
    scenery = of_kind(rng, moments, is_held_out=is_held_out, footage=footage)
    rendered = [scenery.scene.render(at) for at in scenery.times]
    backdrop = _median([image for image, _ in rendered])
    planes = [with_difference(image, backdrop) for image, _ in rendered]
    truths = [truth for _, truth in rendered]
    cut = [(frame, seen) for frame, truth in zip(planes, truths, strict=True) for seen in _boxes(frame, truth, rng)]
    told = [] if scenery.story is None else truths
    return Shard(
        np.stack([cut_region(frame, seen.box) for frame, seen in cut]),
        np.array([seen.label for _, seen in cut]),
        np.array([seen.pose for _, seen in cut]),
        np.array([seen.action for _, seen in cut]),
        np.array([seen.carrying or (UNTOLD,) * 3 for _, seen in cut], np.float32),
        tuple(
            crop_caption(seen.actor, _language(rng), rng, held_out=is_held_out) if seen.actor else "" for _, seen in cut
        ),
        np.stack([whole_frame(frame) for frame in planes[: len(told)]]) if told else np.empty((0, *_FRAME), np.uint8),
        np.stack([_grid(truth, planes[0].shape) for truth in told]) if told else np.empty((0, *GRID), np.int64),
        tuple(
            captions(truth, scenery.story, _language(rng), rng, held_out=is_held_out) if scenery.story else ()
            for truth in told
        ),
        tuple(_alike(scenery.scene.name, truth) for truth in told),
    )


def _language(rng: np.random.Generator) -> str:
    return "zh" if rng.random() < _CHINESE else "en"


def _boxes(frame: Planes, truth: FrameTruth, rng: np.random.Generator) -> list[Seen]:
    return boxes_of(truth.actors, (frame.shape[1], frame.shape[0]), rng)


def _median(images: Sequence[Image]) -> Image:
    """The view behind what moves, as far as these frames tell it."""
    some = np.stack(images[:: max(len(images) // 5, 1)][:5])
    middle: Image = np.sort(some, axis=0)[len(some) // 2]
    return middle


def _grid(truth: FrameTruth, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """What stands in each cell of the whole frame; of several the nearest."""
    cells = np.full(GRID, LABELS.index(NOTHING), np.int64)
    down, across = GRID[0] / shape[0], GRID[1] / shape[1]
    for actor in truth.actors:
        if actor.label in LABELS:
            box = actor.box
            rows = slice(round(box.top * down - 0.3), max(round(box.bottom * down + 0.3), int(box.top * down) + 1))
            columns = slice(
                round(box.left * across - 0.2), max(round(box.right * across + 0.2), int(box.left * across) + 1)
            )
            cells[max(rows.start, 0) : rows.stop, max(columns.start, 0) : columns.stop] = LABELS.index(actor.label)
    return cells


def _alike(place: str, truth: FrameTruth) -> str:
    """Frames with the same of this cannot be told apart by words."""
    return f"{place} {sorted((actor.label, actor.action) for actor in truth.actors)}"
