"""A text encoder without a model: vectors of hashed words."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SILENT = re.compile(
    r"an?|the|of|in|on|at|to|and|or|is|are|was|be|with|by|from|for|as|its?|his|her|their|them|they|s?he|this|that"
    r"|there|other|than|one|two|three|starting|also|image|picture"
)
"""Words that say nothing of a scene."""
_ENDINGS = re.compile(r"(?<=[a-z]{3})(?:ing|ies|es|ed|s|e)$")


class BagOfWords:
    """Texts that share words lie near each other; order, grammar and synonyms do not count. A `TextEncoder`.

    Words lose their endings, and those that say nothing are left out. A word that comes twice counts once: a sentence
    about ten walkers is no nearer to walking than one about two.
    """

    model_id = "bag-of-words"
    supports_text = True
    logit_scale = 20.0

    def __init__(self, num_dimensions: int = 4096) -> None:
        self._num_dimensions = num_dimensions
        self.num_texts = 0
        """Encoded so far."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.num_texts += len(texts)
        rows = np.zeros((len(texts), self._num_dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[[zlib.crc32(word.encode()) % self._num_dimensions for word in _words(text)] or [0]] = 1
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def _words(text: str) -> set[str]:
    found = re.findall(r"\w+", text.lower())
    return {_ENDINGS.sub("", word) for word in found if not _SILENT.fullmatch(word)}
