"""`when: "words"`: how well a frame fits the words, by the encoder.

The whole frame is scored, also when the rule has a zone: an embedding knows no places. Scores compare the
words with things that are always true of cameras; calibration per camera is left to a later stage, so they
are a shortlist for the vision-language model, not a verdict.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.observation import Observation, TextEncoder
from pipeline.errors import ConfigError
from pipeline.events.reading import Reading
from pipeline.events.tracks import TrackBook

_TEMPLATES = (
    "{}",
    "a photo of {}",
    "a security camera picture of {}",
    "a CCTV frame showing {}",
    "a picture taken from above of {}",
)
"""Prompt ensemble, as CLIP's authors do for ImageNet (arXiv 2103.00020, section 3.1.4), in a camera's words."""
_CONTRASTS = (
    "an empty scene",
    "an ordinary day, nothing happening",
    "people walking by",
    "a person standing",
    "parked vehicles",
    "vehicles driving by",
    "an empty room",
    "people sitting",
    "a building and a street",
    "darkness",
)
"""What cameras mostly see. The words of a rule must beat all of these together."""


class WordScorer:
    """Scores observations against one rule's words. Shared by all cameras."""

    def __init__(self, words: str, encoder: TextEncoder) -> None:
        """`encoder` must be warm; `ConfigError` when it has no text side."""
        if not encoder.supports_text:
            raise ConfigError(
                f"the encoder {encoder.model_id} has no text side, so it cannot score {words!r}; "
                "set models.encoder to a CLIP or SigLIP model, or write the rule with track:"
            )
        self._scale = encoder.logit_scale
        self._references = np.stack([_embed(text, encoder) for text in (words, *_CONTRASTS)])

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002
        """Share of the words in a softmax against the contrasts, 0..1."""
        embedding = observation.embedding
        if embedding is None:
            return Reading(None, reason="no embedding")
        if embedding.shape != self._references.shape[1:]:
            return Reading(None, reason="embedding of another size")
        score = self._score(embedding)
        return Reading(score, reason="below threshold") if math.isfinite(score) else Reading(None, reason="no score")

    def _score(self, embedding: NDArray[np.float32]) -> float:
        with np.errstate(invalid="ignore", over="ignore"):  # NaN in, NaN out; the caller looks
            logits = self._scale * (self._references @ embedding)
            weights = np.exp(logits - logits.max())
            return float(weights[0] / weights.sum())


def _embed(text: str, encoder: TextEncoder) -> NDArray[np.float32]:
    """(D,) mean direction of the text in all templates."""
    rows = encoder.encode_texts([template.format(text) for template in _TEMPLATES])
    mean = rows.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)
