"""The captions stage: whole frames and cut-outs against their captions, over a trunk that stays as it is.

A contrastive loss needs many pictures a step. The trunk has looked at all of them before (`captions_cache`), so a step
costs two looks at tokens and a text side. Each step may use a few more scenes than the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.models.captions import CaptionSpace
from pipeline.models.encoder import load_vision_text
from pipeline.models.tokens import PieceReader
from pipeline.models.training.captions_cache import SCENES_VERSION, caption_cache
from pipeline.models.training.captions_evaluation import evaluate_captions
from pipeline.models.training.captions_scenes import CaptionedScene, Told
from pipeline.models.training.card import write_card
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.training.scene_cache import training_recipe, trunk_folder
from pipeline.models.weights import CAPTIONS, SHIPPED, read_words, write_weights

_WEIGHTS = {"frames": 1.0, "cuts": 0.7}
"""Of the parts of the loss."""
_CHINESE = 0.3
_LENGTHS = {2: (0.4, 0.6), 4: (0.15, 0.2, 0.3, 0.35)}
"""How often each caption of a frame is taken, short to long, by how many it has."""
_EVENNESS = 0.5
"""How far cut-outs that different words describe are made equally frequent: 0 not at all, 1 wholly."""
_KEPT_TOKENS = 0.75
"""Of a picture's tokens those that a step looks at."""
_SHAKEN = 0.3
"""Deviation of the noise on the words' vectors, in deviations of these: near words come to mean the same."""
_LEFT_OUT = 0.05
"""Share of the words that are nothing but noise."""
_OPTIONS = {
    "nano": {"frames": 128, "cuts": 128, "moments": 6, "first_scenes": 1000, "scenes_a_step": 1, "scenes": 2000,
             "held_out": 267},
    "tiny": {"frames": 6, "cuts": 6, "moments": 2, "first_scenes": 4, "scenes_a_step": 1, "scenes": 6,
             "held_out": 4},
}  # fmt: skip
"""By the size: of a batch, moments of a scene, scenes at the first step, more of them a step and at most, and scenes
of an evaluation."""


@dataclass(frozen=True, slots=True)
class CaptionBatch:
    """N pictures with a caption each."""

    tokens: Tensor
    """(N, T, width)."""
    captions: list[str]
    same: Tensor
    """(N, N) bool: caption j describes picture i as well as its own picture."""


class CaptionsStage:
    """Two looks at the trunk's tokens and a text side, trained together."""

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        eyes = load_vision_text(folder=trunk_folder(plan))
        words = read_words(SHIPPED)
        self._size, self._vision = eyes.model.size, eyes.version
        self._options = {**_OPTIONS[self._size.name], **plan.options}
        self._pieces = PieceReader(words.vocabulary)
        self._spread = float((words.vectors * words.scale).std())
        torch.manual_seed(plan.seed)  # the trunk's loading drew some
        self.model = CaptionSpace(self._size, words)
        self.model.text.load_state_dict(eyes.model.text.state_dict())  # it knows the captions' words already
        self.module: torch.nn.Module = self.model
        name = f"captions-{SCENES_VERSION}-{eyes.version}"
        recipe = training_recipe(plan, name, self._options["moments"])
        self._cache = caption_cache(recipe)
        measured = replace(recipe, count=2, footage=())
        self._known = caption_cache(replace(measured, split="known"))
        self._held_out = caption_cache(replace(measured, split="held_out"))
        self._drawn = _Drawn()

    @contextmanager
    def open(self, plan: TrainingPlan, first_step: int) -> Iterator[None]:  # noqa: ARG002 - the batches tell the step
        """Render ahead inside the block."""
        with self._cache.ahead(plan.workers):
            yield

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Of the batch of a step."""
        options = self._options
        count = min(options["first_scenes"] + step * options["scenes_a_step"], options["scenes"])
        self._drawn.add(self._cache.up_to(count))
        rng = np.random.default_rng((self._plan.seed, step, 11))
        parts = {
            "frames": self._matched(self._drawn.frames(options["frames"], rng), are_frames=True),
            "cuts": self._matched(self._drawn.cuts(options["cuts"], rng), are_frames=False),
        }
        total = torch.stack([_WEIGHTS[name] * value for name, value in parts.items()]).sum()
        return total, {name: round(float(value.detach()), 4) for name, value in parts.items()}

    def evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        """In places and wordings that training never meets, and in those it knows."""
        count = max(self._options["held_out"] // (1 if is_last else 2), 2)
        splits = {"held_out_places": self._held_out, "known_places": self._known}
        return {name: evaluate_captions(self.model, self._pieces, cache.up_to(count)) for name, cache in splits.items()}

    def finish(self, figures: Mapping[str, Any], steps: int, seconds: float) -> Sequence[Path]:
        """The weights and their card."""
        facts = {
            "size": self._size.name,
            "seed": self._plan.seed,
            "steps": steps,
            "minutes": round(seconds / 60, 1),
            "vision": self._vision,
        }
        tensors = {name: value.float().cpu().numpy() for name, value in self.model.state_dict().items()}
        weights = write_weights(self._plan.out, CAPTIONS, tensors, facts)
        return weights, write_card(self._plan.out, CAPTIONS, facts, figures)

    def _matched(self, batch: CaptionBatch, *, are_frames: bool) -> Tensor:
        """Each picture must find its caption and each caption its picture.

        Where a caption describes another picture as well, the pair counts neither way.
        """
        device = self._plan.device
        kept = torch.randperm(batch.tokens.shape[1])[: max(int(batch.tokens.shape[1] * _KEPT_TOKENS), 1)]
        tokens = batch.tokens[:, kept].to(device).float()
        pictures, texts = self.model.pictures(tokens, are_frames=are_frames), self._texts(batch.captions)
        with torch.autocast(pictures.device.type, enabled=False):  # bf16 tells likenesses apart to two digits only
            likeness = self.model.scale * pictures @ texts.T
        others = ~torch.eye(len(likeness), dtype=torch.bool)
        likeness = likeness.masked_fill((batch.same & others).to(device), -torch.inf)
        own = torch.arange(len(likeness), device=device)
        return (cross_entropy(likeness, own) + cross_entropy(likeness.T, own)) / 2

    def _texts(self, captions: Sequence[str]) -> Tensor:
        read, device = self._pieces.read(captions), self._plan.device
        ids, is_piece = torch.from_numpy(read.ids).to(device), torch.from_numpy(read.is_piece).to(device)
        vectors = self.model.text.words(ids).detach()
        shaken = torch.randn_like(vectors) * self._spread
        left_out = torch.rand(ids.shape, device=device)[..., None] < _LEFT_OUT
        return self.model.texts(ids, is_piece, torch.where(left_out, shaken - vectors, _SHAKEN * shaken))


class _Drawn:
    """Draws batches from the scenes that it has been given."""

    def __init__(self) -> None:
        self._scenes: list[CaptionedScene] = []
        self._framed: list[int] = []
        self._cuts: list[tuple[int, int]] = []
        self._keys: list[str] = []

    def add(self, scenes: Sequence[CaptionedScene]) -> None:
        """All scenes so far; those it has are known by their place."""
        for number in range(len(self._scenes), len(scenes)):
            scene = scenes[number]
            self._scenes.append(scene)
            if len(scene.frames):
                self._framed.append(number)
            self._cuts += [(number, index) for index in range(len(scene.cuts))]
            self._keys += [told.keys[0] for told in scene.cuts_told]

    def frames(self, count: int, rng: np.random.Generator) -> CaptionBatch:
        """Two of each scene: words must tell what happens, not only where."""
        chosen = rng.choice(self._framed, -(-count // 2), replace=len(self._framed) < -(-count // 2))
        seen = [
            (self._scenes[scene], int(index))
            for scene in chosen
            for index in rng.permutation(len(self._scenes[scene].frames))[:2]
        ]
        tokens = np.stack([scene.frames[index] for scene, index in seen])
        return _batch(tokens, [scene.frames_told[index] for scene, index in seen], rng)

    def cuts(self, count: int, rng: np.random.Generator) -> CaptionBatch:
        """What many cut-outs show comes up less than its share."""
        chosen = rng.choice(len(self._cuts), count, p=_shares(self._keys))
        seen = [(self._scenes[scene], index) for scene, index in (self._cuts[int(n)] for n in chosen)]
        tokens = np.stack([scene.cuts[index] for scene, index in seen])
        return _batch(tokens, [scene.cuts_told[index] for scene, index in seen], rng)


def _shares(keys: Sequence[str]) -> NDArray[np.float64]:
    counts = Counter(keys)
    weights = np.array([counts[key] ** -_EVENNESS for key in keys])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _batch(tokens: NDArray[np.float16], told: Sequence[Told], rng: np.random.Generator) -> CaptionBatch:
    captions, same = [], np.zeros((len(told), len(told)), bool)
    for column, one in enumerate(told):
        tellings = one.words["zh" if rng.random() < _CHINESE else "en"]
        count = len(one.keys)
        length = int(rng.choice(count, p=_LENGTHS[count])) if count in _LENGTHS else 0
        captions.append(tellings[int(rng.integers(len(tellings)))][length])
        same[:, column] = [one.keys[length] in other.keys for other in told]
    return CaptionBatch(torch.from_numpy(tokens), captions, torch.from_numpy(same))
