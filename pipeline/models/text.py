"""The text side: pieces of words to tokens and to one vector a text.

Pieces start from static vectors distilled from all-MiniLM-L6-v2 (int8, never trained here), which is why words that
no rendered caption used still stand near those that did.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.models.tokens import LONGEST_PIECES, NUM_BUCKETS
from pipeline.models.trunk import AttentionPool, Block, Size


class WordTable(nn.Module):
    """Numbers of pieces to vectors: the frozen table, and learned ones for the buckets after it."""

    def __init__(self, vectors: NDArray[np.int8], scale: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        self.register_buffer("scale", torch.from_numpy(scale), persistent=False)
        self.buckets = nn.Embedding(NUM_BUCKETS, vectors.shape[1])
        nn.init.normal_(self.buckets.weight, std=0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """(N, T) to (N, T, D)."""
        frozen = self.get_buffer("vectors")
        known = len(frozen)
        fixed = frozen[ids.clamp(max=known - 1)].float() * self.get_buffer("scale")
        return torch.where((ids < known)[..., None], fixed, self.buckets((ids - known).clamp(min=0)))


class TextTokens(nn.Module):
    """Pieces to tokens in context."""

    def __init__(self, size: Size, words: WordTable) -> None:
        super().__init__()
        self.words = words
        self.enter = nn.Linear(words.buckets.embedding_dim, size.width)
        self.positions = nn.Parameter(torch.randn(1, LONGEST_PIECES, size.width) * 0.02)
        self.blocks = nn.ModuleList(Block(size.width) for _ in range(size.text_depth))
        self.norm = nn.LayerNorm(size.width)

    def tokens(self, ids: Tensor, is_piece: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, T) to (N, T, width); `noise` (N, T, D) is added to the words' vectors: training with it makes words
        that stand near each other mean the same."""
        words = self.words(ids) if noise is None else self.words(ids) + noise
        tokens = self.enter(words) + self.positions[:, : ids.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, is_piece)
        normed: Tensor = self.norm(tokens)
        return normed


class TextEncoder(TextTokens):
    """Pieces to one vector."""

    def __init__(self, size: Size, words: WordTable) -> None:
        super().__init__(size, words)
        self.pool = AttentionPool(size.width)
        self.leave = nn.Linear(size.width, size.embedding)

    def forward(self, ids: Tensor, is_piece: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, T) to (N, embedding) of unit length; `noise` as of `tokens`."""
        pooled = self.leave(self.pool(self.tokens(ids, is_piece, noise), is_piece))
        return nn.functional.normalize(pooled.float(), dim=-1)
