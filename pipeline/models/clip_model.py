"""The built-in clip model: a verdict on a rule, and a report, from key frames, a zone and measured facts.

In: a `Clip`. Out: calibrated probabilities, and a report in the form of the report's schema (a dict: boxes in whole
thousandths, frames from 1 in the order of the clip's). Any clip has an answer: what cannot be judged (no frame,
pictures without content) is `cannot tell`. Runs on the CPU; several threads may call it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from pipeline.models.rule_reader import Meaning, RuleReader, load_rule_reader, meaning_of
from pipeline.models.trunk import Size
from pipeline.models.weights import CLIP, SHIPPED, clip_version, read_weights

_LEAST_CONTRAST = 4.0
"""Standard deviation of grey levels over a picture under which nothing can be made out: noise on black has two."""


class ClipNetworks(nn.Module):
    """Everything that `sightline train --stage clip` trains."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.network = ClipNetwork(size)
        self.decoder = ReportDecoder(size.width)


class ClipModel:
    """The networks, loaded, over the image model and the reader of rules."""

    def __init__(
        self, networks: ClipNetworks, eyes: VisionText, reader: RuleReader, *, temperature: float = 1.0, version: str
    ) -> None:
        self.eyes = eyes
        self.reader = reader
        self.version = version
        self.networks = networks.eval()
        self._temperature = temperature

    def verdict(self, clip: Clip) -> Verdict3:
        """Whether the clip shows what its rule says."""
        return self.judge(clip)[0]

    def judge(self, clip: Clip) -> tuple[Verdict3, Meaning]:
        """The verdict, and how the rule was read for it: what is not understood cannot be told."""
        rule = self.reader.read([clip.rule])
        meaning = meaning_of(rule)
        if not clip.rule.strip() or not meaning.is_understood or not _can_be_seen(clip):
            return CANNOT_TELL, meaning
        logits, _, _ = self._judged(clip, rule)
        yes, no, cannot_tell = (logits[0] / self._temperature).softmax(-1).tolist()
        return Verdict3(yes, no, cannot_tell), meaning

    def report(self, clip: Clip, language: str | None = None) -> dict[str, Any]:
        """What is seen, as the rule's report; `language`: `en` or `zh`, by default the clip's.

        Raises:
            ValueError: the clip has no frame: a report cites at least one.
        """
        if not clip.frames:
            raise ValueError("a report needs at least one frame")
        _, about, kept = self._judged(clip, self.reader.read([clip.rule]))
        present = Present(tuple(len(frame.regions) for frame in kept.frames), kept.zone is not None)
        plan = decode(self.networks.decoder.write(about, present))
        numbers = [index + 1 for index in kept_frames(len(clip.frames))]
        return as_report(plan, kept, numbers, language or clip.language)

    @torch.inference_mode()
    def _judged(self, clip: Clip, rule: RuleBatch) -> tuple[Tensor, Seen, Clip]:
        kept, arrays = look_at(clip, self.eyes.model)
        network = self.networks.network
        seen = network.see(batch_of([arrays]))
        logits, about = network.judged(seen, rule)
        return logits.float(), about, kept


def load_clip_model(*, threads: int | None = None, folder: Path = SHIPPED, words: Path = SHIPPED) -> ClipModel:
    """The built-in clip model, ready.

    Args:
        threads: Of torch, for the whole process; None leaves them as they are.
        folder: Of the weights, those of the image model and of the reader among them.
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
    networks = ClipNetworks(eyes.model.size)
    try:
        networks.load_state_dict({name: torch.from_numpy(value).float() for name, value in stored.tensors.items()})
    except RuntimeError as error:  # torch's words for other names and shapes
        raise ConfigError(f"the clip model at {folder} cannot be used: {error}") from error
    temperature = float(stored.facts.get("temperature", 1.0))
    reader = load_rule_reader(folder=folder, words=words)
    return ClipModel(networks, eyes, reader, temperature=temperature, version=clip_version(folder))


def _can_be_seen(clip: Clip) -> bool:
    """Whether any picture has content."""
    return any(float(as_rgb(frame.image)[::4, ::4].mean(axis=2).std()) >= _LEAST_CONTRAST for frame in clip.frames)
