"""Moments by words, by an example picture, or by a part of one: a question in, moments out.

Words and pictures become vectors of the site's encoder; what is wrong with a question is a `ConfigError` that says
what was expected. Whether a moment found shows what was asked for is left to who looks at it: likeness only ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline import jpeg
from pipeline.contracts.observation import Encoder
from pipeline.contracts.values import Image, utc_text
from pipeline.contracts.vectors import Alike, Among, VectorStore
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.search.similar import similar_moments

MAX_CHARACTERS = 300
"""Text sides read some 64 tokens, and leave out what follows."""
MAX_BYTES = 10_000_000
MAX_PIXELS = 7680 * 4320
"""Of an example: as the largest frames that cameras may have."""
MAX_FOUND = 100
_SMALLEST_PX = 8
"""A smaller part of a picture shows nothing."""
_PLENTY_PX = 1024
"""A whole picture is read at a fraction of its size that still has so many: encoders look at less."""
_NO_ENCODER = "moments are found by an encoder, and the site has none: set models.encoder in the site file"
_NO_WORDS = "the site's encoder {} reads no words: ask with a picture, or set models.encoder to one that does"

Part = tuple[float, float, float, float]
"""(left, top, right, bottom) of a part of a picture, as fractions of its width and height, 0 to 1."""


class MomentSearch:
    """Asks one store by one encoder. Thread-safe, as both are."""

    def __init__(self, store: VectorStore, encoder: Callable[[], Encoder | None]) -> None:
        """`encoder` gives it warm, or None where the site has none."""
        self._store = store
        self._encoder = encoder

    def by_words(self, text: str, among: Among, limit: int) -> Alike:
        """Moments that look as these words say; `ConfigError` for none, too many, or no encoder that reads them."""
        words = " ".join(text.split())
        if not 0 < len(words) <= MAX_CHARACTERS:
            raise ConfigError(f"expected 1 to {MAX_CHARACTERS} characters to look for, got {len(words):,}")
        encoder = self._warm()
        if not encoder.supports_text:
            raise ConfigError(_NO_WORDS.format(encoder.model_id))
        return self._find(encoder.model_id, encoder.encode_texts([words])[0], among, limit)

    def by_picture(self, picture: bytes, among: Among, limit: int, *, part: Part | None = None) -> Alike:
        """Moments that look like this JPEG, or like a part of it; `ConfigError` for what is no such picture."""
        pixels = read_example(picture, part)
        encoder = self._warm()
        return self._find(encoder.model_id, encoder.encode_images([pixels])[0], among, limit)

    def _warm(self) -> Encoder:
        encoder = self._encoder()
        if encoder is None:
            raise ConfigError(_NO_ENCODER)
        return encoder

    def _find(self, model_id: str, vector: NDArray[np.float32], among: Among, limit: int) -> Alike:
        if not 1 <= limit <= MAX_FOUND:
            raise ConfigError(f"expected to show 1 to {MAX_FOUND} moments, got {limit}")
        if among.start is not None and among.end is not None and among.start >= among.end:
            raise ConfigError(f"from ({utc_text(among.start)}) must be before to ({utc_text(among.end)})")
        moments = similar_moments(self._store, model_id, vector, among, limit)
        return Alike(tuple(moments), self._store.num_of_others(model_id, vector.size, among))


def read_example(picture: bytes, part: Part | None = None) -> Image:
    """Its pixels, or those of a part; `ConfigError` for what is no such picture, a bomb before it goes off."""
    if len(picture) > MAX_BYTES:
        raise ConfigError(f"expected a picture of at most {MAX_BYTES:,} bytes, got {len(picture):,}: make it smaller")
    try:
        width, height = jpeg.size_of(picture)
        # Before decoding: a picture of 65,500 x 16,000 fits into a few megabytes of JPEG, and takes 3 GB as pixels.
        if width * height > MAX_PIXELS:
            raise ConfigError(f"expected at most {MAX_PIXELS:,} pixels, got {width}x{height}: make it smaller")
        if part is None:
            return jpeg.decode(picture, _reduction(max(width, height)))
        return _cut(jpeg.decode(picture), part)
    except InvalidMessage as error:
        expected = "expected an example as one whole JPEG picture, no other format and no video"
        raise ConfigError(f"{expected}: {error}") from error


def _reduction(long_side_px: int) -> jpeg.Reduction:
    return 1 if long_side_px < 2 * _PLENTY_PX else 2 if long_side_px < 4 * _PLENTY_PX else 4


def _cut(pixels: Image, part: Part) -> Image:
    """The part, contiguous; what is outside the picture does not count."""
    height, width = pixels.shape[:2]
    if not all(map(math.isfinite, part)):
        raise ConfigError("expected a part of the picture as four fractions of its sides: left, top, right, bottom")
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in part)
    columns, rows = slice(round(left * width), round(right * width)), slice(round(top * height), round(bottom * height))
    if min(columns.stop - columns.start, rows.stop - rows.start) < _SMALLEST_PX:
        raise ConfigError(f"expected a part of at least {_SMALLEST_PX} px each way, inside the picture; draw it larger")
    return np.ascontiguousarray(pixels[rows, columns])
