"""Tiny weights and short trainings of the built-in models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pipeline.models.captions import CaptionSpace
from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.training.plan import TrainingPlan
from pipeline.models.trunk import SIZES
from pipeline.models.vision import VisionModel
from pipeline.models.weights import CAPTIONS, SHIPPED, VISION, read_words, vision_version, write_weights


def tiny_plan(out: Path, steps: int, **given: Any) -> TrainingPlan:
    """Seconds long; the same samples and weights every time."""
    usual: dict[str, Any] = {"stage": VISION, "seed": 3, "threads": 1, "workers": 0, "warm_up_steps": 2}
    return TrainingPlan(out=out, steps=steps, size="tiny", **usual | given)


def write_tiny_vision(folder: Path, seed: int = 0) -> Path:
    """Untrained weights of the smallest size."""
    torch.manual_seed(seed)
    model = VisionModel(SIZES["tiny"], read_words(SHIPPED))
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    return write_weights(folder, VISION, tensors, {"size": "tiny"})


def write_tiny_captions(folder: Path, seed: int = 0) -> Path:
    """Untrained weights of what pictures and words share, over the trunk in `folder`."""
    torch.manual_seed(seed)
    space = CaptionSpace(SIZES["tiny"], read_words(SHIPPED))
    tensors = {name: value.numpy() for name, value in space.state_dict().items()}
    return write_weights(folder, CAPTIONS, tensors, {"size": "tiny", "vision": vision_version(folder)})


def tiny_vision(folder: Path, seed: int = 0) -> VisionText:
    """The encoder with such weights."""
    write_tiny_vision(folder, seed)
    write_tiny_captions(folder, seed)
    return load_vision_text(folder=folder)
