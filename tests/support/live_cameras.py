"""`LiveCameras` that a test turns by hand: pictures, their ages, and what is found in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.console.host import LatestFrame, LiveBox
from tests.support.reasoning import jpeg


@dataclass
class TurnedCameras:
    """Each camera has a grey picture, another every second of the clock; those in `stuck_since` have had no new one
    since then."""

    now: Callable[[], datetime]
    width: int = 640
    boxes: tuple[LiveBox, ...] = ()
    boxes_behind: timedelta | None = timedelta(0)
    """How much older the picture is in which they were found; None: nobody tells."""
    stuck_since: dict[str, datetime] = field(default_factory=dict)
    num_asked: dict[str, int] = field(default_factory=dict)

    def latest(self, camera_id: str) -> LatestFrame:
        self.num_asked[camera_id] = self.num_asked.get(camera_id, 0) + 1
        at = self.taken_at(camera_id)
        picture = jpeg(self.width, self.width * 9 // 16, 40 + int(at.timestamp()) % 160)
        boxes_at = None if self.boxes_behind is None else at - self.boxes_behind
        return LatestFrame(picture, at, self.boxes, boxes_at)

    def taken_at(self, camera_id: str) -> datetime:
        return self.stuck_since.get(camera_id) or self.now().replace(microsecond=0)
