"""A rendered scene as a `VideoSource`: a file that never was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.contracts.frame import Frame
from pipeline.ingest.pace import Playback

if TYPE_CHECKING:
    from pipeline.scenes import Scene


class SyntheticSource:
    """Frames of a scene at a fixed rate; `scene.render(frame.pts_seconds)` gives the truth of each."""

    is_live = False

    def __init__(self, scene: Scene, fps: float, playback: Playback) -> None:
        self.scene = scene
        self._fps = fps
        self._playback = playback
        self._num_frames = max(int(scene.duration_seconds * fps), 1)
        self._num_read = 0
        self.expected_frames = None if playback.loops else self._num_frames

    def read(self) -> Frame | None:
        """The next frame; None at the end of the scene (never with a looping pace)."""
        if self._playback.closed or (not self._playback.loops and self._num_read >= self._num_frames):
            return None
        pts_seconds = self._num_read % self._num_frames / self._fps
        pixels, _ = self.scene.render(pts_seconds)
        pixels.setflags(write=False)
        frame = self._playback.frame(self._num_read / self._fps, pts_seconds, pixels)
        self._num_read += 1
        return frame

    def close(self) -> None:
        """End any waiting."""
        self._playback.close()
