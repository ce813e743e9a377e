"""The built-in clip model as a vision-language model: `models: {vlm: builtin}`.

It reads no text of a prompt: it takes the request the prompt was made from (pictures, boxes, zone, facts, the rule's
words) and looks for itself. It is a small model trained on rendered scenes, a demonstrator; its reports say so. torch
is imported when it is loaded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.contracts.assessment import Answer, ImagePart, Prompt, VerificationRequest
from pipeline.contracts.candidate import SeenRegion
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.jpeg import decode
from pipeline.models.clip import CANNOT_TELL, Clip, ClipFrame, ClipRegion, Verdict3
from pipeline.models.facts import clip_facts
from pipeline.models.weights import SHIPPED
from pipeline.reasoning.naming import labels_of
from pipeline.reasoning.prompt import question_of, zone_of
from pipeline.reasoning.words import WORDS

if TYPE_CHECKING:
    from pipeline.models.clip_model import ClipModel
    from pipeline.models.rule_reader import Meaning

NAME = "builtin-nano"
KNOWN = "say one thing that persons, vehicles, animals or bags do, or name a larger model"
NOT_UNDERSTOOD = f"the built-in model does not know what the rule asks for: {KNOWN}"
_DOUBT = 0.1
"""Of a second look, kept for `cannot tell`: the region classifier is not always right about what it is sure of."""


class BuiltinVlm:
    """The `VisionLanguageModel` that is always there; one clip at a time."""

    def __init__(self, model: ClipModel | None = None, *, folder: Path = SHIPPED) -> None:
        """`model`: loaded already; else the weights in `folder` are, by `warm_up`."""
        self._folder = folder
        self._lock = threading.Lock()
        self._model = model

    @property
    def model_id(self) -> str:
        """With the weights' version, once they are loaded."""
        return f"{NAME}@{self._model.version}" if self._model else NAME

    def warm_up(self) -> None:
        """Load the weights; `ConfigError` says what is missing."""
        with self._lock:
            self._loaded()

    def verdict(self, prompt: Prompt) -> Answer:
        """By the clip model's calibrated head; a second look by the region classifier; else `cannot tell`."""
        with self._lock:
            if prompt.looks_for:
                return _answer(self._look(prompt))
            if prompt.request is None or not prompt.request.frames:
                return _answer(CANNOT_TELL)
            return _answer(*self._loaded().judge(clip_of(prompt.request)))

    def reads(self, rule: str) -> Meaning:
        """How it understands a rule's words; `ConfigError` as `warm_up`."""
        with self._lock:
            return self._loaded().reader.meaning(rule)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:  # noqa: ARG002 - its own form is that schema
        """The report as JSON; `InvalidMessage` for a prompt that is not about an alarm."""
        if prompt.request is None or not prompt.request.frames:
            raise InvalidMessage("the built-in model reports on alarms with pictures and on nothing else")
        with self._lock:
            report = self._loaded().report(clip_of(prompt.request))
        return json.dumps(report, ensure_ascii=False)

    def close(self) -> None:
        """Free the weights."""
        with self._lock:
            self._model = None

    def _loaded(self) -> ClipModel:
        """`ConfigError` when the models extra is not installed or the weights are missing."""
        if self._model is None:
            try:
                from pipeline.models.clip_model import load_clip_model
            except ModuleNotFoundError as error:
                raise ConfigError("the built-in models need torch: pip install 'sightline[models]'") from error
            self._model = load_clip_model(folder=self._folder)
        return self._model

    def _look(self, prompt: Prompt) -> Verdict3:
        """Whether the picture, a crop, shows what the classifier knows by that name; else it cannot tell."""
        picture = next((part.jpeg for part in prompt.parts if isinstance(part, ImagePart)), None)
        if picture is None:
            return CANNOT_TELL
        image = decode(picture)
        seen = self._loaded().eyes.regions(image, [Box(0, 0, image.shape[1], image.shape[0])])[0]
        known = labels_of(prompt.looks_for) & seen.labels.keys()
        if not known:
            return CANNOT_TELL
        share = (1 - _DOUBT) * sum(seen.labels[label] for label in known)
        return Verdict3(share, 1 - _DOUBT - share, _DOUBT)


def clip_of(request: VerificationRequest) -> Clip:
    """The request as the clip model takes it; a picture that cannot be read is black, so that numbers still fit."""
    start = request.frames[0].captured_at
    regions = {key_frame.sequence: key_frame.regions for key_frame in request.candidate.key_frames}
    zone = zone_of(request)
    candidate = request.candidate
    return Clip(
        frames=tuple(
            ClipFrame(
                _pixels(frame),
                (frame.captured_at - start).total_seconds(),
                tuple(_region(region) for region in regions.get(frame.sequence, ())),
            )
            for frame in request.frames
        ),
        rule=question_of(request.rule),
        language=request.language,
        zone=zone[1] if zone else None,
        zone_name=zone[0] if zone else "",
        facts=clip_facts(candidate.facts, candidate.track_notes, request.frames[-1].captured_at),
    )


def _pixels(frame: EncodedFrame) -> Image:
    try:
        return decode(frame.jpeg)
    except InvalidMessage:
        return np.zeros((max(frame.height, 1), max(frame.width, 1), 3), np.uint8)


def _region(region: SeenRegion) -> ClipRegion:
    return ClipRegion(Box(*region.box), region.label, region.track_id)


def _answer(verdict: Verdict3, read: Meaning | None = None) -> Answer:
    weights = (verdict.yes, verdict.no, verdict.cannot_tell)
    word = max(zip(weights, WORDS, strict=True))[1]
    told = "the built-in model" if read is None else f"the built-in model, which read the rule as: {read}"
    note = "" if read is None or read.is_understood else NOT_UNDERSTOOD
    return Answer(*weights, text=f"{word} ({told})", note=note)
