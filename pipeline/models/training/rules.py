"""The rules stage: what a rule's words ask, learned from words alone.

Every batch is made of new rules. Words' vectors are shaken and some are left out, so that a word which no rule had
is read as its neighbours are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.models.claim_parts import CLAIM_PARTS
from pipeline.models.rule_reader import RuleNetwork
from pipeline.models.tokens import PieceReader
from pipeline.models.training.card import write_card
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.training.rule_words import WordedRule, drawn_rule
from pipeline.models.trunk import size_of
from pipeline.models.weights import RULES, SHIPPED, read_words, write_weights

_SMOOTHING = 0.02
_SHAKEN = 0.35
"""Deviation of the noise, in deviations of the words' vectors."""
_LEFT_OUT = 0.06
"""Share of the words that are nothing but noise."""
_DEFAULTS = {"rules": 192, "held_out": 2000}


class RulesStage:
    """The reader of rules."""

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._options = {**_DEFAULTS, **plan.options}
        words = read_words(SHIPPED)
        self._pieces = PieceReader(words.vocabulary)
        self._vocabulary = whole_words(words.vocabulary)
        self.model = RuleNetwork(size_of(plan.size), words)
        self._spread = float((words.vectors * words.scale).std())
        self.module: torch.nn.Module = self.model

    @contextmanager
    def open(self, plan: TrainingPlan, first_step: int) -> Iterator[None]:  # noqa: ARG002 - nothing is made ahead
        """Nothing to start."""
        yield

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Of the batch of a step."""
        rng = np.random.default_rng((self._plan.seed, step, 7))
        rules = [drawn_rule(rng, self._vocabulary) for _ in range(self._options["rules"])]
        logits, truth = self._read(rules, is_shaken=True)
        parts = {
            name: cross_entropy(each, truth[:, number], label_smoothing=_SMOOTHING)
            for number, (name, each) in enumerate(zip(CLAIM_PARTS, logits, strict=True))
        }
        return torch.stack(list(parts.values())).sum(), {
            name: round(float(value.detach()), 4) for name, value in parts.items()
        }

    @torch.inference_mode()
    def evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        """On new rules in the usual wordings, and in wordings that training never meets."""
        count = max(self._options["held_out"] // (1 if is_last else 4), 1)
        rng = np.random.default_rng((self._plan.seed, 0, 8))
        return {
            name: self._figures([drawn_rule(rng, self._vocabulary, held_out=held_out) for _ in range(count)])
            for name, held_out in (("usual_wordings", False), ("held_out_wordings", True))
        }

    def finish(self, figures: Mapping[str, Any], steps: int, seconds: float) -> Sequence[Path]:
        """The weights and their card."""
        facts = {"size": self._plan.size, "seed": self._plan.seed, "steps": steps, "minutes": round(seconds / 60, 1)}
        tensors = {name: value.float().cpu().numpy() for name, value in self.model.state_dict().items()}
        weights = write_weights(self._plan.out, RULES, tensors, facts)
        return weights, write_card(self._plan.out, RULES, facts, figures)

    def _read(self, rules: Sequence[WordedRule], *, is_shaken: bool = False) -> tuple[tuple[Tensor, ...], Tensor]:
        device = self._plan.device
        read = self._pieces.read([rule.text for rule in rules])
        ids, is_piece = torch.from_numpy(read.ids).to(device), torch.from_numpy(read.is_piece).to(device)
        noise = self._noise(ids) if is_shaken else None
        return self.model(ids, is_piece, noise), torch.tensor([rule.parts for rule in rules], device=device)

    def _noise(self, ids: Tensor) -> Tensor:
        vectors = self.model.text.words(ids).detach()
        left_out = torch.rand(ids.shape, device=ids.device)[..., None] < _LEFT_OUT
        shaken = torch.randn_like(vectors) * self._spread
        return torch.where(left_out, shaken - vectors, _SHAKEN * shaken)

    def _figures(self, rules: Sequence[WordedRule]) -> dict[str, Any]:
        logits, truth = self._read(rules)
        right = torch.stack([each.argmax(-1) for each in logits], 1) == truth
        whole = right.all(1)
        told: dict[str, float | None] = {
            name: round(float(right[:, number].float().mean()), 3) for number, name in enumerate(CLAIM_PARTS)
        }
        for language in ("en", "zh"):
            of = torch.tensor([rule.language == language for rule in rules])
            told[f"whole_{language}"] = round(float(whole[of].float().mean()), 3) if of.any() else None
        return {"of": len(rules), "whole": round(float(whole.float().mean()), 3), **told}


def whole_words(vocabulary: Path) -> tuple[str, ...]:
    """Those of letters alone."""
    pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    return tuple(piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 3)
