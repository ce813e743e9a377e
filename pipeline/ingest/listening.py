"""Who hears nothing, and what a file tells."""

from __future__ import annotations

from datetime import datetime

from pipeline.contracts.frame import EncodedFrame, Frame, VideoSource
from pipeline.contracts.health import StreamListener


class NobodyListens:
    """A `StreamListener` that forgets."""

    def connected(self, at: datetime) -> None:
        """Forget."""

    def lost(self, at: datetime, reason: str) -> None:
        """Forget."""

    def frame(self, frame: Frame | EncodedFrame) -> None:
        """Forget."""

    def clock_off(self, at: datetime, offset_seconds: float | None) -> None:
        """Forget."""


class HeardSource:
    """A file or scene whose frames a listener hears: connected with the first one, never lost."""

    def __init__(self, source: VideoSource, listener: StreamListener) -> None:
        self._source = source
        self._listener = listener
        self._is_connected = False
        self.is_live = source.is_live
        self.expected_frames = source.expected_frames

    def read(self) -> Frame | EncodedFrame | None:
        """The inner source's next frame, told before it is handed on."""
        frame = self._source.read()
        if frame is None:
            return None
        if not self._is_connected:
            self._is_connected = True
            self._listener.connected(frame.captured_at)
        self._listener.frame(frame)
        return frame

    def close(self) -> None:
        """Close the inner source."""
        self._source.close()
