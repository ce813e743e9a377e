"""The loop of every training: AdamW on a rate that depends on the step, averaged weights, a log, resumable.

In: a plan and the stage it names. Out, in the plan's folder: `STAGE-checkpoint.pt`, `STAGE-log.jsonl` (one JSON
object a line: a step's loss and its parts, or the figures of an evaluation) and whatever the stage ships.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.models.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from pipeline.models.training.plan import Stage, TrainingPlan, make_stage

_LOG_EVERY_STEPS = 10
_WEIGHT_DECAY = 0.05
_MOST_GRADIENT = 1.0
_STEP_SEEDS = 1_000_003
"""A prime: no two seeds share the numbers their steps draw."""

Show = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run ended."""

    steps: int
    """Done so far, over all runs; fewer than planned when the time was up."""
    seconds: float
    losses: tuple[float, ...]
    """Of this run's steps."""
    figures: Mapping[str, Any]
    files: Sequence[Path]


def train(plan: TrainingPlan, *, is_resumed: bool = False, show: Show | None = None) -> Trained:
    """Train until the plan's last step or until its time is up; the files are written either way.

    Raises:
        ConfigError: an unknown stage or size, or nothing fit to be resumed.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    with _threads(plan.threads):
        return _Run(plan, make_stage(plan), is_resumed, show).go()


class _Run:
    """One call of `train`."""

    def __init__(self, plan: TrainingPlan, stage: Stage, is_resumed: bool, show: Show | None) -> None:
        self._plan, self._stage, self._show = plan, stage, show
        self._asked = {"stage": plan.stage, "size": plan.size, "seed": plan.seed}
        stage.module.to(plan.device)
        self._optimiser = torch.optim.AdamW(_groups(stage.module), lr=plan.learning_rate, betas=(0.9, 0.98))
        self._step, self._seconds_before = 0, 0.0
        if is_resumed:
            self._resume(read_checkpoint(plan.out, self._asked))
        else:
            log_path(plan).unlink(missing_ok=True)
            self._average = _copied(stage.module)
        self._started = time.monotonic()
        self._losses: list[float] = []
        self._last = plan.steps if plan.stop_at is None else min(plan.steps, plan.stop_at)

    def go(self) -> Trained:
        """Steps, then the last evaluation and the files."""
        with self._stage.open(self._plan, self._step):
            evaluated = self._started
            while self._step < self._last and self._elapsed() < self._plan.at_most_seconds:
                self._one_step()
                if time.monotonic() - evaluated > self._plan.evaluate_every_seconds:
                    self._keep()
                    self._evaluate(is_last=False)
                    evaluated = time.monotonic()
            self._keep()
            seconds = self._seconds_before + self._elapsed()
            figures = self._evaluate(is_last=True)
            with self._averaged():
                files = self._stage.finish(figures, self._step, seconds)
        return Trained(self._step, seconds, tuple(self._losses), figures, files)

    def _one_step(self) -> None:
        plan, step = self._plan, self._step
        torch.manual_seed(plan.seed * _STEP_SEEDS + step)
        for group in self._optimiser.param_groups:
            group["lr"] = plan.rate(step)
        self._stage.module.train()
        with torch.autocast(torch.device(plan.device).type, torch.bfloat16, enabled=plan.is_bf16):
            loss, parts = self._stage.loss(step)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        torch.nn.utils.clip_grad_norm_(self._stage.module.parameters(), _MOST_GRADIENT)
        self._optimiser.step()
        self._follow(min(plan.ema_decay, (step + 1) / (step + 10)))
        self._losses.append(float(loss.detach()))
        self._step += 1
        if step % _LOG_EVERY_STEPS == 0:
            self._log({"step": step, "loss": round(self._losses[-1], 4), "rate": plan.rate(step), **parts})

    def _follow(self, decay: float) -> None:
        """Move the averaged weights towards the trained ones."""
        with torch.no_grad():
            for name, value in self._stage.module.state_dict().items():
                if value.is_floating_point():
                    self._average[name].lerp_(value, 1 - decay)

    def _evaluate(self, *, is_last: bool) -> Mapping[str, Any]:
        self._stage.module.eval()
        with self._averaged(), torch.no_grad():
            figures = self._stage.evaluate(is_last=is_last)
        self._log({"step": self._step, "held_out": figures})
        return figures

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The stage's module has the averaged weights inside the block."""
        trained = _copied(self._stage.module)
        self._stage.module.load_state_dict(self._average)
        try:
            yield
        finally:
            self._stage.module.load_state_dict(trained)

    def _keep(self) -> None:
        weights, seconds = self._stage.module.state_dict(), self._seconds_before + self._elapsed()
        state = self._optimiser.state_dict()
        write_checkpoint(self._plan.out, Checkpoint(self._step, seconds, self._asked, weights, self._average, state))

    def _resume(self, kept: Checkpoint) -> None:
        self._step, self._seconds_before = kept.step, kept.seconds
        self._stage.module.load_state_dict(kept.weights)
        self._average = {name: value.to(self._plan.device) for name, value in kept.average.items()}
        self._optimiser.load_state_dict(kept.optimiser)

    def _log(self, line: Mapping[str, Any]) -> None:
        full = {"seconds": round(self._seconds_before + self._elapsed(), 1), **line, "steps": self._plan.steps}
        with log_path(self._plan).open("a", encoding="utf-8") as log:
            log.write(json.dumps(full, ensure_ascii=False) + "\n")
        if self._show is not None:
            self._show(full)

    def _elapsed(self) -> float:
        return time.monotonic() - self._started


def log_path(plan: TrainingPlan) -> Path:
    """Of a run's log."""
    return plan.out / f"{plan.stage}-log.jsonl"


def _groups(module: torch.nn.Module) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and single numbers do not."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [one for one in trained if one.ndim >= 2], "weight_decay": _WEIGHT_DECAY},
        {"params": [one for one in trained if one.ndim < 2], "weight_decay": 0.0},
    ]


def _copied(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
