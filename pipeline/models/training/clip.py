"""The clip stage: verdicts on rules, what happens, and the report, over a trunk that stays as it is.

Each step may use a few more scenes than the one before, so training begins at once and the samples only grow; which
ones a step draws depends on the seed and its number alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from pipeline.models.claim_parts import PART_SIZES
from pipeline.models.clip_eyes import batch_of
from pipeline.models.clip_model import ClipNetworks
from pipeline.models.clip_network import RuleBatch, Seen, SeenBatch
from pipeline.models.encoder import load_vision_text
from pipeline.models.report_language import LANGUAGE_VERSION, PAD, START
from pipeline.models.training.card import write_card
from pipeline.models.training.clip_cache import SAMPLES_VERSION, ClipCache
from pipeline.models.training.clip_evaluation import as_meant, evaluate_clips, fitted_temperature
from pipeline.models.training.clip_samples import CANNOT, NO, UNTOLD, YES, AskedRule, ClipSample
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.training.scene_cache import training_recipe, trunk_folder
from pipeline.models.weights import CLIP, write_weights

_WEIGHTS = {"verdict": 1.0, "situations": 0.4, "report": 0.4}
"""Of the parts of the loss."""
_SMOOTHING = 0.05
_OWN, _CANNOT = 0.6, 0.25
"""How often a clip is asked the rule for its situation, and one that cannot be told, where it has them."""
_RECENT = 400
"""Half of a batch comes from so many of the newest clips, the rest from all."""
_DOUBTED, _MOST_DOUBT = 0.5, 0.3
"""How often a part is not read for certain, and how much of it then goes to other choices."""
_DEFAULTS = {
    "clips": 32, "rules": 7, "reports": 10, "first_scenes": 80, "scenes_a_step": 1, "clips_a_scene": 3,
    "held_out": 120,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """B clips with R rules each."""

    seen: SeenBatch
    rules: RuleBatch
    """B * R, clip by clip."""
    truth: Tensor
    """(B * R,) int64."""
    situations: Tensor
    """(B, len(SITUATIONS)): 1, 0 or `UNTOLD`."""
    told: Tensor
    """(P,) int64: rows of the rules with which a report is asked for."""
    reports: Tensor
    """(P, S) int64, `PAD` after the end; `START` first."""


class ClipStage:
    """The clip network and its decoder, trained together."""

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._options = {**_DEFAULTS, **plan.options}
        self._eyes = load_vision_text(folder=trunk_folder(plan))
        self.model = ClipNetworks(self._eyes.model.size)
        self.module: torch.nn.Module = self.model
        name = f"clips-{SAMPLES_VERSION}-{LANGUAGE_VERSION}-{self._eyes.version}"
        recipe = training_recipe(plan, name, self._options["clips_a_scene"])
        self._cache = ClipCache(recipe)
        self._calibration = ClipCache(replace(recipe, split="calibration"))
        self._held_out = ClipCache(replace(recipe, split="held_out", footage=()))

    @contextmanager
    def open(self, plan: TrainingPlan, first_step: int) -> Iterator[None]:  # noqa: ARG002 - the batches tell the step
        """Render ahead inside the block."""
        with self._cache.ahead(plan.workers):
            yield

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Of the batch of a step."""
        parts = self._parts(self._batch(step))
        total = torch.stack([_WEIGHTS[name] * value for name, value in parts.items()]).sum()
        return total, {name: round(float(value.detach()), 4) for name, value in parts.items()}

    def evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        """On held-out seeds and places; rules as they are meant, without the mistakes of reading them."""
        scenes = self._options["held_out"] if is_last else max(self._options["held_out"] // 4, 1)
        temperature = self._temperature() if is_last else 1.0
        return evaluate_clips(self.model, self._held_out.up_to(scenes), temperature=temperature, with_reports=is_last)

    def finish(self, figures: Mapping[str, Any], steps: int, seconds: float) -> Sequence[Path]:
        """The weights, with the temperature at which their probabilities are right, and their card."""
        facts = {
            "size": self._eyes.model.size.name,
            "seed": self._plan.seed,
            "steps": steps,
            "minutes": round(seconds / 60, 1),
            "vision": self._eyes.version,
            "language": LANGUAGE_VERSION,
            "temperature": round(self._temperature(), 3),
        }
        tensors = {name: value.float().cpu().numpy() for name, value in self.model.state_dict().items()}
        weights = write_weights(self._plan.out, CLIP, tensors, facts)
        return weights, write_card(self._plan.out, CLIP, facts, figures)

    def _temperature(self) -> float:
        """At which the probabilities are right, on other people and moments than those of training."""
        samples = self._calibration.up_to(max(self._options["held_out"] // 2, 1))
        return fitted_temperature(self.model, samples)

    def _batch(self, step: int) -> ClipBatch:
        scenes = self._options["first_scenes"] + step * self._options["scenes_a_step"]
        samples = self._cache.up_to(scenes)
        rng = np.random.default_rng((self._plan.seed, step, 3))
        half = self._options["clips"] // 2
        chosen = [*rng.integers(max(len(samples) - _RECENT, 0), len(samples), half)]
        chosen += [*rng.integers(0, len(samples), self._options["clips"] - half)]
        drawn = [samples[int(index)] for index in chosen]
        return self._collated(drawn, [_asked(sample, self._options["rules"], rng) for sample in drawn], rng)

    def _collated(self, samples: list[ClipSample], asked: list[list[AskedRule]], rng: np.random.Generator) -> ClipBatch:
        rules = [rule for each in asked for rule in each]
        told = _reported(samples, asked, self._options["reports"])
        longest = max((len(report) for _, report in told), default=0) + 1
        reports = np.full((len(told), longest), PAD, np.int64)
        for row, (_, report) in zip(reports, told, strict=True):
            row[: len(report) + 1] = START, *report
        device = self._plan.device
        return ClipBatch(
            batch_of([sample.seen for sample in samples]).to(device),
            _doubted(as_meant(rules), rng).to(device),
            torch.tensor([rule.truth for rule in rules], device=device),
            torch.from_numpy(np.stack([sample.situations for sample in samples])).to(device),
            torch.tensor([row for row, _ in told], dtype=torch.int64, device=device),
            torch.from_numpy(reports).to(device),
        )

    def _parts(self, batch: ClipBatch) -> dict[str, Tensor]:
        network = self.model.network
        seen = network.see(batch.seen)
        verdicts, about = network.judged(seen.repeat(self._options["rules"]), batch.rules)
        parts = {
            "verdict": cross_entropy(verdicts.float(), batch.truth, label_smoothing=_SMOOTHING),
            "situations": _situation_loss(network.situations(seen).float(), batch.situations),
        }
        if len(batch.told):
            parts["report"] = self._report_loss(about.select(batch.told), batch.reports)
        return parts

    def _report_loss(self, about: Seen, reports: Tensor) -> Tensor:
        logits = self.model.decoder(about, reports[:, :-1]).float()
        return cross_entropy(logits.flatten(0, 1), reports[:, 1:].flatten(), ignore_index=PAD, label_smoothing=0.02)


def _asked(sample: ClipSample, count: int, rng: np.random.Generator) -> list[AskedRule]:
    """`count` rules: the situation's own more often than not, now and then one that cannot be told, of the rest as
    many that hold as do not, where there are."""
    order = [sample.rules[int(index)] for index in rng.permutation(len(sample.rules))]
    first = [rule for rule in order if rule.is_own and rng.random() < _OWN][:1]
    first += [rule for rule in order if rule.truth == CANNOT and rng.random() < _CANNOT][:1]
    held, not_held = ([rule for rule in order if rule.truth == truth and rule not in first] for truth in (YES, NO))
    mixed = first + [rule for pair in zip(held, not_held, strict=False) for rule in pair]
    mixed += [rule for rule in order if rule not in mixed]
    return [mixed[index % len(mixed)] for index in range(count)]


def _reported(samples: list[ClipSample], asked: list[list[AskedRule]], limit: int) -> list[tuple[int, tuple[int, ...]]]:
    """(row among the rules, report) of the first clips that have one, asked with a rule that holds where there is."""
    told: list[tuple[int, tuple[int, ...]]] = []
    for index, (sample, rules) in enumerate(zip(samples, asked, strict=True)):
        if sample.report and len(told) < limit:
            held = next((number for number, rule in enumerate(rules) if rule.truth == YES), 0)
            told.append((index * len(rules) + held, sample.report))
    return told


def _situation_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Over what these frames tell."""
    told = (truth != UNTOLD).float()
    each = binary_cross_entropy_with_logits(logits, truth.clamp(min=0).float(), reduction="none")
    return (each * told).sum() / told.sum().clamp(min=1)


def _doubted(rules: RuleBatch, rng: np.random.Generator) -> RuleBatch:
    """As a reader has them that is not sure: now and then some of a part's probability is with its other choices."""
    parts = []
    for scores in torch.split(rules.parts, PART_SIZES, -1):
        count = len(scores)
        share = torch.from_numpy(rng.uniform(0, _MOST_DOUBT, (count, 1)) * (rng.random((count, 1)) < _DOUBTED))
        other = torch.from_numpy(rng.dirichlet(np.full(scores.shape[1], 0.3), count))
        parts.append(torch.lerp(scores.double(), other, share).float())
    return RuleBatch(torch.cat(parts, -1), rules.seconds)
