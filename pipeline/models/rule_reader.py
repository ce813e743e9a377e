"""A rule's words to what it asks: the part of the built-in clip model that reads.

In: texts in any language. Out: of each the probabilities of `CLAIM_PARTS`, part by part, and how long it asks for.
A text that asks nothing a scene can show is read as `unknown`, and the clip model then cannot tell. Whoever wants to
know how a rule is understood asks `meaning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import ConfigError
from pipeline.models.claim_parts import CLAIM_PARTS, PART_SIZES
from pipeline.models.clip_network import RuleBatch
from pipeline.models.rule_numbers import asked_seconds
from pipeline.models.text import TextTokens, WordTable
from pipeline.models.tokens import PieceReader
from pipeline.models.trunk import Size, attend, size_of
from pipeline.models.weights import RULES, SHIPPED, Words, read_weights, read_words

_HEAD_WIDTH = 32
_KINDS = {
    "does": "", "nobody": "no", "crosses": "crosses the line", "follows": "follows another over the line",
    "state": "the picture", "unknown": "nothing it knows",
}  # fmt: skip
"""In front of the rest."""
_COUNTS = {CLAIM_PARTS["count"][-1]: f"at least {CLAIM_PARTS['count'][-1]} (it counts no further)"}


class RuleNetwork(nn.Module):
    """A text side of its own; each part asks its words one question."""

    def __init__(self, size: Size, words: Words) -> None:
        super().__init__()
        width = size.width
        self.size = size
        self.text = TextTokens(size, WordTable(words.vectors, words.scale))
        self.questions = nn.Parameter(torch.randn(len(PART_SIZES), width) * 0.02)
        self.keys = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)
        self.parts = nn.ModuleList(nn.Linear(width, count) for count in PART_SIZES)

    def forward(self, ids: Tensor, is_piece: Tensor, noise: Tensor | None = None) -> tuple[Tensor, ...]:
        """(N, T) to (N, size of the part) logits for each part; `noise`: see `TextTokens.tokens`."""
        tokens = self.text.tokens(ids, is_piece, noise)
        rows, count, width = tokens.shape
        heads = width // _HEAD_WIDTH
        keys, values = self.keys(tokens).view(rows, count, 2, heads, -1).permute(2, 0, 3, 1, 4)
        questions = self.questions.to(keys.dtype).view(1, -1, heads, _HEAD_WIDTH).transpose(1, 2)
        heard = attend(
            questions.expand(rows, -1, -1, -1), keys, values, is_piece[:, None, None, :], is_training=self.training
        )
        answers = self.norm(heard.transpose(1, 2).reshape(rows, len(PART_SIZES), width))
        return tuple(part(answers[:, number]).float() for number, part in enumerate(self.parts))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a rule's words were read as."""

    parts: dict[str, str]
    """Of each of `CLAIM_PARTS` the likeliest; "" is none."""
    seconds: float
    """0: no duration is asked for."""
    score: float
    """Probability of the least certain part."""

    @property
    def is_understood(self) -> bool:
        """Whether it asks something that the model knows at all."""
        return self.parts["kind"] != "unknown"

    def __str__(self) -> str:
        """In few words: `person, lie, in the zone, at least 5 s`."""
        said = self.parts
        if not self.is_understood:
            return _KINDS[said["kind"]]
        words = [_KINDS[said["kind"]], said["label"], said["action"] or said["state"]]
        words += [f"carrying {said['carrying']}"] * bool(said["carrying"])
        words += [f"{said['where']} the zone"] * bool(said["where"])
        words += [_COUNTS.get(said["count"], f"at least {said['count']}")] * (said["count"] != "1")
        words += [f"{'at most' if said['kind'] == 'follows' else 'at least'} {self.seconds:g} s"] * bool(self.seconds)
        return ", ".join(word.replace("_", " ") for word in words if word)


class RuleReader:
    """The network, loaded. Several threads may call it."""

    def __init__(self, network: RuleNetwork, pieces: PieceReader) -> None:
        self.network = network.eval()
        self.pieces = pieces

    @torch.inference_mode()
    def read(self, rules: Sequence[str]) -> RuleBatch:
        """What each asks, in order: the parts from the first `tokens.LONGEST_PIECES` pieces, the duration from all."""
        read = self.pieces.read(rules)
        logits = self.network(torch.from_numpy(read.ids), torch.from_numpy(read.is_piece))
        parts = torch.cat([part.softmax(-1) for part in logits], -1)
        return RuleBatch(parts, torch.tensor([asked_seconds(rule) for rule in rules]))

    def meaning(self, rule: str) -> Meaning:
        """How one is understood."""
        return meaning_of(self.read([rule]))


def meaning_of(read: RuleBatch) -> Meaning:
    """Of a batch of one rule."""
    best = [part[0].max(0) for part in torch.split(read.parts, PART_SIZES, -1)]
    named = {name: choices[int(one.indices)] for (name, choices), one in zip(CLAIM_PARTS.items(), best, strict=True)}
    return Meaning(named, float(read.seconds[0]), min(float(one.values) for one in best))


def load_rule_reader(*, folder: Path = SHIPPED, words: Path = SHIPPED) -> RuleReader:
    """The built-in reader, ready.

    Args:
        folder: Of the weights.
        words: Of the vocabulary and its vectors.

    Raises:
        ConfigError: weights are missing or damaged.
    """
    stored = read_weights(folder, RULES)
    known = read_words(words)
    network = RuleNetwork(size_of(str(stored.facts.get("size"))), known)
    try:
        network.load_state_dict({name: torch.from_numpy(value).float() for name, value in stored.tensors.items()})
    except RuntimeError as error:  # torch's words for other names and shapes
        raise ConfigError(f"the built-in {RULES} model at {folder} cannot be used: {error}") from error
    return RuleReader(network, PieceReader(known.vocabulary))
