"""A bounded queue between threads of one process.

Whoever puts either waits for room (backpressure, for files: nothing is lost) or pushes the oldest item out
(drop, for live cameras: the present matters most). Whoever takes gets what is there, in order. Counting
what was dropped is left to the caller, who gets it back.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out, at most `max_items`. Every method may be called from any thread."""

    def __init__(self, max_items: int) -> None:
        if max_items < 1:
            raise ValueError(f"expected room for at least one item, got {max_items}")
        self._max_items = max_items
        self._items: deque[T] = deque()
        self._closed = False
        self._lock = threading.Lock()
        self._has_room = threading.Condition(self._lock)
        self._has_items = threading.Condition(self._lock)

    def put(self, item: T, timeout_seconds: float | None = None) -> bool:
        """Add `item`, waiting for room; False when it was not added: time was up, or the queue is closed."""
        with self._lock:
            self._has_room.wait_for(lambda: self._closed or len(self._items) < self._max_items, timeout_seconds)
            if self._closed or len(self._items) >= self._max_items:
                return False
            self._append(item)
            return True

    def put_latest(self, item: T) -> T | None:
        """Add `item` without waiting; what had to go for it: the oldest, or `item` itself when closed."""
        with self._lock:
            if self._closed:
                return item
            dropped = self._items.popleft() if len(self._items) >= self._max_items else None
            self._append(item)
            return dropped

    def take(self, max_items: int, timeout_seconds: float) -> list[T]:
        """Up to `max_items`, oldest first, waiting for the first; [] when time is up, or closed and empty."""
        with self._lock:
            self._has_items.wait_for(lambda: self._items or self._closed, timeout_seconds)
            taken = [self._items.popleft() for _ in range(min(max_items, len(self._items)))]
            self._has_room.notify(len(taken))
            return taken

    def close(self) -> None:
        """Refuse new items and wake everybody who waits; what is in the queue can still be taken."""
        with self._lock:
            self._closed = True
            self._has_room.notify_all()
            self._has_items.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called; items may remain."""
        with self._lock:
            return self._closed

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)

    def _append(self, item: T) -> None:
        self._items.append(item)
        self._has_items.notify()
