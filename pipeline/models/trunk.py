"""The one image network under all built-in models: a small ViT with a convolutional stem.

In: (N, 4, H, W) float, red, green, blue and the absolute difference to the background, each 0..1; the fourth is zero
where no background is known. Out: (N, H/8 * W/8, width) tokens, row by row. Positions are fixed sines of row and
column, so any size works.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.errors import ConfigError

STRIDE_PX = 8
CHANNELS = 4
_HEAD_WIDTH = 32
_CENTRE, _SPREAD = (0.45, 0.45, 0.45, 0.0), (0.25, 0.25, 0.25, 0.25)
"""Mean and deviation of the channels: a usual daylight picture, and differences as they are."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the models are."""

    name: str
    width: int
    depth: int
    text_depth: int
    embedding: int
    """Dimensions of the space that pictures and words share."""


SIZES = {size.name: size for size in (Size("tiny", 64, 1, 1, 32), Size("nano", 192, 5, 2, 256))}


def size_of(name: str) -> Size:
    """A size by its name; `ConfigError` for an unknown one."""
    if name not in SIZES:
        raise ConfigError(f"expected a size of {', '.join(SIZES)}; got {name!r}")
    return SIZES[name]


def attend(question: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, is_training: bool) -> Tensor:
    """Attention over (N, heads, T, head width); `mask` False: not looked at.

    In training as two products and a softmax: torch's fused one takes six times as long backwards on a CPU in bf16
    (81 against 12 ms for 96 x 6 x 64 x 32). Forwards it is the faster one.
    """
    if not is_training:
        return nn.functional.scaled_dot_product_attention(question, keys, values, attn_mask=mask)
    likeness = (question * question.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
    if mask is not None:
        likeness = likeness.masked_fill(~mask, -torch.inf)
    heard: Tensor = likeness.softmax(-1).to(values.dtype) @ values
    return heard


class Block(nn.Module):
    """Attention and a two-layer network, each behind a norm and beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // _HEAD_WIDTH
        self.norm_mix, self.norm_think = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        last = nn.Linear(4 * width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), last)
        # At first a block passes its tokens on as they are, which spares half of the first hundred steps.
        nn.init.zeros_(self.mixed.weight)
        nn.init.zeros_(last.weight)

    def forward(self, tokens: Tensor, is_token: Tensor | None = None) -> Tensor:
        """(N, T, width) to the same; `is_token` (N, T) bool leaves padding out of the attention."""
        rows, count, width = tokens.shape
        mixed = self.mix(self.norm_mix(tokens)).view(rows, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if is_token is None else is_token[:, None, None, :]
        seen = attend(mixed[0], mixed[1], mixed[2], mask, is_training=self.training)
        tokens = tokens + self.mixed(seen.transpose(1, 2).reshape(rows, count, width))
        thought: Tensor = tokens + self.think(self.norm_think(tokens))
        return thought


class Trunk(nn.Module):
    """Pictures to tokens."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.width
        self.register_buffer("centre", torch.tensor(_CENTRE).view(1, CHANNELS, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD).view(1, CHANNELS, 1, 1), persistent=False)
        steps = (CHANNELS, width // 4, width // 2, width)
        self.stem = nn.Sequential(
            *(
                layer
                for before, after in pairwise(steps)
                for layer in (nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(1, after), nn.GELU())
            )
        )
        self.blocks = nn.ModuleList(Block(width) for _ in range(size.depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 4, H, W) in 0..1 to (N, T, width)."""
        maps = self.stem((pictures - self.get_buffer("centre")) / self.get_buffer("spread"))
        tokens = maps.flatten(2).transpose(1, 2) + _positions(maps.shape[2], maps.shape[3], maps)
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens)
        return normed


class AttentionPool(nn.Module):
    """One learned question asked of all tokens: (N, T, width) to (N, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // _HEAD_WIDTH
        self.question = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.keys = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, is_token: Tensor | None = None) -> Tensor:
        """What the tokens answer; `is_token` (N, T) bool leaves padding out."""
        rows, count, width = tokens.shape
        keys, values = self.keys(tokens).view(rows, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        question = self.question.to(keys.dtype).expand(rows, 1, width).view(rows, 1, self.heads, -1).transpose(1, 2)
        mask = None if is_token is None else is_token[:, None, None, :]
        heard = attend(question, keys, values, mask, is_training=self.training)
        answer: Tensor = self.norm(self.out(heard.transpose(1, 2).reshape(rows, width)))
        return answer


def _positions(rows: int, columns: int, like: Tensor) -> Tensor:
    """(1, rows * columns, width): half of the width tells the row, half the column."""
    quarter = like.shape[1] // 4
    pace = torch.exp(torch.arange(quarter, device=like.device) * (-math.log(1000.0) / quarter))
    down = torch.arange(rows, device=like.device)[:, None] * pace
    across = torch.arange(columns, device=like.device)[:, None] * pace
    by_row = torch.cat([down.sin(), down.cos()], 1)[:, None].expand(-1, columns, -1)
    by_column = torch.cat([across.sin(), across.cos()], 1)[None].expand(rows, -1, -1)
    return torch.cat([by_row, by_column], 2).reshape(1, rows * columns, -1).to(like.dtype)
