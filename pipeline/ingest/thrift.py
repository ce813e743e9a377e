"""Which packets of a stream are worth decoding: all, or key frames alone where these come often enough.

A key frame stands for itself; every other frame needs all before it, back to its key frame. So there is nothing
between the two ways, and going back to all begins at the last key frame, whose packets are kept for that.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

_SPACINGS = 3
"""So many key frames in a row must come often enough before the others are left out."""
_JITTER = 1.05
"""Spacings are met to this factor: 2.0 a second may be 1.97."""
_OVERDUE = 1.5
"""Wanted periods without a key frame after which it is overdue: encoders stretch them while nothing moves."""
_LEAST_SHARE = 0.5
"""Of a wanted period that must lie between two decoded frames that stand for themselves: a camera may send nothing
but key frames (MJPEG), and the reader chooses among twice as many as it wants."""


class Thrift:
    """Says of each packet whether to decode it. Of one connection, for one thread."""

    def __init__(self, decode: Literal["auto", "all", "keyframes"], fps: float) -> None:
        self._decode = decode
        self._period_seconds = 1 / fps
        self._spacings: deque[float] = deque(maxlen=_SPACINGS)
        self._last_key_seconds: float | None = None
        self._last_taken_seconds: float | None = None
        self._keys_suffice = decode == "keyframes"

    @property
    def keys_only(self) -> bool:
        """Whether frames between key frames are left out now."""
        return self._keys_suffice

    @property
    def may_give_up(self) -> bool:
        """Whether what is left out now may be asked for later."""
        return self._keys_suffice and self._decode == "auto"

    def wants(self, *, is_key: bool, at_seconds: float | None) -> bool:
        """Whether to decode a packet of this presentation time, packets told in their order."""
        if self._decode == "all":
            return True
        if is_key:
            self._note(at_seconds)
        if not self._keys_suffice:
            return True
        return is_key and self._is_due(at_seconds)

    def gives_up(self, at_seconds: float | None) -> bool:
        """Whether the next key frame is overdue though key frames alone were thought enough: then all are decoded
        again, from the last key frame on."""
        last = self._last_key_seconds
        is_overdue = (
            self.may_give_up
            and last is not None
            and at_seconds is not None
            and at_seconds - last > _OVERDUE * self._period_seconds
        )
        if is_overdue:
            self._keys_suffice = False
            self._spacings.clear()
        return is_overdue

    def _note(self, at_seconds: float | None) -> None:
        if at_seconds is None:
            self._spacings.clear()
        elif self._last_key_seconds is not None:
            self._spacings.append(at_seconds - self._last_key_seconds)
        self._last_key_seconds = at_seconds
        longest_seconds = self._period_seconds * _JITTER
        if self._decode == "auto":
            is_known = len(self._spacings) == _SPACINGS
            self._keys_suffice = is_known and all(0 < spacing <= longest_seconds for spacing in self._spacings)

    def _is_due(self, at_seconds: float | None) -> bool:
        last = self._last_taken_seconds
        if last is not None and at_seconds is not None and 0 < at_seconds - last < _LEAST_SHARE * self._period_seconds:
            return False
        self._last_taken_seconds = at_seconds
        return True
