"""How often a camera's frames come, by this machine's clock and by their own: a file read slowly is not slow."""

from __future__ import annotations

from datetime import datetime

from pipeline.contracts.camera import Camera
from pipeline.contracts.health import Condition
from pipeline.ingest.health.pictures import Verdict

_WINDOW_SECONDS = 10.0
_SHARE = 0.5
"""Of the rate that is needed: jitter and a lost frame or two are no news."""


class Pace:
    """Judges windows of 10 s, or longer where not even one frame comes in 10 s; silence itself is not judged here.

    Needed is `sampling.active_fps`, or `sampling.idle_fps` of a camera of which only key frames are wanted.
    """

    def __init__(self, camera: Camera) -> None:
        sampling = camera.sampling
        needed_fps = sampling.idle_fps if camera.decode == "keyframes" else sampling.active_fps
        self._least_fps = _SHARE * needed_fps
        self._verdict = Verdict(Condition.LOW_FPS, None)
        self._from: tuple[float, datetime] | None = None
        self._num_frames = 0

    @property
    def verdict(self) -> Verdict:
        """Of the last whole window."""
        return self._verdict

    def restart(self) -> None:
        """What is between two connections does not count."""
        self._from, self._verdict = None, Verdict(Condition.LOW_FPS, None)

    def arrived(self, host_seconds: float, captured_at: datetime) -> None:
        """A frame came."""
        if self._from is None:
            self._from, self._num_frames = (host_seconds, captured_at), 0
            return
        self._num_frames += 1
        on_host = host_seconds - self._from[0]
        if on_host < _WINDOW_SECONDS:
            return
        in_stream = (captured_at - self._from[1]).total_seconds()
        fps = max(self._num_frames / on_host, self._num_frames / in_stream if in_stream > 0 else 0.0)
        detail = f"{fps:.2g} frames a second, at least {self._least_fps:.2g} are needed"
        self._verdict = Verdict(Condition.LOW_FPS, fps < self._least_fps, detail, fps, self._least_fps)
        self._from, self._num_frames = (host_seconds, captured_at), 0
