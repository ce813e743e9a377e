"""The newest picture of each camera: of the run in this process, or from the bus of a cluster."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.console.host import LatestFrame, LiveBox
from pipeline.contracts.observation import Observation, Region
from pipeline.runtime.local.runtime import LocalRuntime

_LITTLE_LATE = timedelta(seconds=1.5)
"""Perception comes after the picture: up to so much later, the picture it saw is shown, so that its boxes fit."""


class RunCameras:
    """`LiveCameras` of a run in this process: what its rings hold already, and what it perceived last."""

    def __init__(self, runtime: LocalRuntime) -> None:
        self._runtime = runtime

    def latest(self, camera_id: str) -> LatestFrame | None:
        """The newest picture; None while there is none."""
        frame = self._runtime.newest_frame(camera_id)
        if frame is None:
            return None
        seen = self._runtime.newest_observation(camera_id)
        if seen is None:
            return LatestFrame(frame.jpeg, frame.captured_at)
        if frame.captured_at - seen.captured_at < _LITTLE_LATE:
            frame = self._runtime.frame_near(camera_id, seen.captured_at) or frame
        boxes = tuple(_box(region, seen) for region in seen.regions)
        return LatestFrame(frame.jpeg, frame.captured_at, boxes, seen.captured_at)

    def taken_at(self, camera_id: str) -> datetime | None:
        """When the newest picture was taken."""
        frame = self._runtime.newest_frame(camera_id)
        return frame.captured_at if frame is not None else None


def _box(region: Region, seen: Observation) -> LiveBox:
    box, width, height = region.box, seen.width, seen.height
    sides = (box.left / width, box.top / height, box.right / width, box.bottom / height)
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in sides)
    return LiveBox(region.label, region.score, region.track_id, (left, top, right, bottom))
