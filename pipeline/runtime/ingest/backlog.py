"""One camera's records on their way to the bus: in order, and bounded while the broker is away.

One record is under way at a time; the next is handed out once that one is durable. So a camera's records keep
their order whatever fails and is sent again, and nothing has to be taken back. Records of different cameras
still travel together, in one batch a partition.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record that is to be published."""

    camera_id: str
    key: str
    value: bytes
    headers: Mapping[str, str]
    captured_at: datetime | None
    """Of a frame; None for the end of a stream."""
    queued_seconds: float
    """When it was put here, on the monotonic clock."""


class Backlog:
    """One thread puts, one takes, any thread reports what became of the record under way."""

    def __init__(self, max_bytes: int, keep_seconds: float, on_ready: Callable[[Backlog], None]) -> None:
        """`on_ready` is called, on any thread, once `take` has something to give."""
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._on_ready = on_ready
        self._changed = threading.Condition()
        self._waiting: deque[Outgoing] = deque()
        self._under_way: Outgoing | None = None
        self._num_bytes = 0
        self._is_told_of = False
        self._is_closed = False

    def put(self, item: Outgoing) -> bool:
        """Wait for room, then put; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._num_bytes < self._max_bytes)
            if self._is_closed:
                return False
            self._append(item)
        self._tell_ready()
        return True

    def put_latest(self, item: Outgoing) -> list[Outgoing]:
        """Put without waiting, unless closed; what had to go for it: too old or too much, oldest first."""
        with self._changed:
            if self._is_closed:
                return []
            self._append(item)
            dropped = []
            while self._is_too_much(item.queued_seconds - self._keep_seconds):
                dropped.append(self._waiting.popleft())
                self._num_bytes -= len(dropped[-1].value)
        self._tell_ready()
        return dropped

    def take(self) -> Outgoing | None:
        """The next record to send; None while one is under way or none waits."""
        with self._changed:
            self._is_told_of = False
            if self._under_way is not None or not self._waiting:
                return None
            self._under_way = self._waiting.popleft()
            return self._under_way

    def finished(self) -> None:
        """The record under way is durable, or was refused for good."""
        with self._changed:
            if self._under_way is not None:
                self._num_bytes -= len(self._under_way.value)
                self._under_way = None
            self._changed.notify_all()
        self._tell_ready()

    def again(self) -> None:
        """The record under way was not published: it is the next one still."""
        with self._changed:
            if self._under_way is not None:
                self._waiting.appendleft(self._under_way)
                self._under_way = None
        self._tell_ready()

    def close(self) -> None:
        """Refuse what is put from now on and release who waits; what is in hand can still be sent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def oldest_queued_seconds(self) -> float | None:
        """Since when the oldest unsent record has been here; None when all are sent."""
        with self._changed:
            oldest = self._under_way or (self._waiting[0] if self._waiting else None)
            return oldest.queued_seconds if oldest else None

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting) + (self._under_way is not None)

    def _append(self, item: Outgoing) -> None:
        self._waiting.append(item)
        self._num_bytes += len(item.value)

    def _is_too_much(self, before_seconds: float) -> bool:
        if len(self._waiting) <= 1:
            return False
        return self._num_bytes > self._max_bytes or self._waiting[0].queued_seconds < before_seconds

    def _tell_ready(self) -> None:
        """Once until the next `take`: who is away for long finds one call, not one a frame."""
        with self._changed:
            if self._is_told_of or self._under_way is not None or not self._waiting:
                return
            self._is_told_of = True
        self._on_ready(self)
