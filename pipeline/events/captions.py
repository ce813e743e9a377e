"""A memory of captions: what cameras ordinarily see, and what somebody would want to be told of.

After Flashback (arXiv 2505.15205): the captions are encoded once; a picture is scored by those nearest to it, and
the nearest are also the reason. In: vectors of the encoder's space. Out: scores 0..1 with a reason. Which captions
there are stands in `captions.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.contracts.observation import TextEncoder
from pipeline.errors import ConfigError
from pipeline.events.scored import Match, Vectors

_PREFIXES = {
    "normal": "a normal scene of everyday life, {category}: {text}",
    "abnormal": "an abnormal scene of danger or crime, {category}: {text}",
}
"""Repulsive prompting: a keyword and a wrapper of its own move the two halves apart, in Flashback from 8° between
their centres to 33° (its table 3b, as a public re-implementation quotes it)."""
_ABNORMAL_SCALE = 0.95
"""Scaled anomaly penalization: encoders lean towards dramatic words, so those vectors are a little shorter. The
figure is Flashback's, where 0.90 to 1.00 served nearly alike (as two public re-implementations quote it)."""
_NUM_NEAREST = 10
"""Captions that have a say in a score: about as many as a category has, so that one stray caption decides nothing."""
_BATCH = 64
"""Texts encoded at once: the whole bank in one batch would take gigabytes of activations in a large text model."""


@dataclass(frozen=True, slots=True)
class Caption:
    """One scene in words."""

    text: str
    category: str
    is_abnormal: bool


@cache
def shipped_captions() -> tuple[Caption, ...]:
    """The captions that come with the program, the normal ones first."""
    document = yaml.safe_load((files("pipeline.events") / "captions.yaml").read_text(encoding="utf-8"))
    return tuple(
        Caption(text, category, half == "abnormal")
        for half in ("normal", "abnormal")
        for category, texts in document[half].items()
        for text in texts
    )


class CaptionMemory:
    """How abnormal pictures look by the captions nearest to them; a `Scorer`. To be made once for an encoder."""

    missing = ""

    def __init__(self, encoder: TextEncoder, captions: Sequence[Caption] | None = None) -> None:
        """`encoder` must be warm, and is asked for all captions here, on the caller's thread.

        On a CPU that takes 16 core-seconds with a text model of CLIP ViT-B's size, 80 with one of SigLIP B's.
        `captions`: others than those shipped, some of each half. `ConfigError` when the encoder has no text side.
        """
        if not encoder.supports_text:
            raise ConfigError(
                f"the encoder {encoder.model_id} has no text side, so no picture can be compared with captions; "
                "set models.encoder to a CLIP or SigLIP model"
            )
        given = shipped_captions() if captions is None else captions
        self._normal = [caption for caption in given if not caption.is_abnormal]
        self._abnormal = [caption for caption in given if caption.is_abnormal]
        if not self._normal or not self._abnormal:
            raise ValueError("expected captions of both halves, normal and abnormal")
        self._encoder = encoder
        self._scale = encoder.logit_scale
        texts = [_PREFIXES["normal"].format(category=c.category, text=c.text) for c in self._normal]
        texts += [_PREFIXES["abnormal"].format(category=c.category, text=c.text) for c in self._abnormal]
        self._bank = encode_in_batches(texts, encoder)
        self._bank[len(self._normal) :] *= _ABNORMAL_SCALE
        """(captions, D), normal ones first."""

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:  # noqa: ARG002 - a Scorer's signature
        """Share of abnormal captions among the nearest, each by its similarity; NaN for what is no vector of its size.

        One product with (captions, D).
        """
        if vectors.shape[1:] != self._bank.shape[1:]:
            return [Match(math.nan)] * len(vectors)
        return [self._matched(row) for row in similarities(vectors, self._bank)]

    def ordinary_like(self, text: str, num: int) -> tuple[str, ...]:
        """The `num` normal captions nearest to a text, best first."""
        wrapped = _PREFIXES["normal"].format(category="scene", text=text)
        alike = self._bank[: len(self._normal)] @ self._encoder.encode_texts([wrapped])[0]
        return tuple(self._normal[index].text for index in np.argsort(-alike, kind="stable")[:num])

    def _matched(self, alike: NDArray[np.float32]) -> Match:
        """`alike`: similarity to each caption."""
        if not np.isfinite(alike).all() or not alike.any():
            return Match(math.nan)
        num = min(_NUM_NEAREST, len(alike))
        nearest = np.argpartition(-alike, num - 1)[:num]
        weights = np.exp(self._scale * (alike[nearest] - alike[nearest].max()))
        num_normal = len(self._normal)
        score = float(weights[nearest >= num_normal].sum() / weights.sum())
        ordinary = self._normal[int(alike[:num_normal].argmax())]
        striking = self._abnormal[int(alike[num_normal:].argmax())]
        sides = f"“{striking.text}” ({striking.category})", f"“{ordinary.text}”"
        first, second = sides if score >= 0.5 else sides[::-1]
        return Match(score, f"like {first} rather than {second}")


def similarities(vectors: Vectors, references: Vectors) -> NDArray[np.float32]:
    """(N, references) products; rows of nonsense stay nonsense, without a warning: the caller looks."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(vectors @ references.T, dtype=np.float32)


def encode_in_batches(texts: Sequence[str], encoder: TextEncoder) -> Vectors:
    """(N, D) rows of unit length, in order."""
    batches = [encoder.encode_texts(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return np.concatenate(batches).astype(np.float32)
