"""A camera being decoded: always the latest frame, never a queue behind it. Lives in the decoder's process."""

from __future__ import annotations

import threading

from pipeline.clock import Clock
from pipeline.contracts.frame import Frame
from pipeline.errors import SightlineError, TransientError
from pipeline.ingest.capture import LiveCapture
from pipeline.ingest.timing import CaptureClock
from pipeline.settings import IngestSettings

_REPEATED_LATENESS = 1.2
"""A camera whose last frame was so late may be one whose frames are far apart: the next is waited for that much longer
than this one was late."""
_FAREWELL_SECONDS = 0.15
"""How long `close` waits for the grabbing thread to tell the camera goodbye."""


class LiveSource:
    """One opened stream and the thread that keeps up with it.

    The thread decodes what the codec needs, but converts a frame only when a reader waits: `read` answers with the
    first frame that arrives after it was called, so nothing old is ever waiting. The decoder belongs to the thread
    alone. `Frame.sequence` counts the decoded frames that nobody read too.
    """

    is_live = True
    expected_frames: int | None = None

    def __init__(self, camera_id: str, capture: LiveCapture, settings: IngestSettings, clock: Clock) -> None:
        self.offset_seconds: float | None = None
        """How far the camera's clock is ahead while it is too far off to be used."""
        self._camera_id = camera_id
        self._capture = capture
        self._settings = settings
        self._clock = clock
        self._capture_clock = CaptureClock(settings.clock_tolerance)
        self._progress = _Progress()
        self._opened_seconds = clock.monotonic()
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
            self._changed.wait_for(self._has_news, self._patience_seconds())
            frame, self._is_wanted = self._frame, False
            if self._is_closed:
                return None
            if frame is None:
                raise TransientError(self._failure or self._stalled())
            return frame

    def close(self) -> None:
        """End the thread, which frees the decoder."""
        self.interrupt()
        self._thread.join(_FAREWELL_SECONDS)

    def interrupt(self) -> None:
        """From now on `read` gives None; also from a signal's handler."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _ask(self) -> None:
        """Want a frame from now on; one that came after an earlier reader had given up is too old."""
        self._frame, self._is_wanted = None, True

    def _has_news(self) -> bool:
        return self._frame is not None or bool(self._failure) or self._is_closed

    def _patience_seconds(self) -> float:
        """The read timeout, less what the camera has been silent for already: FFmpeg holds a picture back until the
        next one begins, or until it gives up, and gives the last one away then."""
        timeout, late = self._settings.read_timeout, self._progress.late_seconds
        return max(timeout - late, min(timeout, _REPEATED_LATENESS * late))

    def _stalled(self) -> str:
        seconds = self._settings.read_timeout
        if self._progress.is_stuck:
            return f"the stream's time has not advanced for {seconds:g} s: the stream has stalled"
        return f"no new frame for {seconds:g} s: the stream has stalled"

    def _grab_frames(self) -> None:
        sequence = 0
        try:
            while not self._is_closed and not self._failure:
                if not self._capture.grab():
                    self._fail("the stream ended or the connection was lost")
                else:
                    self._arrived(sequence)
                sequence += 1
        except SightlineError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - told by `read`; a thread has nobody else to tell
            self._fail(f"unexpected {type(error).__name__}: {error}")
        finally:
            self._capture.release()

    def _arrived(self, sequence: int) -> None:
        arrived_at, pts_seconds = self._clock.now(), self._capture.pts_seconds
        if not self._progress.is_new(pts_seconds, self._clock.monotonic()):
            return
        dated = self._capture_clock.date(pts_seconds, arrived_at, self._capture.camera_time)
        if not self._is_wanted:
            return
        width, height = self._capture.size
        if width * height > self._settings.max_pixels:
            self._fail(f"frames of {width}x{height} are over ingest.max_pixels ({self._settings.max_pixels})")
            return
        pixels = self._capture.retrieve(self._settings.max_side_px)
        if pixels is None:
            return
        if pts_seconds is None:
            pts_seconds = self._clock.monotonic() - self._opened_seconds
        frame = Frame(self._camera_id, sequence, dated.captured_at, pts_seconds, pixels)
        with self._changed:
            self._frame, self._is_wanted = frame, False
            self.offset_seconds = dated.offset_seconds
            self._changed.notify_all()

    def _fail(self, failure: str) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()


class _Progress:
    """Whether a frame is a new one, by the stream's own time.

    A camera that hangs may repeat its last frame for ever. A stream whose times never advanced from the start has
    none worth the name (webcams), and its frames are taken as they arrive.
    """

    def __init__(self) -> None:
        self._last_seconds: float | None = None
        self._last_arrival_seconds = 0.0
        self._has_advanced = False
        self.is_stuck = False
        self.late_seconds = 0.0
        """How much longer the last frame took to come than its own time says it should have."""

    def is_new(self, pts_seconds: float | None, arrival_seconds: float) -> bool:
        """Of the frame that arrived just now, by a clock that never goes back."""
        last_seconds, waited_seconds = self._last_seconds, arrival_seconds - self._last_arrival_seconds
        is_other = pts_seconds is not None and pts_seconds != last_seconds
        if pts_seconds is not None and is_other:
            self._has_advanced = self._has_advanced or last_seconds is not None
            self._last_seconds, self._last_arrival_seconds = pts_seconds, arrival_seconds
        self.is_stuck = self._has_advanced and not is_other
        self.late_seconds = 0.0
        if pts_seconds is not None and last_seconds is not None and pts_seconds > last_seconds:
            self.late_seconds = max(waited_seconds - (pts_seconds - last_seconds), 0.0)
        return not self.is_stuck
