"""The built-in clip model: a verdict on a rule, and a report, from key frames, a zone and measured facts.

In: a `Clip`. Out: calibrated probabilities, and a report in the form of the report's schema (a dict: boxes in whole
thousandths, frames from 1 in the order of the clip's). Any clip has an answer: what cannot be judged (no frame,
pictures without content) is `cannot tell`. Runs on the CPU; several threads may call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import ConfigError
from pipeline.models.clip import CANNOT_TELL, Clip, Verdict3, kept_frames
from pipeline.models.clip_eyes import batch_of, look_at
from pipeline.models.clip_network import ClipNetwork, RuleBatch, Seen
from pipeline.models.decoder import ReportDecoder
from pipeline.models.encoder import VisionText, load_vision_text
from pipeline.models.pixels import as_rgb
from pipeline.models.report_language import LANGUAGE_VERSION, Present, decode
from pipeline.models.report_words import as_report
from pipeline.models.rule_numbers import number_rows
from pipeline.models.text import WordTable
from pipeline.models.tokens import PieceReader
from pipeline.models.trunk import Size
from pipeline.models.weights import CLIP, SHIPPED, Words, clip_version, read_weights, read_words

_LEAST_CONTRAST = 4.0
"""Standard deviation of grey levels over a picture under which nothing can be made out: noise on black has two."""


class ClipNetworks(nn.Module):
    """Everything that `sightline train --stage clip` trains."""

    def __init__(self, size: Size, words: Words) -> None:
        super().__init__()
        self.network = ClipNetwork(size, WordTable(words.vectors, words.scale))
        self.decoder = ReportDecoder(size.width)


class ClipModel:
    """The networks, loaded, over the image model."""

    def __init__(self, networks: ClipNetworks, eyes: VisionText, *, temperature: float = 1.0, version: str) -> None:
        self.eyes = eyes
        self.version = version
        self.networks = networks.eval()
        self._temperature = temperature

    def verdict(self, clip: Clip) -> Verdict3:
        """Whether the clip shows what its rule says."""
        if not clip.rule.strip() or not _can_be_seen(clip):
            return CANNOT_TELL
        logits, _, _ = self._read(clip)
        yes, no, cannot_tell = (logits[0] / self._temperature).softmax(-1).tolist()
        return Verdict3(yes, no, cannot_tell)

    def report(self, clip: Clip, language: str | None = None) -> dict[str, Any]:
        """What is seen, as the rule's report; `language`: `en` or `zh`, by default the clip's.

        Raises:
            ValueError: the clip has no frame: a report cites at least one.
        """
        if not clip.frames:
            raise ValueError("a report needs at least one frame")
        _, about, kept = self._read(clip)
        present = Present(tuple(len(frame.regions) for frame in kept.frames), kept.zone is not None)
        plan = decode(self.networks.decoder.write(about, present))
        numbers = [index + 1 for index in kept_frames(len(clip.frames))]
        return as_report(plan, kept, numbers, language or clip.language)

    @torch.inference_mode()
    def _read(self, clip: Clip) -> tuple[Tensor, Seen, Clip]:
        kept, arrays = look_at(clip, self.eyes.model)
        network = self.networks.network
        seen = network.see(batch_of([arrays]))
        logits, _, about = network.read(seen, rule_batch(self.eyes.reader, [clip.rule]))
        return logits.float(), about, kept


def rule_batch(reader: PieceReader, rules: Sequence[str]) -> RuleBatch:
    """Rules' words as the network takes them."""
    pieces = reader.read(rules)
    numbers = np.stack([number_rows(rule) for rule in rules])
    return RuleBatch(torch.from_numpy(pieces.ids), torch.from_numpy(pieces.is_piece), torch.from_numpy(numbers))


def load_clip_model(*, threads: int | None = None, folder: Path = SHIPPED, words: Path = SHIPPED) -> ClipModel:
    """The built-in clip model, ready.

    Args:
        threads: Of torch, for the whole process; None leaves them as they are.
        folder: Of the weights, the image model's among them.
        words: Of the vocabulary and its vectors.

    Raises:
        ConfigError: torch is not installed, or weights are missing, damaged, or of another image model.
    """
    eyes = load_vision_text(threads=threads, folder=folder, words=words)
    stored = read_weights(folder, CLIP)
    trained_on = stored.facts.get("vision")
    if trained_on != eyes.version:
        raise ConfigError(
            f"the clip model at {folder} was trained over {trained_on}, not over {eyes.version} beside it"
        )
    if stored.facts.get("language") != LANGUAGE_VERSION:
        raise ConfigError(f"the clip model at {folder} writes another report language: train it again")
    networks = ClipNetworks(eyes.model.size, read_words(words))
    try:
        networks.load_state_dict({name: torch.from_numpy(value).float() for name, value in stored.tensors.items()})
    except RuntimeError as error:  # torch's words for other names and shapes
        raise ConfigError(f"the clip model at {folder} cannot be used: {error}") from error
    temperature = float(stored.facts.get("temperature", 1.0))
    return ClipModel(networks, eyes, temperature=temperature, version=clip_version(folder))


def _can_be_seen(clip: Clip) -> bool:
    """Whether any picture has content."""
    return any(float(as_rgb(frame.image)[::4, ::4].mean(axis=2).std()) >= _LEAST_CONTRAST for frame in clip.frames)
