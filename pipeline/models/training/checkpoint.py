"""A training run on disk: weights, their moving average, the optimiser and the number of the next step.

No state of random numbers is kept: what a step draws depends on the seed and on its number alone.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands."""

    step: int
    """The next one."""
    seconds: float
    """Trained so far, over all runs."""
    asked: dict[str, Any]
    """What must be the same for a run to be gone on with: stage, size, seed."""
    weights: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimiser: dict[str, Any]


def checkpoint_path(out: Path, stage: str) -> Path:
    """Where a stage's run is kept; stages may share a folder."""
    return out / f"{stage}-checkpoint.pt"


def write_checkpoint(out: Path, kept: Checkpoint) -> None:
    """Whole or not at all: a run killed while it writes leaves the older one."""
    path = checkpoint_path(out, kept.asked["stage"])
    partial = path.with_suffix(".partial")
    torch.save({name: getattr(kept, name) for name in Checkpoint.__slots__}, partial)
    partial.replace(path)


def read_checkpoint(out: Path, asked: dict[str, Any]) -> Checkpoint:
    """What `out` keeps.

    Raises:
        ConfigError: there is none, it is damaged, or it is of another stage, size or seed.
    """
    path = checkpoint_path(out, asked["stage"])
    try:
        kept = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise ConfigError(f"nothing to resume: {path} is not there; start without --resume") from None
    except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigError(f"cannot resume from {path}: {error}") from error
    for name, value in asked.items():
        if kept.asked.get(name) != value:
            raise ConfigError(
                f"{path} was trained with {name} {kept.asked.get(name)!r}, not {value!r}: use that, or another --out"
            )
    return kept
