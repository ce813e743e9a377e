"""Builders for the clip model's tests: tiny weights made on the spot, clips, requests."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contracts.assessment import VerificationRequest
from pipeline.contracts.candidate import Fact, KeyFrame, SeenRegion
from pipeline.contracts.values import Box, Image
from pipeline.models.clip import Clip, ClipFrame, ClipRegion
from pipeline.models.clip_model import ClipModel, ClipNetworks
from pipeline.models.encoder import VisionText
from pipeline.models.rule_reader import RuleNetwork, RuleReader
from pipeline.models.trunk import size_of
from pipeline.models.vision import VisionModel
from pipeline.models.weights import RULES, SHIPPED, VISION, read_words, write_weights
from tests.support.reasoning import START, frame, request


@cache
def tiny_model() -> ClipModel:
    """Untrained and deterministic: its answers are of the right form and mean nothing."""
    import torch

    torch.set_num_threads(1)  # models this small are slower on two
    torch.manual_seed(3)
    words = read_words(SHIPPED)
    eyes = VisionText(VisionModel(size_of("tiny"), words), SHIPPED, "builtin-tiny", "cpu")
    reader = RuleReader(RuleNetwork(size_of("tiny"), words), eyes.reader)
    return ClipModel(ClipNetworks(size_of("tiny")), eyes, reader, version="test")


def tiny_weights(folder: Path) -> Path:
    """Untrained weights of the image model and of the reader of rules in `folder`."""
    import torch

    torch.manual_seed(3)
    words = read_words(SHIPPED)
    for name, model in ((VISION, VisionModel(size_of("tiny"), words)), (RULES, RuleNetwork(size_of("tiny"), words))):
        write_weights(folder, name, {key: one.numpy() for key, one in model.state_dict().items()}, {"size": "tiny"})
    return folder


def picture(width: int = 96, height: int = 64, seed: int = 1) -> Image:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)


def clip(num_frames: int = 3, **fields: Any) -> Clip:
    """A person walks to the right."""
    frames = tuple(
        ClipFrame(picture(seed=n), float(n), (ClipRegion(Box(5 + 9 * n, 10, 20 + 9 * n, 50), "person", 7),))
        for n in range(num_frames)
    )
    return Clip(frames, **{"rule": "a person walks", **fields})


def asked(num_frames: int = 3, **fields: Any) -> VerificationRequest:
    """A verification whose key frames have a person in them, with a note of the tracker."""
    frames = tuple(frame(4 * number, width=96, height=64) for number in range(num_frames))
    region = SeenRegion(box=(10, 10, 30, 50), label="person", score=0.9, track_id=7)
    keys = tuple(
        KeyFrame(sequence=each.sequence, captured_at=each.captured_at, role="different", score=0.5, regions=(region,))
        for each in frames
    )
    note = Fact(kind="note", text="person 7 entered fence", at=START + timedelta(seconds=2), track_id=7)
    return request(frames, key_frames=keys, notes=(note,), **fields)
