"""What every `VideoSource` keeps to, whatever is behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline import jpeg
from pipeline.clock import SystemClock
from pipeline.contracts.frame import EncodedFrame, VideoSource
from pipeline.ingest import SupervisedSource, open_source
from pipeline.settings import IngestSettings
from tests.support.ingest import KeptDecisions, camera, mjpeg_camera, write_noisy_mp4, write_video

SETTINGS = IngestSettings(connect_timeout=5, read_timeout=5)
KINDS = ["avi", "mp4", "synthetic", "masked", "http", "supervised-file", "supervised-http"]
MASK = (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),)

Opener = Callable[[], VideoSource]


@pytest.fixture(params=KINDS)
def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """A function that opens one source of this kind; all of them show at least 20 frames."""
    kind, clock = request.param, SystemClock()
    urls = {
        "avi": lambda: write_video(tmp_path / "clip.avi"),
        "mp4": lambda: write_noisy_mp4(tmp_path / "clip.mp4"),
        "synthetic": lambda: "synthetic:yard?seed=3&seconds=2&fps=10&size=160x90",
        "masked": lambda: write_video(tmp_path / "clip.avi"),
    }
    inner = kind.removeprefix("supervised-").replace("file", "avi")
    with mjpeg_camera() as http_url:
        url = http_url if inner == "http" else urls[inner]()
        looked_at = camera(url, masks=MASK if kind == "masked" else ())

        def open_plain() -> VideoSource:
            return open_source(looked_at, SETTINGS, clock)

        def open_supervised() -> VideoSource:
            return SupervisedSource("cam", open_plain, SETTINGS, clock, KeptDecisions(), is_live=inner == "http")

        yield open_supervised if kind.startswith("supervised") else open_plain


def test_frames_are_rgb_contiguous_and_read_only_or_a_whole_jpeg(open_one: Opener) -> None:
    """Pixels are (H, W, 3) uint8 in one piece, and nobody can write to them; a JPEG is of the size it is said to be."""
    source = open_one()
    frame = source.read()
    source.close()

    assert frame is not None
    assert frame.camera_id == "cam"
    if isinstance(frame, EncodedFrame):
        assert jpeg.decode_frame(frame).shape == (frame.height, frame.width, 3)
        return
    assert frame.pixels.shape == (frame.height, frame.width, 3)
    assert frame.pixels.dtype == "uint8"
    assert frame.pixels.flags["C_CONTIGUOUS"]
    assert not frame.pixels.flags["WRITEABLE"]


def test_sequence_and_time_increase_strictly(open_one: Opener) -> None:
    """Frames are counted from 0 up and captured_at, aware and UTC, never stands still."""
    source = open_one()
    frames = [frame for _ in range(15) if (frame := source.read()) is not None]
    source.close()

    assert len(frames) == 15
    assert all(a.sequence < b.sequence for a, b in pairwise(frames))
    assert all(a.captured_at < b.captured_at for a, b in pairwise(frames))
    assert all(frame.captured_at.utcoffset() is not None for frame in frames)


def test_a_recorded_source_gives_every_frame_and_then_none(open_one: Opener) -> None:
    """What has an end gives as many frames as it promised, without a gap, and None for ever after."""
    source = open_one()
    if source.is_live:
        source.close()
        return
    first = source.read()
    assert first is not None
    numbers = [first.sequence]
    while (frame := source.read()) is not None:
        numbers.append(frame.sequence)

    assert numbers == list(range(source.expected_frames or -1))
    assert source.read() is None
    source.close()


def test_after_close_read_returns_none(open_one: Opener) -> None:
    """Closing is final, and may be done twice."""
    source = open_one()
    source.read()
    source.close()
    source.close()

    assert source.read() is None


def test_close_from_another_thread_ends_reading(open_one: Opener) -> None:
    """A reader in the middle of its work comes back with None when somebody closes the source."""
    source = open_one()
    seen: list[object] = []

    def read_on() -> None:
        while (frame := source.read()) is not None:
            seen.append(frame.sequence)

    reader = threading.Thread(target=read_on)
    reader.start()
    source.close()
    reader.join(10)

    assert not reader.is_alive()
