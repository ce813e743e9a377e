"""What waits for the database, by key: the later of two overtakes the earlier, and what cannot be written stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from pipeline.errors import TransientError

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class Unwritten(Generic[Key, Item]):
    """Thread-safe."""

    def __init__(self, save: Callable[[Collection[Item]], object], most: int | None = None) -> None:
        """`save` may raise `TransientError`; of more than `most` the oldest are lost."""
        self._save = save
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[Key, Item] = {}

    def put(self, items: Mapping[Key, Item]) -> int:
        """To be written with the next `flush`; how many others were lost for it."""
        with self._lock:
            self._waiting |= items
            num_lost = max(len(self._waiting) - self._most, 0) if self._most is not None else 0
            for oldest in list(islice(self._waiting, num_lost)):
                del self._waiting[oldest]
        return num_lost

    def flush(self) -> None:
        """Write what waits; `TransientError`, and it still waits, when the database cannot now."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        if not taken:
            return
        try:
            self._save(taken.values())
        except TransientError:
            with self._lock:
                self._waiting = taken | self._waiting
            raise
