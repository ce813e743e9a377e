"""The vision stage: region heads, the grid of whole frames, and, to teach the trunk, pictures against captions."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from pipeline.models.tokens import PieceReader
from pipeline.models.training.augment import augmented
from pipeline.models.training.card import write_card
from pipeline.models.training.crops import UNTOLD
from pipeline.models.training.evaluate import evaluate_vision
from pipeline.models.training.mixture import Batch, Mixture
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.training.shards import make_shard
from pipeline.models.trunk import size_of
from pipeline.models.vision import VisionModel, as_pictures
from pipeline.models.weights import SHIPPED, VISION, read_words, write_weights

_WEIGHTS = {"label": 1.0, "pose": 0.7, "action": 1.0, "carrying": 0.3, "grid": 0.7, "frames": 0.7, "cuts": 0.5}
"""Of the parts of the loss."""
_SMOOTHING = 0.03
_WORN_CUTS = 48
"""Cut-outs a step that are compared with words: their texts would else cost more than their pictures."""
_OPTIONS = {
    "nano": {"crops": 64, "frames": 8, "others": 16, "window": 16, "moments": 8, "steps_a_shard": 1, "held_out": 100},
    "tiny": {"crops": 12, "frames": 4, "others": 4, "window": 2, "moments": 3, "steps_a_shard": 2, "held_out": 2},
}
"""By the size: of a batch (cut-outs, frames, captions of other frames), of the window in shards, moments of each,
steps until the window moves on by one shard, and situations in an evaluation."""


class VisionStage:
    """Trunk, heads and text side, trained together."""

    def __init__(self, plan: TrainingPlan) -> None:
        words = read_words(SHIPPED)
        self._plan = plan
        size = size_of(plan.size)
        self._options = {**_OPTIONS[size.name], **plan.options}
        self._reader = PieceReader(words.vocabulary)
        self.model = VisionModel(size, words)
        self.module: torch.nn.Module = self.model
        make = functools.partial(make_shard, plan.seed, moments=self._options["moments"], footage=tuple(plan.footage))
        self._mixture = Mixture(
            make,
            seed=plan.seed,
            width=self._options["window"],
            steps_a_shard=self._options["steps_a_shard"],
            crops=self._options["crops"],
            frames=self._options["frames"],
            others=self._options["others"],
        )

    @contextmanager
    def open(self, plan: TrainingPlan, first_step: int) -> Iterator[None]:  # noqa: ARG002 - the batches tell the step
        """Render ahead inside the block."""
        with self._mixture.ahead(plan.workers):
            yield

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Of the batch of a step."""
        batch = self._mixture.batch(step)
        parts = self._parts(batch)
        total = torch.stack([_WEIGHTS[name] * value for name, value in parts.items()]).sum()
        return total, {name: round(float(value.detach()), 4) for name, value in parts.items()}

    def evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        """On held-out places and wordings."""
        scenes = self._options["held_out"] if is_last else self._options["held_out"] // 4
        return evaluate_vision(self.model, self._reader, self._plan.seed, max(scenes, 1), has_known=is_last)

    def finish(self, figures: Mapping[str, Any], steps: int, seconds: float) -> Sequence[Path]:
        """The weights and their card."""
        facts = {"size": self._plan.size, "seed": self._plan.seed, "steps": steps, "minutes": round(seconds / 60, 1)}
        tensors = {name: value.float().cpu().numpy() for name, value in self.model.state_dict().items()}
        weights = write_weights(self._plan.out, VISION, tensors, facts)
        return weights, write_card(self._plan.out, VISION, facts, figures)

    def _parts(self, batch: Batch) -> dict[str, Tensor]:
        device = self._plan.device
        crops = self.model.trunk(augmented(as_pictures(torch.from_numpy(batch.crops).to(device))))
        frames = self.model.trunk(augmented(as_pictures(torch.from_numpy(batch.frames).to(device)), may_flip=False))
        parts = self._head_losses(crops, batch)
        grid = torch.from_numpy(batch.grid).to(device).flatten()
        parts["grid"] = cross_entropy(self.model.grid(frames).float().flatten(0, 1), grid, label_smoothing=_SMOOTHING)
        worn = [n for n, words in enumerate(batch.words) if words][:_WORN_CUTS]
        cut_words = [batch.words[n] for n in worn]
        texts = self._texts([*cut_words, *batch.captions, *batch.others])
        cuts, rest = texts[: len(worn)], texts[len(worn) :]
        parts["frames"] = self._matched(self.model.embed(frames), rest, batch.alike)
        if worn:
            truth = [f"{batch.label[n]} {batch.pose[n]} {batch.action[n]}" for n in worn]
            parts["cuts"] = self._matched(self.model.embed(crops[worn]), cuts, truth, cut_words)
        return parts

    def _head_losses(self, tokens: Tensor, batch: Batch) -> dict[str, Tensor]:
        _, logits = self.model.regions(tokens)
        truths = {"label": batch.label, "pose": batch.pose, "action": batch.action}
        losses = {name: _classified(logits[name], torch.from_numpy(truth)) for name, truth in truths.items()}
        carried = torch.from_numpy(batch.carrying).to(tokens.device)
        told = (carried != UNTOLD).float()
        each = binary_cross_entropy_with_logits(logits["carrying"], carried.clamp(min=0), reduction="none")
        return {**losses, "carrying": (each * told).sum() / told.sum().clamp(min=1)}

    def _texts(self, texts: Sequence[str]) -> Tensor:
        pieces = self._reader.read(texts)
        device = self._plan.device
        embedded: Tensor = self.model.text(
            torch.from_numpy(pieces.ids).to(device), torch.from_numpy(pieces.is_piece).to(device)
        )
        return embedded

    def _matched(
        self, pictures: Tensor, texts: Tensor, truth: Sequence[str], words: Sequence[str] | None = None
    ) -> Tensor:
        """Each picture must find its text and each text its picture; the first texts are the pictures' own.

        Where two pictures have the same truth, either text is right for both: such a pair counts neither way, unless
        their words are the same, which makes it another right one.
        """
        count = len(pictures)
        with torch.autocast(pictures.device.type, enabled=False):  # bf16 tells likenesses apart to two digits only
            likeness = self.model.scale * pictures @ texts.T
        same = _equal(truth).to(likeness.device)
        right = _equal(words).to(likeness.device) if words else torch.eye(count, dtype=torch.bool).to(likeness.device)
        likeness[:, :count] = likeness[:, :count].masked_fill(same & ~right, -torch.inf)
        both = [(likeness, right), (likeness[:, :count].T, right)]
        return torch.stack([_found(each, truths) for each, truths in both]).mean()


def _classified(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy over those that are told; 0 when none is."""
    truth = truth.to(logits.device)
    summed = cross_entropy(logits, truth, ignore_index=UNTOLD, reduction="sum", label_smoothing=_SMOOTHING)
    return summed / (truth != UNTOLD).sum().clamp(min=1)


def _equal(names: Sequence[str]) -> Tensor:
    """(N, N) bool."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    row = torch.tensor([numbers[name] for name in names])
    return row[:, None] == row[None]


def _found(likeness: Tensor, right: Tensor) -> Tensor:
    """Minus the logarithm of the probability that falls on the right ones."""
    those = likeness[:, : right.shape[1]].masked_fill(~right, -torch.inf)
    return (likeness.logsumexp(1) - those.logsumexp(1)).mean()
