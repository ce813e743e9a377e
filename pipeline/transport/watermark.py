"""How far one partition is done: what may be committed when records are completed in any order.

Records are taken in the order of their offsets and completed in any. All before the position are completed and the
next one is not, so a consumer that starts there loses nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial


@dataclass(slots=True)
class _Taken:
    offset: int
    published_at: datetime
    is_done: bool = False


class Watermark:
    """The contiguous completion of one partition. Every method may be called from any thread."""

    def __init__(self, committed: int) -> None:
        """Records below the offset `committed` are replays: they are in hand like others, but move nothing back."""
        self._committed = committed
        self._position = committed
        self._taken: deque[_Taken] = deque()
        self._passed_at: datetime | None = None
        self._lock = threading.Lock()

    def take(self, offset: int, published_at: datetime) -> Callable[[], None]:
        """A record is in hand; call what is returned once it is completed (calling it again does nothing).

        Offsets grow from call to call; gaps are fine (compaction and transactions leave some).
        """
        taken = _Taken(offset, published_at)
        with self._lock:
            if self._taken and offset <= self._taken[-1].offset:
                raise ValueError(f"expected an offset after {self._taken[-1].offset}, got {offset}")
            self._taken.append(taken)
        return partial(self._complete, taken)

    @property
    def position(self) -> int:
        """The offset to commit: just behind the last record before which all are completed, never below `committed`."""
        with self._lock:
            return self._position

    @property
    def num_in_hand(self) -> int:
        """Records from the first one not completed to the last one taken: what a restart would handle again."""
        with self._lock:
            return len(self._taken)

    @property
    def oldest_published_at(self) -> datetime | None:
        """When the first record that is neither completed nor a replay was published; None when none is in hand."""
        with self._lock:
            return next((taken.published_at for taken in self._taken if taken.offset >= self._committed), None)

    @property
    def passed_at(self) -> datetime | None:
        """When the last record before the position was published, as far as it was taken here."""
        with self._lock:
            return self._passed_at

    def _complete(self, taken: _Taken) -> None:
        with self._lock:
            taken.is_done = True
            while self._taken and self._taken[0].is_done:
                passed = self._taken.popleft()
                self._position = max(self._position, passed.offset + 1)
                self._passed_at = passed.published_at
