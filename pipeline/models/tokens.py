"""Text to pieces of words, and pieces to numbers.

The vocabulary is that of all-MiniLM-L6-v2 (WordPiece, lower case, Apache-2.0). A piece it does not have, and every
Chinese, Japanese or Korean character (which it has only as strangers), goes by a checksum into one of a fixed number
of buckets whose vectors are learned: no text is refused, and the same text always gives the same numbers.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

NUM_BUCKETS = 4096
LONGEST_PIECES = 64
"""What comes after is not read."""
_UNKNOWN = "[UNK]"
_IDEOGRAPH = re.compile(r"^(##)?[぀-ヿ㐀-鿿豈-﫿가-힯]+$")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Texts as numbers."""

    ids: NDArray[np.int64]
    """(N, T); from the vocabulary's length on: buckets."""
    is_piece: NDArray[np.bool_]
    """(N, T): False for padding. The first of a row is always a piece, of an empty text too."""


class PieceReader:
    """Cuts texts into pieces."""

    def __init__(self, vocabulary: Path) -> None:
        """`vocabulary`: one piece a line."""
        words = vocabulary.read_text(encoding="utf-8").split("\n")
        self._known = {word: number for number, word in enumerate(words[:-1] if not words[-1] else words)}
        self._start = self._known["[CLS]"]
        self._tokenizer = Tokenizer(WordPiece(self._known, unk_token=_UNKNOWN))
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    def read(self, texts: Sequence[str]) -> Pieces:
        """(N, T) with T as long as the longest text needs."""
        rows = [self._row(text) for text in texts]
        ids = np.zeros((len(rows), max((len(row) for row in rows), default=1)), np.int64)
        for place, row in zip(ids, rows, strict=True):
            place[: len(row)] = row
        return Pieces(ids, np.arange(ids.shape[1]) < np.array([len(row) for row in rows], int).reshape(-1, 1))

    def _row(self, text: str) -> list[int]:
        text = text.encode("utf-8", "replace").decode()  # without halves of characters, which the tokenizer refuses
        cut = self._tokenizer.encode(text, add_special_tokens=False)
        numbers = [
            self._bucket(text[slice(*span)].lower()) if piece == _UNKNOWN or _IDEOGRAPH.match(piece) else number
            for piece, number, span in zip(cut.tokens, cut.ids, cut.offsets, strict=True)
        ]
        return [self._start, *numbers[: LONGEST_PIECES - 1]]

    def _bucket(self, text: str) -> int:
        return len(self._known) + zlib.crc32(text.encode()) % NUM_BUCKETS
