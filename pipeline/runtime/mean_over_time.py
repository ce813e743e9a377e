"""A number that goes up and down, as its mean over time: what is in hand, or, of 0 and 1, the share of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class MeanOverTime:
    """Thread-safe; begins at 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._number_seconds = 0.0
        self._read_at = self._changed_at = time.monotonic()

    @contextmanager
    def more(self, number: int = 1) -> Iterator[None]:
        """So many more while it is entered."""
        self._add(number)
        try:
            yield
        finally:
            self._add(-number)

    def read(self) -> float:
        """The mean since the last reading."""
        with self._lock:
            self._until_now()
            mean = self._number_seconds / max(self._changed_at - self._read_at, 1e-3)
            self._read_at, self._number_seconds = self._changed_at, 0.0
            return mean

    def _add(self, number: int) -> None:
        with self._lock:
            self._until_now()
            self._number += number

    def _until_now(self) -> None:
        now = time.monotonic()
        self._number_seconds += self._number * (now - self._changed_at)
        self._changed_at = now
