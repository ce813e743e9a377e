"""Pictures and words in one space: what whole frames and cut-outs show, as texts tell it, over the frozen trunk.

In: the trunk's tokens of pictures whose fourth plane is zero, and pieces of texts. Out: rows of unit length. What is
trained here is no part of the vision weights: the trunk stays as it is, and with it all else that looks through it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.models.text import TextEncoder, WordTable
from pipeline.models.trunk import Block, Size, attend
from pipeline.models.weights import Words

_FIRST_SCALE = 14.0
_LARGEST_SCALE = 60.0
_HEAD_WIDTH = 32
_FRAME_QUESTIONS, _CUT_QUESTIONS = 8, 4


class Look(nn.Module):
    """Several learned questions asked of all tokens, their answers weighed together: (N, T, width) to unit rows."""

    def __init__(self, size: Size, questions: int) -> None:
        super().__init__()
        width = size.width
        self.heads = width // _HEAD_WIDTH
        self.questions = nn.Parameter(torch.randn(1, questions, width) * 0.5)
        self.keys, self.out = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.weigh = Block(width)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(questions * width, size.embedding)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, width) of the trunk to (N, embedding)."""
        rows, count, width = tokens.shape
        keys, values = self.keys(tokens).view(rows, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        asked = self.questions.to(keys.dtype).expand(rows, -1, width)
        asked = asked.view(rows, -1, self.heads, width // self.heads).transpose(1, 2)
        heard = attend(asked, keys, values, None, is_training=self.training)
        answers = self.weigh(self.out(heard.transpose(1, 2).reshape(rows, -1, width)))
        return nn.functional.normalize(self.leave(self.norm(answers).flatten(1)).float(), dim=-1)


class CaptionSpace(nn.Module):
    """Everything that `sightline train --stage captions` trains."""

    def __init__(self, size: Size, words: Words) -> None:
        super().__init__()
        self.size = size
        self.frames = Look(size, _FRAME_QUESTIONS)
        self.cuts = Look(size, _CUT_QUESTIONS)
        self.text = TextEncoder(size, WordTable(words.vectors, words.scale))
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))

    @property
    def scale(self) -> Tensor:
        """What likenesses are multiplied with before they compete."""
        return self.log_scale.exp().clamp(max=_LARGEST_SCALE)

    def pictures(self, tokens: Tensor, *, are_frames: bool) -> Tensor:
        """(N, T, width) of the trunk, all of whole frames or all of cut-outs, to (N, embedding)."""
        found: Tensor = self.frames(tokens) if are_frames else self.cuts(tokens)
        return found

    def texts(self, ids: Tensor, is_piece: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, T) pieces to (N, embedding); `noise` as `TextEncoder.tokens` has it."""
        embedded: Tensor = self.text(ids, is_piece, noise)
        return embedded
