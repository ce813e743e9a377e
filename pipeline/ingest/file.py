"""A recorded file as a `VideoSource`: every frame, in order, timed by the container."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from pipeline.contracts.frame import Frame
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError
from pipeline.ingest.capture import Recording
from pipeline.ingest.pace import Playback
from pipeline.ingest.timeline import Timeline
from pipeline.settings import IngestSettings

log = structlog.get_logger()

_WHOLE = 0.98
"""Share of the promised frames under which a file counts as cut short: containers' counts are estimates
(594 of 596 come from an undamaged clip)."""


class FileSource:
    """Reads one file. Opening decodes the first frame, so a file that cannot work is refused at once."""

    is_live = False

    def __init__(
        self, name: str, open_capture: Callable[[], Recording], settings: IngestSettings, playback: Playback
    ) -> None:
        self._name = name
        self._open_capture = open_capture
        self._settings = settings
        self._playback = playback
        self._lock = threading.Lock()
        self._open()
        self._timeline = Timeline(self._capture.fps)
        self._promised = self._capture.num_frames
        self.expected_frames = None if playback.loops else self._promised

    def read(self) -> Frame | None:
        """The next frame; None at the end (never with a looping pace)."""
        with self._lock:
            picture = self._next_picture()
            if picture is None:
                return None
            pts_seconds = self._capture.pts_seconds
            at_seconds = self._place(pts_seconds)
        return self._playback.frame(at_seconds, pts_seconds, picture)

    def close(self) -> None:
        """Free the decoder; waits for a frame that is being decoded."""
        self._playback.close()
        with self._lock:
            self._capture.release()

    def _open(self) -> None:
        """Begin at the first frame that can be decoded, which is kept for the next read."""
        self._capture = self._open_capture()
        self._num_read = 0
        self._num_undecodable = 0
        self._has_ended = False
        try:
            self._first = self._decode()
        except ConfigError:
            self._capture.release()
            raise
        if self._first is None:
            self._capture.release()
            raise ConfigError(
                f"{self._name}: expected a video, but not one frame of it can be decoded; "
                "convert it to H.264 in MP4 or record it again"
            )

    def _next_picture(self) -> Image | None:
        if self._playback.closed or self._has_ended:
            return None
        picture = self._take_first()
        if picture is None:
            picture = self._decode()
        if picture is None:
            self._tell_end()
            self._has_ended = not self._playback.loops
            picture = None if self._has_ended else self._begin_again()
        self._num_read += picture is not None
        return picture

    def _take_first(self) -> Image | None:
        picture, self._first = self._first, None
        return picture

    def _begin_again(self) -> Image | None:
        self._capture.release()
        self._open()
        self._timeline.start_again()
        return self._take_first()

    def _decode(self) -> Image | None:
        while self._capture.grab():
            self._check_size()
            picture = self._capture.retrieve(self._settings.max_side_px)
            if picture is not None:
                return picture
            self._num_undecodable += 1
        return None

    def _check_size(self) -> None:
        width, height = self._capture.size
        if width * height > self._settings.max_pixels:
            raise ConfigError(
                f"{self._name}: expected frames of at most {self._settings.max_pixels} pixels, got {width}x{height}; "
                "scale the video down or raise ingest.max_pixels"
            )

    def _place(self, pts_seconds: float) -> float:
        mended_before = self._timeline.num_mended
        at_seconds = self._timeline.place(pts_seconds)
        if mended_before == 0 and self._timeline.num_mended:
            log.warning(
                "timestamps of the file do not increase; frames keep their order and the file's frame rate",
                file=self._name,
                pts_seconds=round(pts_seconds, 3),
                at_seconds=round(at_seconds, 3),
            )
        return at_seconds

    def _tell_end(self) -> None:
        if self._num_undecodable or self._num_read < _WHOLE * (self._promised or 0):
            log.warning(
                "the file ended early or is damaged: fewer frames came than it promised",
                file=self._name,
                frames=self._num_read,
                promised=self._promised,
                undecodable=self._num_undecodable,
            )
        log.debug("end of file", file=self._name, frames=self._num_read, timestamps_mended=self._timeline.num_mended)
