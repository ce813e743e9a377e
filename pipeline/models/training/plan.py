"""What a training run is asked to do, and what a stage of it must offer."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from pipeline.errors import ConfigError

STEPS_PER_MINUTE = 50.0
"""What a plan in minutes is turned into: about what two cores of a small server do at size `nano`. A constant, so
that the learning rate depends on the number of the step alone and never on how fast the machine happens to be."""

_STAGES = {
    "vision": "pipeline.models.training.vision:VisionStage",
    "captions": "pipeline.models.training.captions:CaptionsStage",
    "rules": "pipeline.models.training.rules:RulesStage",
    "clip": "pipeline.models.training.clip:ClipStage",
}
_RATES = {"captions": 1e-3}
_USUAL_RATE = 5e-4
"""Tried: with 1e-3 the vision stage was after 100 steps where it was with 4e-4 after 60. The captions stage trains
little, over tokens that stay as they are."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One run, as asked for."""

    stage: str
    out: Path
    steps: int
    size: str = "nano"
    seed: int = 1
    learning_rate: float = _USUAL_RATE
    """The highest; `usual_rate` has a stage's."""
    warm_up_steps: int = 60
    ema_decay: float = 0.998
    threads: int = 2
    workers: int = 1
    """Processes that render ahead of the training; 0: none, between the steps. The samples are the same."""
    device: str = "cpu"
    is_bf16: bool = True
    evaluate_every_seconds: float = 240.0
    at_most_seconds: float = math.inf
    """The run stops here, resumable, wherever it is in its plan."""
    stop_at: int | None = None
    """Or before this step."""
    footage: tuple[Path, ...] = ()
    """Real recordings whose backgrounds half of the scenes are to have."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only one stage knows; tests make things small with it."""

    def rate(self, step: int) -> float:
        """The learning rate of a step: a short rise, then half a cosine down to a fiftieth."""
        rise = min((step + 1) / max(self.warm_up_steps, 1), 1.0)
        share = min(step / max(self.steps, 1), 1.0)
        return self.learning_rate * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


class Stage(Protocol):
    """What the loop trains. `module` holds every weight that is trained; a context, so that helpers end with it."""

    module: torch.nn.Module

    def loss(self, step: int) -> tuple[torch.Tensor, Mapping[str, float]]:
        """The loss of a step and its parts by name. Must depend on the seed, the step and the weights alone."""

    def evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        """Figures on held-out samples with the weights that `module` has now; more of them at the end."""

    def finish(self, figures: Mapping[str, Any], steps: int, seconds: float) -> Sequence[Path]:
        """Write what is shipped from the weights that `module` has now."""

    def open(self, plan: TrainingPlan, first_step: int) -> AbstractContextManager[None]:
        """Called before the first step of a run: start what helps; end it with the block."""


def usual_rate(stage: str) -> float:
    """The learning rate that a stage's shipped weights were trained with."""
    return _RATES.get(stage, _USUAL_RATE)


def stage_names() -> tuple[str, ...]:
    """What can be trained."""
    return tuple(_STAGES)


def make_stage(plan: TrainingPlan) -> Stage:
    """The stage a plan names, its weights drawn from the plan's seed; `ConfigError` for an unknown one."""
    if plan.stage not in _STAGES:
        raise ConfigError(f"expected a stage of {', '.join(_STAGES)}; got {plan.stage!r}")
    module, _, name = _STAGES[plan.stage].partition(":")
    torch.manual_seed(plan.seed)
    stage: Stage = getattr(importlib.import_module(module), name)(plan)
    return stage


def is_bf16_fast(device: str) -> bool:
    """On CUDA, and on CPUs with instructions for it; elsewhere bf16 is emulated, at a loss."""
    if device.startswith("cuda"):
        return True
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and bool({"avx512_bf16", "amx_bf16"} & set(flags.read_text(encoding="utf-8").split()))
