"""Against a real RTSP server: the latest frame, outages, stalls and refusals, and nobody waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from structlog.testing import capture_logs

from pipeline import jpeg
from pipeline.clock import SystemClock
from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.errors import TransientError
from pipeline.ingest import open_source, open_supervised
from pipeline.settings import IngestSettings
from tests.support.ingest import KeptDecisions, KeptStream, camera, wait_for
from tests.support.rtsp_camera import RtspCamera, write_h264

pytestmark = pytest.mark.rtsp

FPS = 10
SETTINGS = IngestSettings(connect_timeout=10, read_timeout=10, retry_from=0.2, retry_to=0.4)
IMPATIENT = IngestSettings(connect_timeout=1, read_timeout=1, retry_from=0.2, retry_to=0.4)

Cameras = Callable[..., RtspCamera]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three seconds of a bar that moves to the right."""
    pictures = np.full((3 * FPS, 180, 320, 3), 60, np.uint8)
    for index, picture in enumerate(pictures):
        picture[:, 10 * index : 10 * index + 20] = (200, 40, 40)
    return write_h264(tmp_path / "clip.mp4", pictures, FPS, (320, 180))


class Reader:
    """Somebody who reads a supervised camera all the time."""

    def __init__(self, url: str, settings: IngestSettings = SETTINGS) -> None:
        self.decisions = KeptDecisions()
        self.frames: list[Frame | EncodedFrame] = []
        self._source = open_supervised(camera(url), settings, SystemClock(), self.decisions)
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        while (frame := self._source.read()) is not None:
            self.frames.append(frame)

    def gets(self, num_frames: int) -> bool:
        """Whether so many more frames come."""
        enough = len(self.frames) + num_frames
        return wait_for(lambda: len(self.frames) >= enough, 20)

    def hears(self, reason: str, times: int = 1) -> bool:
        """Whether this decision comes so many times more."""
        enough = self.reasons.count(reason) + times
        return wait_for(lambda: self.reasons.count(reason) >= enough, 20)

    @property
    def reasons(self) -> list[str]:
        return [decision.reason for decision in self.decisions.decisions]

    @property
    def states(self) -> list[str]:
        """The reasons, repetitions once."""
        return [reason for reason, _ in groupby(self.reasons)]


def test_a_served_clip_is_read_over_tcp(rtsp_camera: Cameras, clip: Path) -> None:
    """Frames of the right size and colours, each said to be from about now."""
    before = datetime.now(UTC)
    source = open_source(camera(rtsp_camera(clip).url()), SETTINGS, SystemClock())
    frames = [frame for _ in range(12) if (frame := source.read()) is not None]
    source.close()

    assert source.is_live
    assert len(frames) == 12
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
    assert all(before <= frame.captured_at <= datetime.now(UTC) for frame in frames)
    reddest = jpeg.pixels_of(frames[-1]).astype(int).reshape(-1, 3).max(0)
    assert reddest[0] > 150 > reddest[1]


def test_a_slow_reader_stays_at_the_present(rtsp_camera: Cameras, clip: Path) -> None:
    """Reading one frame in ten leaves gaps in the sequence, and the frames do not fall behind the camera."""
    source = open_source(camera(rtsp_camera(clip).url()), SETTINGS, SystemClock())
    frames = []
    for _ in range(5):
        frame = source.read()
        assert frame is not None
        frames.append(frame)
        time.sleep(0.8)
    source.close()

    first, last = frames[0], frames[-1]
    behind = (last.captured_at - first.captured_at).total_seconds() - (last.pts_seconds - first.pts_seconds)
    assert last.sequence - first.sequence >= 16  # a reader of every frame would be at 4
    assert behind < 1.0  # and 2.8 s behind


def test_a_killed_camera_comes_back_by_itself(rtsp_camera: Cameras, clip: Path) -> None:
    """Frames go on with growing numbers; decisions and log tell the outage, the log once a state."""
    device = rtsp_camera(clip)
    with capture_logs() as logs, Reader(device.url()) as reader:
        assert reader.gets(5)
        device.kill()
        assert reader.hears("offline", times=5)
        device.start()
        assert reader.hears("connected")
        assert reader.gets(5)

    numbers = [frame.sequence for frame in reader.frames]
    assert reader.states == ["connected", "offline", "connected"]
    assert [entry["event"] for entry in logs] == [
        "camera connected",
        "camera offline, retrying until it answers",
        "camera connected",
    ]
    assert numbers == sorted(set(numbers))


def test_a_camera_that_freezes_is_left_and_found_again(rtsp_camera: Cameras, clip: Path) -> None:
    """It keeps its connections and says nothing: that is an outage too, and so is not answering new ones."""
    device = rtsp_camera(clip)
    with Reader(device.url(), IMPATIENT) as reader:
        assert reader.gets(5)
        device.freeze()
        assert reader.hears("offline", times=2)
        device.thaw()
        assert reader.hears("connected")

    details = [decision.detail for decision in reader.decisions.decisions if not decision.passed]
    assert reader.states == ["connected", "offline", "connected"]
    assert "no answer within 1 s" in details[1]


def test_a_refused_password_is_said_once_and_troubles_nobody_else(rtsp_camera: Cameras, clip: Path) -> None:
    """The message says what is wrong without the credentials; retries go on; the other camera has no outage."""
    device = rtsp_camera(clip, "guard", "hunter2")
    with capture_logs() as logs, Reader(device.url()) as other, Reader(device.url("guard:letmein")) as refused:
        assert other.gets(3)
        assert refused.hears("offline", times=3)
        assert other.gets(3)

    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "refuses this user name or password" in warnings[0]["reason"]
    said = repr((logs, refused.decisions.decisions))
    assert not any(word in said for word in ("guard", "hunter2", "letmein"))
    assert (other.states, refused.states) == (["connected"], ["offline"])


def test_a_camera_that_does_not_answer_holds_up_no_other(rtsp_camera: Cameras, clip: Path) -> None:
    """While one is being waited for, another is opened and gives frames."""
    dead, alive = rtsp_camera(clip), rtsp_camera(clip)
    dead.freeze()
    ended = threading.Event()

    def wait_for_the_dead() -> None:
        with pytest.raises(TransientError):
            open_source(camera(dead.url()), IngestSettings(connect_timeout=60), SystemClock())
        ended.set()

    waiting = threading.Thread(target=wait_for_the_dead)
    waiting.start()
    source = open_source(camera(alive.url()), SETTINGS, SystemClock())
    frame, is_still_waiting = source.read(), not ended.is_set()
    source.close()
    dead.kill()
    waiting.join(20)

    assert frame is not None
    assert is_still_waiting
    assert ended.is_set()


def test_a_wrong_path_is_said_as_such(rtsp_camera: Cameras, clip: Path) -> None:
    """The server's own word is passed on."""
    with pytest.raises(TransientError, match="404"):
        open_source(camera(rtsp_camera(clip).url().replace("stream", "other")), SETTINGS, SystemClock())


def test_a_camera_that_changes_its_resolution_goes_on(rtsp_camera: Cameras, clip: Path, tmp_path: Path) -> None:
    """In the same stream, without an outage: frames of the new size follow."""
    wide = np.full((2 * FPS, 360, 640, 3), 90, np.uint8)
    device = rtsp_camera(clip, others={"wide": write_h264(tmp_path / "wide.mp4", wide, FPS, (640, 360))})
    with Reader(device.url()) as reader:
        assert reader.gets(5)
        device.show("wide")
        assert wait_for(lambda: (reader.frames[-1].width, reader.frames[-1].height) == (640, 360), 20)

    assert {(frame.width, frame.height) for frame in reader.frames} == {(320, 180), (640, 360)}
    assert reader.states == ["connected"]


def test_the_cameras_own_clock_dates_its_frames(rtsp_camera: Cameras, clip: Path) -> None:
    """RTCP's sender reports reach the packets: the camera, which is on this machine, agrees with its clock."""
    settings = SETTINGS.model_copy(update={"clock_tolerance": 0.000_001})  # so that any clock at all is told as off
    heard = KeptStream()
    source = open_supervised(camera(rtsp_camera(clip).url()), settings, SystemClock(), KeptDecisions(), listener=heard)
    while not any(heard.offsets):
        assert source.read() is not None
    source.close()

    before, offset = heard.offsets[:2]
    assert before is None  # no report yet
    assert offset is not None
    assert abs(offset) < 2.0  # the time on the way, on a busy machine


@pytest.mark.parametrize("bf", ["0", "2"], ids=["no B-frames", "B-frames"])
def test_key_frames_alone_come_as_soon_as_they_are_sent(rtsp_camera: Cameras, tmp_path: Path, bf: str) -> None:
    """One a second, each dated within a second of its arrival, not two key frames later."""
    path = tmp_path / "keys.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=FPS, options={"g": str(FPS), "bf": bf, "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for index in range(6 * FPS):
            pixels = np.full((90, 160, 3), 2 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    looked_at = camera(rtsp_camera(path).url(), decode="keyframes")
    source = open_source(looked_at, SETTINGS, SystemClock())
    frames = [frame for _ in range(3) if (frame := source.read()) is not None]
    source.close()

    steps = [after.pts_seconds - before.pts_seconds for before, after in pairwise(frames)]
    levels = [round(float(jpeg.pixels_of(frame).mean())) % (2 * FPS) for frame in frames]
    assert steps == pytest.approx([1.0, 1.0], abs=0.05)
    assert all(min(level, 2 * FPS - level) <= 3 for level in levels)  # of the first picture of a group
