"""Where camera threads hand sampled frames to the one thread that perceives them.

One bounded queue a camera, taken from in turn, so that a busy camera cannot crowd out a quiet one. Files wait
for room (backpressure); live cameras drop their own oldest frame, and say which.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.incident import Incident
from pipeline.contracts.rule import Rule
from pipeline.sampling.ring import FrameRing
from pipeline.transport.memory import BoundedQueue


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The last item of a camera's reader."""

    camera_id: str
    is_over: bool = False
    """The source ended by itself; else its reader was stopped, or failed."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamBegins:
    """The first item of a camera that is new, or was changed: watched by these rules from here on."""

    camera: Camera
    rules: tuple[Rule, ...]
    ring: FrameRing
    last_alerts: Mapping[tuple[str, str], datetime]
    """See `IncidentStore.last_alerts`."""


@dataclass(frozen=True, slots=True)
class WithdrawAlert:
    """A candidate that was never told turned out rejected: its cooldown is to be given back."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class CameraTrouble:
    """A candidate about the camera itself opened or closed."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A person has judged an incident: its rule learns from it."""

    incident: Incident


Item = SampledFrame | EndOfStream | StreamBegins | WithdrawAlert | CameraTrouble | Reviewed


class FairInbox:
    """Bounded per camera, served round robin. Many threads put, one takes."""

    def __init__(self, camera_ids: tuple[str, ...], capacity_per_camera: int) -> None:
        self._capacity_per_camera = capacity_per_camera
        self._lock = threading.Lock()
        """Guards the set of cameras; each queue guards itself."""
        self._queues: dict[str, BoundedQueue[Item]] = {}
        self._order: deque[str] = deque()
        self._news: deque[Item] = deque()
        self._filled = threading.Event()
        for camera_id in camera_ids:
            self.add(camera_id)

    def add(self, camera_id: str) -> None:
        """Make room for a camera; one that is there keeps its items."""
        with self._lock:
            if camera_id not in self._queues:
                self._queues[camera_id] = BoundedQueue[Item](self._capacity_per_camera)
                self._order.append(camera_id)

    def remove(self, camera_id: str) -> None:
        """Forget a camera, with what is in its queue."""
        with self._lock:
            queue = self._queues.pop(camera_id, None)
            if queue is not None:
                queue.close()
                self._order.remove(camera_id)

    def tell(self, item: Item) -> None:
        """News that take no room and wait for nobody: taken before any frame. Few, by their nature."""
        self._news.append(item)
        self._filled.set()

    def put(self, camera_id: str, item: Item) -> bool:
        """Wait for room, then put; False once the inbox is closed or the camera gone."""
        queue = self._queues.get(camera_id)
        accepted = queue is not None and queue.put(item)
        self._filled.set()
        return accepted

    def put_latest(self, camera_id: str, item: Item) -> Item | None:
        """Put without waiting; gives back the oldest item of this camera when it had to go, or the item itself."""
        queue = self._queues.get(camera_id)
        dropped = item if queue is None else queue.put_latest(item)
        self._filled.set()
        return dropped

    def take(self, max_items: int, timeout_seconds: float) -> list[Item]:
        """News, then up to `max_items`, a frame of each camera in turn; [] after `timeout_seconds` without any."""
        items = self._take_in_turn(max_items)
        if not items and self._filled.wait(timeout_seconds):
            items = self._take_in_turn(max_items)
        return items

    def close(self) -> None:
        """Refuse further items and release whoever waits to put."""
        with self._lock:
            for queue in self._queues.values():
                queue.close()
        self._filled.set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._news) + sum(len(queue) for queue in self._queues.values())

    def _take_in_turn(self, max_items: int) -> list[Item]:
        self._filled.clear()
        items = [self._news.popleft() for _ in range(len(self._news))]
        num_empty = 0
        with self._lock:
            while len(items) < max_items and num_empty < len(self._order):
                self._order.rotate(-1)
                taken = self._queues[self._order[-1]].take(1, 0.0)
                items += taken
                num_empty = 0 if taken else num_empty + 1
        if len(self):
            self._filled.set()
        return items
