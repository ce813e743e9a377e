"""Live sources: latest first, stalls noticed, damage reported."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.clock import ManualClock, SystemClock
from pipeline.contracts.frame import VideoSource
from pipeline.errors import TransientError
from pipeline.ingest import open_source
from pipeline.ingest.live import LiveSource
from pipeline.settings import IngestSettings
from tests.support.ingest import START, ScriptedCapture, camera, mjpeg_camera, wait_for

ENDLESS = range(10**9)
"""Presentation times of a camera that never stops."""
PATIENT = IngestSettings(connect_timeout=5, read_timeout=5)


def live(capture: ScriptedCapture, settings: IngestSettings = PATIENT, clock: ManualClock | None = None) -> LiveSource:
    return LiveSource("cam", capture, settings, clock or ManualClock(START))


def read_on(source: VideoSource) -> None:
    while source.read() is not None:
        pass


def test_a_slow_reader_gets_the_latest_frame_and_sees_how_many_it_missed() -> None:
    """Frames that nobody waits for are skipped, not queued; their numbers are missing from the sequence."""
    capture = ScriptedCapture(ENDLESS)
    source = live(capture)
    first = source.read()
    assert first is not None
    assert wait_for(lambda: capture.index > first.sequence + 100)
    skipped_to = capture.index
    second = source.read()
    source.close()

    assert second is not None
    assert second.sequence >= skipped_to


def test_a_frame_without_a_time_is_from_when_it_came() -> None:
    """Where neither stream nor camera say better; its presentation time counts from the opening."""
    gate = threading.Event()
    source = live(ScriptedCapture([None] * 10**6, gate=gate), clock=ManualClock(START))
    gate.set()
    frame = source.read()
    source.close()

    assert frame is not None
    assert abs((frame.captured_at - START).total_seconds()) < 0.01  # no two frames have the same time
    assert frame.pts_seconds == 0.0


def test_a_stream_that_falls_silent_is_a_transient_error() -> None:
    """The connection stays open and no frame comes: after the read timeout that is a failure."""
    with mjpeg_camera(stall_after=4) as url:
        source = open_source(camera(url), IngestSettings(connect_timeout=5, read_timeout=0.6), SystemClock())
        with pytest.raises(TransientError, match=r"no new frame|connection was lost"):
            read_on(source)
        source.close()


@pytest.mark.parametrize("frozen", [7.0, None], ids=["equal", "missing"])
def test_times_that_no_longer_advance_are_a_stall(frozen: float | None) -> None:
    """Frames keep coming, each with the time of the last one or none: after the read timeout that is a failure."""
    times = [5.0, 6.0, 7.0, *[frozen] * 10**6]
    source = live(ScriptedCapture(times, fps=200), IngestSettings(read_timeout=0.3))
    with pytest.raises(TransientError, match=r"time has not advanced for 0\.3 s"):
        read_on(source)
    source.close()


def test_a_stream_that_never_had_times_is_taken_as_it_comes() -> None:
    """A webcam without any: frames all the same."""
    source = live(ScriptedCapture([0.0] * 10**6))

    assert all(source.read() is not None for _ in range(3))
    source.close()


def test_a_stream_that_ends_is_a_transient_error_and_frees_the_decoder() -> None:
    """A live camera never ends by itself, so its end is a lost connection."""
    capture = ScriptedCapture([])
    source = live(capture)

    with pytest.raises(TransientError, match="connection was lost"):
        source.read()
    assert wait_for(lambda: capture.is_released)
    source.close()


def test_frames_beyond_the_limit_are_a_transient_error() -> None:
    """A camera set to more pixels than allowed is refused until somebody changes it."""
    source = live(ScriptedCapture(ENDLESS, size=(100, 100)), IngestSettings(max_pixels=99))

    with pytest.raises(TransientError, match=r"100x100.*max_pixels"):
        source.read()
    source.close()


def test_closing_ends_a_reader_that_waits_for_a_stalled_stream() -> None:
    """close from another thread brings the reader back at once, long before the read timeout."""
    gate = threading.Event()
    source = live(ScriptedCapture([0.0, 0.1], gate=gate), IngestSettings(read_timeout=60))
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.extend((source.read(), source.read())))
    reader.start()
    source.close()
    reader.join(10)
    gate.set()

    assert not reader.is_alive()
    assert answers[-1] is None


@pytest.mark.parametrize(
    "url", ["rtsp://guard:hunter2@127.0.0.1:9/stream", "http://guard:hunter2@127.0.0.1:9/video"], ids=["rtsp", "http"]
)
def test_a_camera_that_does_not_answer_is_a_transient_error_without_its_password(url: str) -> None:
    """It may answer later; the message names the address and hides the credentials."""
    with pytest.raises(TransientError) as caught:
        open_source(camera(url), PATIENT, SystemClock())
    assert "127.0.0.1:9" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_webcam_that_is_not_there_is_a_transient_error() -> None:
    """It may be plugged in later."""
    with pytest.raises(TransientError, match="usb:63"):
        open_source(camera("usb:63"), PATIENT, SystemClock())


class SilentAfterAwhile(ScriptedCapture):
    """Three frames; a fourth of the same moment two seconds later, as FFmpeg gives it; then nothing."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__([0.0, 0.1, 0.2, 0.3])
        self.gives_up = threading.Event()
        self.is_over = threading.Event()
        self._clock = clock

    def grab(self) -> bool:
        if self.index == 2:
            self.gives_up.wait(10)
            self._clock.advance(2.0)
        if self.index == 3:
            self.is_over.wait(10)
        return super().grab()


def test_a_picture_that_was_held_back_does_not_buy_a_silent_camera_time() -> None:
    """It is dated from when it was taken, and the silence counts from there, but for a least patience."""
    clock = ManualClock(START)
    capture = SilentAfterAwhile(clock)
    source = live(capture, IngestSettings(read_timeout=5.0), clock)
    later = threading.Timer(0.2, capture.gives_up.set)
    later.start()
    held_back = source.read()
    while held_back is not None and held_back.sequence < 3:
        held_back = source.read()
    began = time.monotonic()
    with pytest.raises(TransientError, match="no new frame"):
        source.read()
    waited_seconds = time.monotonic() - began
    capture.is_over.set()
    later.join()
    source.close()

    assert held_back is not None
    assert (held_back.captured_at - START).total_seconds() < 1.5
    assert 3.0 < waited_seconds < 4.9  # the timeout of 5 s, less the silence there was before
