"""Recorded files: every frame, its time, and what is wrong with a bad one."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from pipeline.clock import ManualClock
from pipeline.contracts.frame import Frame
from pipeline.errors import ConfigError
from pipeline.ingest import Pace, open_source
from pipeline.ingest.file import FileSource
from pipeline.ingest.pace import Playback
from pipeline.settings import IngestSettings
from tests.support.ingest import START, ScriptedCapture, camera, read_all, write_noisy_mp4, write_video

SETTINGS = IngestSettings()


def frames_of(path: Path, pace: Pace | None = None, settings: IngestSettings = SETTINGS) -> list[Frame]:
    pace = pace or Pace(start_at=START)
    return read_all(open_source(camera(path), settings, ManualClock(), pace=pace))


def scripted(pace: Pace, *captures: ScriptedCapture, clock: ManualClock | None = None) -> FileSource:
    waiting = iter(captures)
    return FileSource("clip", lambda: next(waiting), SETTINGS, Playback("cam", pace, clock or ManualClock()))


def offsets(frames: list[Frame]) -> list[float]:
    return [round((frame.captured_at - START).total_seconds(), 6) for frame in frames]


def test_frames_carry_the_containers_time(tmp_path: Path) -> None:
    """captured_at is the start plus the presentation time, and the pictures are the file's."""
    frames = frames_of(write_video(tmp_path / "clip.avi", num_frames=12, fps=8))

    assert offsets(frames) == [index / 8 for index in range(12)]
    assert [frame.pts_seconds for frame in frames] == [index / 8 for index in range(12)]
    levels = [float(frame.pixels.mean()) for frame in frames]
    assert levels == pytest.approx([10 * index for index in range(12)], abs=2)  # JPEG's rounding


def test_a_files_url_works_like_its_path(tmp_path: Path) -> None:
    """`file://` with percent signs means the same file."""
    path = write_video(tmp_path / "a clip: 100%.avi")

    assert len(read_all(open_source(camera(path.as_uri()), SETTINGS, ManualClock()))) == 20
    assert len(frames_of(path)) == 20


def test_a_relative_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named like a scheme is a file when it is there."""
    write_video(tmp_path / "gate:north.avi")
    monkeypatch.chdir(tmp_path)

    assert len(frames_of(Path("gate:north.avi"))) == 20


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    """A red picture has its light in the first channel."""
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    (frame,) = frames_of(tmp_path / "red.avi")

    assert frame.pixels[20, 20, 0] > 200
    assert frame.pixels[20, 20, 2] < 50


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "there is none of that name"),
        ("empty.mp4", b"", "empty file"),
        ("notes.mp4", b"nothing but words\n" * 99, "expected a video that FFmpeg can decode"),
        ("garbage.avi", bytes(range(256)) * 99, "expected a video that FFmpeg can decode"),
    ],
    ids=["missing", "zero bytes", "text", "garbage"],
)
def test_what_is_not_a_video_is_refused_at_opening(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """One clear message with the file's name."""
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigError, match=message) as caught:
        frames_of(tmp_path / name)
    assert name in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder is not a video."""
    with pytest.raises(ConfigError, match="got a folder"):
        frames_of(tmp_path)


def test_a_video_without_one_decodable_frame_is_refused() -> None:
    """A container that opens and holds nothing is refused, and its decoder freed."""
    capture = ScriptedCapture([0.0, 0.1], undecodable=frozenset({0, 1}))

    with pytest.raises(ConfigError, match="not one frame"):
        scripted(Pace(), capture)
    assert capture.is_released


def truncated(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def test_a_truncated_file_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    """Cut at 60 %, it ends early with one warning that names both counts."""
    path = truncated(write_noisy_mp4(tmp_path / "clip.mp4"), 0.6)
    with capture_logs() as logs:
        frames = frames_of(path)

    assert 10 < len(frames) < 40
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["frames"], warning["promised"]) == (len(frames), 40)


def test_the_decoder_is_silent_about_damage(tmp_path: Path) -> None:
    """FFmpeg and OpenCV write nothing of their own; in a process of its own, since they decide at their first use."""
    path = truncated(write_noisy_mp4(tmp_path / "clip.mp4"), 0.6)
    (tmp_path / "notes.mp4").write_text("nothing but words\n" * 99)
    program = (
        "import sys, pathlib, pipeline.errors as e, pipeline.ingest.opencv as o\n"
        "capture = o.open_file(pathlib.Path(sys.argv[1]))\n"
        "while capture.grab(): capture.retrieve(100)\n"
        "try: o.open_file(pathlib.Path(sys.argv[2]))\n"
        "except e.ConfigError: print('refused')\n"
    )
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "notes.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_a_file_without_its_index_is_refused(tmp_path: Path) -> None:
    """An MP4 cut before its index, which stands at the end, cannot be read at all and says so."""
    path = truncated(write_video(tmp_path / "clip.mp4"), 0.5)

    with pytest.raises(ConfigError, match="damaged header"):
        frames_of(path)


def test_frames_that_cannot_be_converted_are_skipped_and_counted() -> None:
    """A broken frame in the middle costs itself alone, and is told."""
    with capture_logs() as logs:
        frames = read_all(scripted(Pace(), ScriptedCapture([0.0, 0.1, 0.2, 0.3], undecodable=frozenset({2}))))

    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [0, 1, 3]
    assert [entry["undecodable"] for entry in logs if entry["log_level"] == "warning"] == [1]


def test_a_picture_of_one_pixel_passes(tmp_path: Path) -> None:
    """The smallest video there is."""
    frames = frames_of(write_video(tmp_path / "dot.avi", num_frames=2, size=(1, 1)))

    assert [frame.pixels.shape for frame in frames] == [(1, 1, 3)] * 2


def test_large_frames_are_scaled_down_and_keep_their_shape(tmp_path: Path) -> None:
    """No side is longer than the limit."""
    path = write_video(tmp_path / "wide.avi", num_frames=2, size=(400, 100))

    assert frames_of(path, settings=IngestSettings(max_side_px=100))[0].pixels.shape == (25, 100, 3)


def test_frames_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    """A file over max_pixels is refused at opening, with its size and the way out."""
    path = write_video(tmp_path / "big.avi", num_frames=2, size=(320, 240))

    with pytest.raises(ConfigError, match=r"320x240.*ingest\.max_pixels"):
        frames_of(path, settings=IngestSettings(max_pixels=1000))


def test_a_change_of_resolution_in_the_middle_is_survived(tmp_path: Path) -> None:
    """All frames come, with the pictures of both halves."""
    path = tmp_path / "change.mjpeg"
    sizes = [(48, 64)] * 10 + [(96, 128)] * 10
    jpegs = [
        cv2.imencode(".jpg", np.full((*size, 3), 10 * index, np.uint8))[1].tobytes() for index, size in enumerate(sizes)
    ]
    path.write_bytes(b"".join(jpegs))
    frames = frames_of(path)

    assert len(frames) == 20
    assert float(frames[-1].pixels.mean()) == pytest.approx(190, abs=2)  # JPEG's rounding


def test_joined_recordings_whose_times_start_again_go_on(tmp_path: Path) -> None:
    """Two transport streams in one file: time goes on over the seam, and one warning says so."""
    parts = []
    for part in ("a.ts", "b.ts"):
        with av.open(str(tmp_path / part), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.max_b_frames = 0
            for index in range(75):
                pixels = np.full((48, 64, 3), index, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        parts.append((tmp_path / part).read_bytes())
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    with capture_logs() as logs:
        times = offsets(frames_of(tmp_path / "joined.ts"))

    assert len(times) >= 149  # FFmpeg may lose the frame at the seam
    assert all(0 < b - a < 0.2 for a, b in pairwise(times))
    assert len([entry for entry in logs if "timestamps" in entry["event"]]) == 1


def test_times_that_go_back_are_mended_and_told_once() -> None:
    """captured_at increases strictly, pts_seconds stays the container's word, one warning is logged."""
    pace = Pace(start_at=START)
    with capture_logs() as logs:
        frames = read_all(scripted(pace, ScriptedCapture([0.0, 0.1, 0.05, 0.3, 0.2, 0.4])))

    assert offsets(frames) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert frames[2].pts_seconds == 0.05
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1


def test_a_loop_begins_again_and_time_goes_on() -> None:
    """Sequence and captured_at go on, pts starts anew, and the decoder is opened afresh."""
    captures = [ScriptedCapture([0.0, 0.1, 0.2]) for _ in range(3)]
    source = scripted(Pace(loop=True, start_at=START), *captures)
    frames = [frame for _ in range(8) if (frame := source.read()) is not None]
    source.close()

    assert source.expected_frames is None
    assert [frame.sequence for frame in frames] == list(range(8))
    assert offsets(frames) == [index / 10 for index in range(8)]
    assert [frame.pts_seconds for frame in frames] == [0.0, 0.1, 0.2, 0.0, 0.1, 0.2, 0.0, 0.1]
    assert all(capture.is_released for capture in captures)


@pytest.mark.parametrize(("speed", "lasts"), [(1.0, 0.4), (4.0, 0.1), (0.0, 0.0)])
def test_the_pace_decides_how_long_a_file_takes(speed: float, lasts: float) -> None:
    """As if live, four times as fast, or without any waiting; captured_at is the same in all."""
    clock = ManualClock()
    source = scripted(Pace(speed, start_at=START), ScriptedCapture([0.0, 0.1, 0.2, 0.4]), clock=clock)
    frames = read_all(source)

    assert offsets(frames) == [0.0, 0.1, 0.2, 0.4]
    assert clock.monotonic() == pytest.approx(lasts)


def test_a_slow_reader_of_a_paced_file_loses_nothing() -> None:
    """Frames that are late come at once, all of them."""
    clock = ManualClock()
    source = scripted(Pace(1.0), ScriptedCapture([index / 10 for index in range(10)]), clock=clock)
    numbers = []
    while (frame := source.read()) is not None:
        numbers.append(frame.sequence)
        clock.advance(0.5)

    assert numbers == list(range(10))


def test_without_a_start_a_file_begins_now(tmp_path: Path) -> None:
    """The first frame is from the moment of opening."""
    clock = ManualClock(START)
    clock.advance(90)
    (first, *_) = read_all(open_source(camera(write_video(tmp_path / "c.avi")), SETTINGS, clock))

    assert first.captured_at == START + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("speed", "start_at"), [(-1.0, None), (1.0, START.replace(tzinfo=None))], ids=["negative", "naive"]
)
def test_an_impossible_pace_is_refused(speed: float, start_at: object) -> None:
    """Time does not run back, and a start needs a time zone."""
    with pytest.raises(ConfigError):
        Pace(speed, start_at=start_at)  # type: ignore[arg-type]


@pytest.mark.shared
def test_a_real_clip_is_read_to_its_last_frame(shared: Path) -> None:
    """All 795 frames of the PETS clip, 0.1 s apart."""
    source = open_source(
        camera(shared / "videos" / "pets09_s2l1_vtest.avi"), SETTINGS, ManualClock(), pace=Pace(start_at=START)
    )
    times = []
    while (frame := source.read()) is not None:
        times.append((frame.captured_at - START).total_seconds())

    assert source.expected_frames == len(times) == 795
    assert times == pytest.approx([index / 10 for index in range(795)])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["intel_store-aisle-detection.gif", "intel_worker-zone-detection.gif"])
def test_animated_gifs_open(shared: Path, name: str) -> None:
    """A GIF is a video: its frames are spread over its four seconds."""
    frames = frames_of(shared / "videos" / name)

    assert len(frames) >= 60
    assert 3.5 < offsets(frames)[-1] < 5


@pytest.mark.shared
def test_a_real_clip_timed_in_decoding_order_is_read_in_order(shared: Path) -> None:
    """Its times go back 263 times; what is told increases, and it lasts as long as the file."""
    times = offsets(frames_of(shared / "videos" / "intel_people-detection.mp4"))

    assert all(a < b for a, b in pairwise(times))
    assert times[-1] == pytest.approx(594 / 12, abs=0.5)
