"""The report's decoder: one token after another, none that cannot follow.

Tokens are those of `report_language`: fixed words, then pointers to the clip's frames and regions. A pointer is
scored by how well the decoder's state fits what was seen there, so it needs no word of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.models.clip_network import DROPOUT, Seen
from pipeline.models.report_language import MAX_TOKENS, NUM_TOKENS, NUM_WORDS, START, Present, Writer

LAYERS = 3
_HEAD_WIDTH = 32


class ReportDecoder(nn.Module):
    """Causal; looks at the clip's tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layer = nn.TransformerDecoderLayer(
            width, width // _HEAD_WIDTH, 3 * width, DROPOUT, activation="gelu", batch_first=True, norm_first=True
        )
        self.words = nn.Embedding(NUM_WORDS, width)
        self.place = nn.Embedding(MAX_TOKENS + 1, width)
        self.pointed = nn.Linear(width, width)
        self.layers = nn.TransformerDecoder(layer, LAYERS, norm=nn.LayerNorm(width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.out = nn.Linear(width, NUM_WORDS)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.place.weight, std=0.02)

    def forward(self, seen: Seen, tokens: Tensor) -> Tensor:
        """(B, S) int64 of tokens, the first `START` → (B, S, NUM_TOKENS) logits of what follows each."""
        places = torch.cat((seen.frames, seen.regions), 1)
        return self._logits(seen, places, self._embedded(tokens, places))

    @torch.inference_mode()
    def write(self, seen: Seen, present: Present) -> list[int]:
        """The likeliest token each time, among those that can follow; one clip."""
        writer = Writer(present)
        written = [START]
        while not writer.is_done:
            logits = self(seen, torch.tensor([written]))[0, -1]
            allowed = torch.tensor(writer.allowed())
            token = int(allowed[logits[allowed].argmax()])
            writer.take(token)
            written.append(token)
        return written[1:]

    def _embedded(self, tokens: Tensor, places: Tensor) -> Tensor:
        is_word = tokens < NUM_WORDS
        words = self.words(tokens.clamp(max=NUM_WORDS - 1))
        pointer = (tokens - NUM_WORDS).clamp(min=0)
        pointed = self.pointed(places).gather(1, pointer[..., None].expand(-1, -1, places.shape[2]))
        return torch.where(is_word[..., None], words, pointed) + self.place.weight[: tokens.shape[1]]

    def _logits(self, seen: Seen, places: Tensor, embedded: Tensor) -> Tensor:
        later = torch.ones(embedded.shape[1], embedded.shape[1], dtype=torch.bool, device=embedded.device).triu(1)
        state = self.layers(
            embedded, seen.tokens, tgt_mask=later, memory_key_padding_mask=~seen.mask, tgt_is_causal=True
        )
        pointing = self.query(state) @ self.key(places).transpose(1, 2) / places.shape[2] ** 0.5
        logits = torch.cat((self.out(state), pointing), -1)
        if logits.shape[-1] != NUM_TOKENS:
            raise ValueError(f"expected {NUM_TOKENS} logits, got {logits.shape[-1]}")
        return logits
