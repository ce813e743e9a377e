"""How well words find pictures: recalls among 100 pictures, of whole frames and of cut-outs.

A caption finds its picture at 5 when at most four pictures are more like it. One that the same words describe counts
for nothing, so chance is a little above 5 of 100. Frames are of as many situations, one each; cut-outs are chosen so
that what is rare comes up as often as what is common. Figures are means over as many hundreds as there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.models.captions import CaptionSpace
from pipeline.models.tokens import PieceReader
from pipeline.models.training.captions_scenes import CaptionedScene, Told

Picture = TypeVar("Picture")

AMONG = 100
_BATCH = 64
_DOING = 2
"""Which caption of a frame says who does what, and not where."""


def evaluate_captions(model: CaptionSpace, pieces: PieceReader, scenes: Sequence[CaptionedScene]) -> dict[str, Any]:
    """Figures in words."""
    middles = _hundreds([(scene, len(scene.frames) // 2) for scene in scenes if len(scene.frames)])
    frames, told = [scene.frames[at] for scene, at in middles], [scene.frames_told[at] for scene, at in middles]
    seen = _pictures(model, frames, are_frames=True)
    figures: dict[str, Any] = {"frames": len(told)}
    for name, language, length in (("frame", "en", -1), ("frame_doing", "en", _DOING), ("frame_chinese", "zh", -1)):
        figures |= _found(model, pieces, seen, told, name, language, length)
    cuts, told = _even_cuts(scenes)
    figures["cut_outs"] = len(told)
    seen = _pictures(model, cuts, are_frames=False)
    for name, language in (("cut_out", "en"), ("cut_out_chinese", "zh")):
        figures |= _found(model, pieces, seen, told, name, language, -1)
    return figures


def _found(
    model: CaptionSpace,
    pieces: PieceReader,
    seen: Tensor,
    told: Sequence[Told],
    name: str,
    language: str,
    length: int,
) -> dict[str, float]:
    """Caption to picture at 1 and 5, and picture to caption at 5."""
    if not told:
        return {}
    at = [length if length < len(one.keys) else 0 for one in told]
    texts = _texts(model, pieces, [one.words[language][0][n] for one, n in zip(told, at, strict=True)])
    likeness = texts @ seen.T
    same = torch.tensor([[one.keys[n] in other.keys for other in told] for one, n in zip(told, at, strict=True)])
    ranks = _ranks(likeness, same)
    back = _ranks(likeness.T, same.T)
    return {
        f"{name}_at_1": _share(ranks, 1),
        f"{name}_at_5": _share(ranks, 5),
        f"{name}_back_at_5": _share(back, 5),
    }


def _ranks(likeness: Tensor, same: Tensor) -> Tensor:
    """(N,): how many of the same hundred, but for those that are right too, are as much like each as its own, or more;
    all of them where that is no number."""
    count, likeness = len(likeness), likeness.cpu()
    hundred = torch.arange(count) // AMONG
    beside = (hundred[:, None] == hundred[None]) & ~same
    return (~(likeness < likeness.diagonal()[:, None]) & beside).sum(1)


def _share(ranks: Tensor, within: int) -> float:
    return round(float((ranks < within).float().mean()), 3)


def _even_cuts(scenes: Sequence[CaptionedScene]) -> tuple[list[NDArray[np.float16]], list[Told]]:
    """One of each key in turn, as many hundreds as there are scenes for."""
    by_key: dict[str, list[tuple[NDArray[np.float16], Told]]] = {}
    for scene in scenes:
        for cut, told in zip(scene.cuts, scene.cuts_told, strict=True):
            by_key.setdefault(told.keys[0], []).append((cut, told))
    turns = max((len(some) for some in by_key.values()), default=0)
    in_turn = [some[turn] for turn in range(turns) for some in by_key.values() if turn < len(some)]
    chosen = _hundreds(in_turn[: max(len(scenes) // AMONG, 1) * AMONG])
    return [cut for cut, _ in chosen], [told for _, told in chosen]


def _hundreds(pictures: list[Picture]) -> list[Picture]:
    """Whole ones; of fewer than one all."""
    return pictures[: max(len(pictures) // AMONG, 1) * AMONG]


def _pictures(model: CaptionSpace, tokens: Sequence[NDArray[np.float16]], *, are_frames: bool) -> Tensor:
    device = model.log_scale.device
    rows = [
        model.pictures(torch.from_numpy(np.stack(tokens[at : at + _BATCH])).to(device).float(), are_frames=are_frames)
        for at in range(0, len(tokens), _BATCH)
    ]
    return torch.cat(rows) if rows else torch.zeros(0, model.size.embedding, device=device)


def _texts(model: CaptionSpace, pieces: PieceReader, texts: Sequence[str]) -> Tensor:
    device = model.log_scale.device
    read = pieces.read(texts)
    return model.texts(torch.from_numpy(read.ids).to(device), torch.from_numpy(read.is_piece).to(device))
