"""How good the vision stage is, on places, people, moments and wordings that training never meets; at the end also on
other people and moments in the places it knows (`known_places`).

Accuracies are over cut-outs as they come, half of the scenes being situations and half galleries; by class they are
recalls. `retrieval`: of 100 frames from as many situations, how often a caption's own frame is the most like it
(`recall_at_1`), or among the five most like it; by the few pictures a step that teach the trunk. How well the encoder's
words find pictures is told by the captions stage.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.models.regions import ACTIONS, LABELS, POSES
from pipeline.models.tokens import PieceReader
from pipeline.models.training.crops import UNTOLD
from pipeline.models.training.shards import Shard, make_shard
from pipeline.models.vision import VisionModel, as_pictures

_MOMENTS = 4
_OTHER_SEED = 500_000_000
"""Added to the seed for people and moments that training does not meet in places that it does."""
_BATCH = 64
_HEADS = {"label": LABELS, "pose": POSES, "action": ACTIONS}


def evaluate_vision(
    model: VisionModel, reader: PieceReader, seed: int, scenes: int, *, has_known: bool = False
) -> dict[str, Any]:
    """Figures in words for the log and the card; `has_known` adds those on places that training knows."""
    shards = [_shard(seed, number, is_held_out=True) for number in range(2 * scenes)]
    blind = _heads(model, shards, has_difference=False)
    figures = {
        "scenes": len(shards),
        "crops": int(sum(len(shard.label) for shard in shards)),
        **_heads(model, shards),
        "without_background": _accuracies(blind),
        "retrieval": _retrieval(model, reader, shards),
    }
    if has_known:
        known = [_shard(seed + _OTHER_SEED, number, is_held_out=False) for number in range(2 * scenes)]
        figures["known_places"] = {**_accuracies(_heads(model, known)), **_retrieval(model, reader, known)}
    return figures


@functools.lru_cache(maxsize=512)
def _shard(seed: int, number: int, *, is_held_out: bool) -> Shard:
    """Kept: a run evaluates on the same ones every few minutes."""
    return make_shard(seed, number, moments=_MOMENTS, is_held_out=is_held_out)


def _accuracies(heads: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}_accuracy": figures["accuracy"] for name, figures in heads.items()}


def _heads(model: VisionModel, shards: Sequence[Shard], *, has_difference: bool = True) -> dict[str, Any]:
    device = model.log_scale.device
    crops = np.concatenate([shard.crops for shard in shards])
    if not has_difference:
        crops = crops.copy()
        crops[..., 3] = 0
    answers: dict[str, list[NDArray[np.int64]]] = {name: [] for name in _HEADS}
    for start in range(0, len(crops), _BATCH):
        pictures = as_pictures(torch.from_numpy(crops[start : start + _BATCH]).to(device))
        _, logits = model.regions(model.trunk(pictures))
        for name, found in answers.items():
            found.append(logits[name].argmax(-1).cpu().numpy())
    return {
        name: _figures(np.concatenate(found), np.concatenate([getattr(shard, name) for shard in shards]), _HEADS[name])
        for name, found in answers.items()
    }


def _figures(found: NDArray[np.int64], truth: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    told = truth != UNTOLD
    right = (found == truth)[told]
    by_class = {
        name: {"recall": round(float(right[truth[told] == n].mean()), 3), "of": int((truth == n).sum())}
        for n, name in enumerate(names)
        if (truth == n).any()
    }
    recalls = [one["recall"] for one in by_class.values()]
    return {
        "accuracy": round(float(right.mean()), 3) if len(right) else None,
        "mean_recall": round(float(np.mean(recalls)), 3) if recalls else None,
        "by_class": by_class,
    }


def _retrieval(model: VisionModel, reader: PieceReader, shards: Sequence[Shard]) -> dict[str, Any]:
    """One frame a situation, its longest caption against those of all others."""
    chosen = [
        (shard.frames[len(shard.frames) // 2], max(shard.captions[len(shard.frames) // 2], key=len))
        for shard in shards
        if len(shard.frames)
    ]
    device = model.log_scale.device
    pictures = as_pictures(torch.from_numpy(np.stack([frame for frame, _ in chosen])).to(device))
    pictures[:, 3] = 0
    pieces = reader.read([caption for _, caption in chosen])
    texts = model.text(torch.from_numpy(pieces.ids).to(device), torch.from_numpy(pieces.is_piece).to(device))
    images = torch.cat([model.embed(model.trunk(part)) for part in torch.split(pictures, _BATCH)])
    likeness = texts @ images.T
    better = (likeness > likeness.diagonal()[:, None]).sum(1)
    return {
        "of": len(chosen),
        "recall_at_1": round(float((better < 1).float().mean()), 3),
        "recall_at_5": round(float((better < 5).float().mean()), 3),
    }
