"""What a calibration keeps, as bytes: of a version, checked, and the same on every machine.

    "SLC1" · CRC-32 of the rest · numbers · ends of blocks (uint32) · levels (float32) · reviews · words (UTF-8)

Some 16 KiB for two weeks. Little endian throughout. The numbers that follow from the rest (threshold, drift, words)
are kept as well, for those who only want to look.
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidMessage
from pipeline.events.tail import HIGHEST, LOWEST

MAX_BLOCKS = 2016
"""Two weeks of ten-minute blocks."""
MAX_REVIEWS = 200
"""Those of the latest incidents."""
_MAGIC = b"SLC1"
_HEAD = struct.Struct("<4sI")
_NUMBERS = struct.Struct("<8d??3I")
_REVIEW = struct.Struct("<8sdd?")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A person's word on one incident."""

    opened_seconds: float
    peak: float
    """On the logit scale."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class CalibrationState:
    """Everything that outlives a restart."""

    block_seconds: float
    watched_seconds: float
    last_seconds: float
    """Event time of the last score that was noted."""
    begun_seconds: float
    """Watched time of the block that is not full yet."""
    begun_level: float
    """And the highest level in it."""
    ends: NDArray[np.uint32]
    """(N,) event time, whole seconds since 1970, at which each block was full; oldest first."""
    levels: NDArray[np.float32]
    """(N,) highest level of each block, logits."""
    num_since_change: int
    """Blocks since the scores last changed; 0 when they did not."""
    is_drifting: bool
    reviews: Mapping[bytes, Reviewed]
    """By `review_key`."""
    is_learned: bool
    threshold: float
    release: float
    drift: float | None
    words: str

    def dump(self) -> bytes:
        """For `load`."""
        drift = math.nan if self.drift is None else self.drift
        numbers = _NUMBERS.pack(
            self.block_seconds,
            self.watched_seconds,
            self.last_seconds,
            self.begun_seconds,
            self.begun_level,
            self.threshold,
            self.release,
            drift,
            self.is_drifting,
            self.is_learned,
            len(self.levels),
            self.num_since_change,
            len(self.reviews),
        )
        reviews = [_REVIEW.pack(key, r.opened_seconds, r.peak, r.is_right) for key, r in sorted(self.reviews.items())]
        arrays = self.ends.astype("<u4").tobytes() + self.levels.astype("<f4").tobytes()
        rest = numbers + arrays + b"".join(reviews) + self.words.encode()
        return _HEAD.pack(_MAGIC, zlib.crc32(rest)) + rest

    @classmethod
    def load(cls, body: bytes) -> CalibrationState:
        """`InvalidMessage` for anything but what `dump` of this version wrote."""
        if body[:4] != _MAGIC:
            raise InvalidMessage(f"expected a calibration of version {_MAGIC!r}, got one that begins {body[:4]!r}")
        try:
            state = cls._read(body)
        except (struct.error, ValueError, IndexError) as error:
            raise InvalidMessage(f"a calibration of {len(body)} bytes is cut short or damaged: {error}") from error
        if not state._is_sound():
            raise InvalidMessage("a calibration holds numbers that cannot be")
        return state

    @classmethod
    def _read(cls, body: bytes) -> CalibrationState:
        _, checksum = _HEAD.unpack_from(body)
        if zlib.crc32(body[_HEAD.size :]) != checksum:
            raise ValueError("its checksum is wrong")
        *numbers, drift, is_drifting, is_learned, num_blocks, num_since, num_reviews = _NUMBERS.unpack_from(
            body, _HEAD.size
        )
        block, watched, last, begun, level, threshold, release = numbers
        first = _HEAD.size + _NUMBERS.size
        ends = np.frombuffer(body, "<u4", num_blocks, first)
        levels = np.frombuffer(body, "<f4", num_blocks, first + 4 * num_blocks)
        first += 8 * num_blocks
        reviews_end = first + num_reviews * _REVIEW.size
        reviews = {key: Reviewed(*rest) for key, *rest in _REVIEW.iter_unpack(body[first:reviews_end])}
        return cls(
            block_seconds=block,
            watched_seconds=watched,
            last_seconds=last,
            begun_seconds=begun,
            begun_level=level,
            ends=ends.astype(np.uint32),
            levels=levels.astype(np.float32),
            num_since_change=num_since,
            is_drifting=is_drifting,
            reviews=reviews,
            is_learned=is_learned,
            threshold=threshold,
            release=release,
            drift=None if math.isnan(drift) else drift,
            words=body[reviews_end:].decode(),
        )

    def _is_sound(self) -> bool:
        numbers = (self.watched_seconds, self.last_seconds, self.begun_seconds, self.begun_level, self.threshold)
        times = [review.opened_seconds for review in self.reviews.values()]
        peaks = [review.peak for review in self.reviews.values()]
        return (
            all(map(math.isfinite, (*numbers, *times, *peaks, self.release)))
            and 1 <= self.block_seconds <= 86_400
            and min(self.watched_seconds, self.begun_seconds) >= 0
            and len(self.levels) <= MAX_BLOCKS
            and self.num_since_change <= len(self.levels)
            and len(self.reviews) <= MAX_REVIEWS
            # Float32 rounds the ends of the scale.
            and bool(np.all((self.levels >= LOWEST - 1e-3) & (self.levels <= HIGHEST + 1e-3)))
        )


def review_key(incident_id: str) -> bytes:
    """Eight bytes that stand for an incident, however long its id."""
    return hashlib.blake2b(incident_id.encode(errors="surrogatepass"), digest_size=8).digest()
