"""A monitored camera that is told what to see, and remembers what it said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from pipeline.clock import ManualClock
from pipeline.contracts.camera import Camera, SamplingLimits
from pipeline.contracts.frame import Frame
from pipeline.contracts.health import HealthChange
from pipeline.contracts.values import Image
from pipeline.ingest.health import HealthMonitor
from pipeline.settings import IngestSettings

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def yard(seed: int = 5) -> Image:
    """A still scene with outlines at every scale, RGB, 320x180."""
    rng = np.random.default_rng(seed)
    picture = np.full((180, 320, 3), 120, np.uint8)
    for _ in range(60):
        x, y, w, h = (int(value) for value in rng.integers((0, 0, 8, 8), (310, 170, 70, 50)))
        grey = int(rng.integers(20, 240))
        cv2.rectangle(picture, (x, y), (x + w, y + h), (grey, grey, grey), -1)
    return picture


def noisy(picture: Image, seed: int, sigma: float = 2.0) -> Image:
    """As a sensor sees it."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape, np.float32)
    return np.asarray(np.clip(picture + sigma * noise, 0, 255), np.uint8)


class WatchedCamera:
    """A camera of one frame a second, its monitor, and a listener that keeps the changes."""

    def __init__(self, **fields: object) -> None:
        given = {"id": "cam", "url": "rtsp://cam", "sampling": SamplingLimits(active_fps=1.0)} | fields
        self.clock = ManualClock(START)
        self.changes: list[HealthChange] = []
        self.monitor = HealthMonitor(Camera.model_validate(given), IngestSettings(), self, self.clock)
        self._sequence = 0

    def changed(self, change: HealthChange) -> None:
        """See `HealthListener`."""
        self.changes.append(change)

    def show(self, picture: Image, captured_at: datetime | None = None) -> None:
        """One frame now, as it is."""
        at = captured_at or self.clock.now()
        self.monitor.frame(Frame("cam", self._sequence, at, float(self._sequence), picture))
        self._sequence += 1

    def watch(self, seconds: int, see: Callable[[int], Image] | None = None) -> None:
        """A frame and a tick each second; the yard where nothing else is said."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.show(see(self._sequence) if see else noisy(yard(), self._sequence))
            self.monitor.tick()

    def lose(self, seconds: int, reason: str = "no answer") -> None:
        """No connection for so long: a try that fails each second."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.monitor.lost(self.clock.now(), reason)

    @property
    def told(self) -> list[str]:
        """`+condition` and `-condition`."""
        return [f"{'+' if change.is_on else '-'}{change.condition}" for change in self.changes]


def seconds(value: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=value)
