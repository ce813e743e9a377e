"""A live camera as a `VideoSource`: always the latest frame, never a queue behind it."""

from __future__ import annotations

import threading

from pipeline.clock import Clock
from pipeline.contracts.frame import Frame
from pipeline.errors import TransientError
from pipeline.ingest.capture import Capture
from pipeline.settings import IngestSettings

_FAREWELL_SECONDS = 0.25
"""How long `close` waits for the grabbing thread; a stalled decoder frees itself at its own timeout."""


class LiveSource:
    """One opened stream and the thread that keeps up with it.

    The thread decodes every frame, as the codecs need, but converts one only when a reader waits: `read`
    answers with the first frame that arrives after it was called, so nothing old is ever waiting. The decoder
    belongs to the thread alone. `Frame.sequence` counts the skipped frames too.
    """

    is_live = True
    expected_frames: int | None = None

    def __init__(self, camera_id: str, capture: Capture, settings: IngestSettings, clock: Clock) -> None:
        self._camera_id = camera_id
        self._capture = capture
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_closed = False
        self._frame: Frame | None = None
        self._failure = ""
        self._thread = threading.Thread(target=self._grab_frames, name=f"grab-{camera_id}", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The next frame to arrive; `TransientError` when none does for the read timeout."""
        with self._changed:
            self._ask()
            self._changed.wait_for(self._has_news, self._settings.read_timeout)
            frame, self._is_wanted = self._frame, False
            if self._is_closed:
                return None
            if frame is None:
                timeout = self._settings.read_timeout
                raise TransientError(self._failure or f"no new frame for {timeout:g} s: the stream has stalled")
            return frame

    def close(self) -> None:
        """End the thread, which frees the decoder."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(_FAREWELL_SECONDS)

    def _ask(self) -> None:
        """Want a frame from now on; one that came after an earlier reader had given up is too old."""
        self._frame, self._is_wanted = None, True

    def _has_news(self) -> bool:
        return self._frame is not None or bool(self._failure) or self._is_closed

    def _grab_frames(self) -> None:
        sequence = 0
        try:
            while not self._is_closed and not self._failure:
                if not self._capture.grab():
                    self._fail("the stream ended or the connection was lost")
                elif self._is_wanted:
                    self._offer(sequence)
                sequence += 1
        finally:
            self._capture.release()

    def _offer(self, sequence: int) -> None:
        captured_at = self._clock.now()
        width, height = self._capture.size
        if width * height > self._settings.max_pixels:
            self._fail(f"frames of {width}x{height} are over ingest.max_pixels ({self._settings.max_pixels})")
            return
        pixels = self._capture.retrieve(self._settings.max_side_px)
        if pixels is None:
            return
        frame = Frame(self._camera_id, sequence, captured_at, self._capture.pts_seconds, pixels)
        with self._changed:
            self._frame, self._is_wanted = frame, False
            self._changed.notify_all()

    def _fail(self, failure: str) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
