"""Where camera threads hand sampled frames to the one thread that perceives them.

One bounded queue a camera, taken from in turn, so that a busy camera cannot crowd out a quiet one. Files wait
for room (backpressure); live cameras drop their own oldest frame, and say which.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import SampledFrame
from pipeline.transport.memory import BoundedQueue


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The last item a camera puts."""

    camera_id: str


@dataclass(frozen=True, slots=True)
class WithdrawAlert:
    """A candidate that was never told turned out rejected: its cooldown is to be given back."""

    candidate: Candidate


Item = SampledFrame | EndOfStream | WithdrawAlert


class FairInbox:
    """Bounded per camera, served round robin. Many threads put, one takes."""

    def __init__(self, camera_ids: tuple[str, ...], capacity_per_camera: int) -> None:
        self._queues: dict[str, BoundedQueue[Item]] = {
            camera_id: BoundedQueue[Item](capacity_per_camera) for camera_id in camera_ids
        }
        self._order = list(camera_ids)
        self._filled = threading.Event()

    def put(self, camera_id: str, item: Item) -> bool:
        """Wait for room, then put; False once the inbox is closed."""
        accepted = self._queues[camera_id].put(item)
        self._filled.set()
        return accepted

    def put_latest(self, camera_id: str, item: Item) -> Item | None:
        """Put without waiting; gives back the oldest item of this camera when it had to go."""
        dropped = self._queues[camera_id].put_latest(item)
        self._filled.set()
        return dropped

    def take(self, max_items: int, timeout_seconds: float) -> list[Item]:
        """Up to `max_items`, a frame of each camera in turn; [] after `timeout_seconds` without any."""
        items = self._take_in_turn(max_items)
        if not items and self._filled.wait(timeout_seconds):
            items = self._take_in_turn(max_items)
        return items

    def close(self) -> None:
        """Refuse further items and release whoever waits to put."""
        for queue in self._queues.values():
            queue.close()
        self._filled.set()

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def _take_in_turn(self, max_items: int) -> list[Item]:
        self._filled.clear()
        items: list[Item] = []
        empty = 0
        while len(items) < max_items and empty < len(self._order):
            camera_id = self._order.pop(0)
            self._order.append(camera_id)
            taken = self._queues[camera_id].take(1, 0.0)
            items += taken
            empty = 0 if taken else empty + 1
        if len(self):
            self._filled.set()
        return items
