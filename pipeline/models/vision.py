"""The trunk and the region classifier, trained together with whole frames against captions.

That last objective teaches the tokens, and the clip model reads what comes of it (`embed`). Words find pictures by
what the captions stage learns over the trunk afterwards (`captions`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.models.regions import LABELS, RegionHeads
from pipeline.models.text import TextEncoder, WordTable
from pipeline.models.trunk import AttentionPool, Size, Trunk
from pipeline.models.weights import Words

_FIRST_SCALE = 10.0
_LARGEST_SCALE = 60.0


class VisionModel(nn.Module):
    """Everything that `sightline train --stage vision` trains."""

    def __init__(self, size: Size, words: Words) -> None:
        super().__init__()
        self.size = size
        self.trunk = Trunk(size)
        self.regions = RegionHeads(size)
        self.grid = nn.Linear(size.width, len(LABELS))
        """What stands in each cell of a whole frame: read in training only, where it teaches the tokens to look."""
        self.pool = AttentionPool(size.width)
        """With `leave` and `text`: pictures against captions, eight frames a step."""
        self.leave = nn.Linear(size.width, size.embedding)
        self.text = TextEncoder(size, WordTable(words.vectors, words.scale))
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))

    @property
    def scale(self) -> Tensor:
        """What likenesses are multiplied with before they compete."""
        return self.log_scale.exp().clamp(max=_LARGEST_SCALE)

    def embed(self, tokens: Tensor) -> Tensor:
        """(N, T, width) of the trunk to (N, embedding) of unit length."""
        return nn.functional.normalize(self.leave(self.pool(tokens)).float(), dim=-1)


def as_pictures(planes: Tensor) -> Tensor:
    """(N, H, W, 4) uint8 to what the trunk takes: (N, 4, H, W) float in 0..1."""
    return planes.permute(0, 3, 1, 2).float().div(255)
