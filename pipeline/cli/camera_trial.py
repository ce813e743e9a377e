"""A trial of one camera: opened as a run opens it, and a few frames read.

In: a camera and settings. Out: what came of each of its addresses, never an exception for what is wrong outside.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.errors import SightlineError
from pipeline.ingest.capture import PictureWish
from pipeline.ingest.source import open_source
from pipeline.settings import IngestSettings
from pipeline.telemetry import hide_credentials

_LOOK_SECONDS = 2.0
"""Long enough to tell 5 frames a second from 10, and for the camera's own clock to be compared."""
_MAX_FRAMES = 100
_EVERY_FRAME_FPS = 60.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one address."""

    camera_id: str
    is_fallback: bool
    problem: str = ""
    """Why it failed, without credentials; empty when it did not."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    """As the frames came; 0 when only one did."""
    first_frame_seconds: float = 0.0
    """From the beginning of the connection."""
    clock_offset_seconds: float | None = None
    """How far the camera's clock is ahead when that is too far to be used; None when it is right or not told."""


def try_camera(camera: Camera, settings: IngestSettings, faces: str) -> list[Trial]:
    """Its address and, where there is one, its fallback. `faces` is the site's `models.faces`."""
    trials = [_try_address(camera, settings, faces, is_fallback=False)]
    if camera.fallback_url is not None:
        spare = camera.model_copy(update={"url": camera.fallback_url})
        trials.append(_try_address(spare, settings, faces, is_fallback=True))
    return trials


def _try_address(camera: Camera, settings: IngestSettings, faces: str, *, is_fallback: bool) -> Trial:
    offsets: list[float | None] = [None]
    every_frame = camera.model_copy(update={"decode": "all"})
    wish = PictureWish(fps=_EVERY_FRAME_FPS, faces=faces)
    started = time.monotonic()
    try:
        source = open_source(
            every_frame, settings, SystemClock(), wish=wish, on_offset=lambda _at, offset: offsets.append(offset)
        )
        try:
            frame = source.read()
            first_frame_seconds = time.monotonic() - started
            moments = _moments(source, frame)
        finally:
            source.close()
    except SightlineError as error:
        return Trial(camera.id, is_fallback, hide_credentials(str(error)))
    if frame is None:
        return Trial(camera.id, is_fallback, "it opened, but no frame came")
    span_seconds = (moments[-1] - moments[0]).total_seconds()
    return Trial(
        camera_id=camera.id,
        is_fallback=is_fallback,
        width=frame.width,
        height=frame.height,
        fps=(len(moments) - 1) / span_seconds if span_seconds > 0 else 0.0,
        first_frame_seconds=first_frame_seconds,
        clock_offset_seconds=offsets[-1],
    )


def _moments(source: VideoSource, first: Frame | EncodedFrame | None) -> list[datetime]:
    """When the frames of the next moments were taken."""
    moments = []
    frame = first
    until = time.monotonic() + _LOOK_SECONDS
    while frame is not None:
        moments.append(frame.captured_at)
        if len(moments) >= _MAX_FRAMES or time.monotonic() >= until:
            break
        frame = source.read()
    return moments
