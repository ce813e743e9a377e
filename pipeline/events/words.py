"""`when: "words"`: how well a picture fits the words, by the encoder.

A picture is compared with the rule's words and with what the scene looks like when the rule is not met: the same
subject doing ordinary things, the place by itself, the ordinary captions nearest to the words, and what cameras see
most. Where a score counts as an alert is left to the levels of the camera.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.observation import TextEncoder
from pipeline.errors import ConfigError
from pipeline.events.captions import CaptionMemory, encode_in_batches, similarities
from pipeline.events.scored import Match, Vectors

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
"""What cameras mostly see, whatever the rule."""
_ROUNDING = 1e-6
"""Of a cosine in float32."""
_NUM_ORDINARY = 8
"""Captions of the memory taken as contrasts: about half a category."""

_ORDINARY_DOINGS = {
    "person": ("{} walking by", "{} standing", "{} sitting"),
    "vehicle": ("{} driving by", "{} parked"),
    "animal": ("{} walking by", "{} lying down"),
}
_AT_PLACE = {
    "person": ("{} walking past {}", "{} standing at {}"),
    "vehicle": ("{} driving past {}", "{} parked at {}"),
    "animal": ("{} walking past {}",),
}
_NOUNS = {
    "person": r"persons?|people|m[ae]n|wom[ae]n|somebody|someone|anyone|child(?:ren)?|kids?|boys?|girls?|workers?"
    r"|employees?|customers?|passengers?|pedestrians?|visitors?|guards?|intruders?|strangers?|drivers?|patients?|crowd",
    "vehicle": r"vehicles?|cars?|trucks?|lorr(?:y|ies)|vans?|bus(?:es)?|motorcycles?|motorbikes?|scooters?|bicycles?"
    r"|bikes?|trains?|forklifts?|tractors?",
    "animal": r"animals?|dogs?|cats?|horses?|birds?|cows?|deer|fox(?:es)?|bears?",
}
_SUBJECT = re.compile(
    r"(?i)\b(?:(?:an?|the|one|two|three|some|several|many) (?:[\w-]+ ){0,2}?)?(?:"
    + "|".join(f"(?P<{kind}>{nouns})" for kind, nouns in _NOUNS.items())
    + r")\b"
)
_PREPOSITION = (
    r"(?:over|into|onto|in|on|at|near|through|across|inside|under|behind|along|beside|by|past|against|from|to|of)"
)
_PLACE = re.compile(
    rf"(?i)\b{_PREPOSITION} (?P<place>(?:the|an?) (?:(?:[\w-]+ )?[\w-]+(?=$|[,.;]| (?:{_PREPOSITION}|and|while|with) )"
    r"|[\w-]+))"
)


class WordScorer:
    """Scores vectors against one rule's words; a `Scorer`. Shared by all cameras."""

    missing = ""

    def __init__(self, words: str, encoder: TextEncoder, memory: CaptionMemory | None = None) -> None:
        """`encoder` must be warm, and is asked here only; `ConfigError` when it has no text side.

        `memory`, of the same encoder, gives ordinary scenes near to the words.
        """
        if not encoder.supports_text:
            raise ConfigError(
                f"the encoder {encoder.model_id} has no text side, so it cannot score {words!r}; "
                "set models.encoder to a CLIP or SigLIP model, or write the rule with track:"
            )
        self._scale = encoder.logit_scale
        near = memory.ordinary_like(words, _NUM_ORDINARY) if memory is not None else ()
        texts = tuple(dict.fromkeys((*contrasts_of(words), *near, *_CONTRASTS)))
        vectors = embed_texts((words, *texts), encoder)
        kept = _unlike(words, vectors, encoder)
        self.contrasts = tuple(texts[index] for index in kept)
        """What the words must beat, best known first: made for the rule, then general."""
        self._references = vectors[[0, *(index + 1 for index in kept)]]

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:  # noqa: ARG002 - a Scorer's signature
        """0.5 where a picture is as near to the words as to the nearest contrast; NaN for vectors of another size.

        A logistic of the difference, at the encoder's own scale. The nearest contrast alone counts, and not the sum
        of all: so a score does not sink because a rule has more of them. One product with (contrasts + 1, D).
        """
        if vectors.shape[1:] != self._references.shape[1:]:
            return [Match(math.nan)] * len(vectors)
        return [self._matched(row) for row in similarities(vectors, self._references)]

    def _matched(self, alike: NDArray[np.float32]) -> Match:
        """`alike`: similarity to the words, then to each contrast."""
        if not np.isfinite(alike).all() or not alike.any():
            return Match(math.nan)
        nearest = int(alike[1:].argmax())
        logit = self._scale * float(alike[0] - alike[nearest + 1])
        contrast = f"“{self.contrasts[nearest]}”"
        reason = f"more like the words than {contrast}" if logit >= 0 else f"more like {contrast} than the words"
        return Match(_logistic(logit), reason)


def contrasts_of(words: str) -> tuple[str, ...]:
    """What a scene looks like when the words are not met, from their own subject and place; empty without either."""
    found = _SUBJECT.search(words)
    subject, kind = (found.group().lower(), str(found.lastgroup)) if found else ("", "")
    places = [place for match in _PLACE.finditer(words) if (place := match["place"].lower()) != subject]
    place = places[-1] if places else ""
    doings = [doing.format(subject) for doing in _ORDINARY_DOINGS.get(kind, ())]
    at_place = [doing.format(subject, place) for doing in _AT_PLACE.get(kind, ()) if place]
    return tuple(text for text in (*at_place, place, *doings) if text)


def embed_texts(texts: Sequence[str], encoder: TextEncoder) -> Vectors:
    """(N, D) mean direction of each text in all templates, unit length."""
    rows = encode_in_batches([template.format(text) for text in texts for template in _TEMPLATES], encoder)
    means = rows.reshape(len(texts), len(_TEMPLATES), -1).mean(axis=1)
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def wording_spread(words: str, direction: NDArray[np.float32], encoder: TextEncoder) -> float:
    """Cosine between `direction` of the words and the template farthest from it: what is nearer says the same."""
    rows = encoder.encode_texts([template.format(words) for template in _TEMPLATES])
    return float((rows @ direction).min()) - _ROUNDING


def _unlike(words: str, vectors: Vectors, encoder: TextEncoder) -> list[int]:
    """Places of the contrasts that say something else than the words do, by `wording_spread`.

    All of them when an encoder tells none apart: it would be no scorer without.
    """
    same = wording_spread(words, vectors[0], encoder)
    alike = vectors[1:] @ vectors[0]
    return [index for index, value in enumerate(alike) if value < same] or list(range(len(alike)))


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
