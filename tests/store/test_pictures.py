"""Annotated pictures and clips."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.candidate import SeenRegion
from pipeline.contracts.forecast import Ahead, Course
from pipeline.contracts.frame import EncodedFrame
from pipeline.errors import InvalidMessage
from pipeline.store.pictures import annotate, encode_clip

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
ZONES = {"fence": ((0.1, 0.4), (0.9, 0.4), (0.9, 0.6), (0.1, 0.6))}
LINES = {"kerb": ((0.0, 0.8), (1.0, 0.8))}
PERSON = SeenRegion(box=(200, 100, 260, 220), label="person", score=0.9, track_id=7)


def jpeg(width: int = 640, height: int = 480, grey: int = 90) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), grey, np.uint8))[1].tobytes()


def decoded(data: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8)


def frame(at_seconds: float, data: bytes | None = None) -> EncodedFrame:
    data = jpeg() if data is None else data
    return EncodedFrame("gate", 0, START + timedelta(seconds=at_seconds), at_seconds, 640, 480, data)


def played(clip: bytes) -> tuple[list[float], list[NDArray[np.uint8]], float]:
    """Times in seconds, pictures, and the length in seconds of an MP4."""
    with av.open(io.BytesIO(clip)) as container:
        frames = list(container.decode(video=0))
        times = [round(float(f.pts * f.time_base), 3) for f in frames]
        return times, [f.to_ndarray(format="bgr24") for f in frames], container.duration / av.time_base


def test_a_region_is_drawn_where_it_was_seen() -> None:
    """Colour appears around the box and nowhere in its middle, nor far from it."""
    picture = decoded(annotate(jpeg(), [PERSON], {}, {}, ""))
    assert np.ptp(picture[95:105, 195:205]) > 60
    assert np.ptp(picture[140:180, 220:240]) < 12
    assert np.ptp(picture[300:440, 320:600]) < 12


def test_a_zone_and_a_line_are_drawn_where_they_are() -> None:
    """Their edges stand at their fractions of the picture."""
    picture = decoded(annotate(jpeg(), [], ZONES, LINES, ""))
    assert np.ptp(picture[186:198, 300:500]) > 60
    assert np.ptp(picture[378:390, 300:500]) > 60


def test_the_caption_stands_beneath_and_hides_nothing() -> None:
    """The picture keeps its height; the words come on a bar of their own, in as many lines as they need."""
    short = decoded(annotate(jpeg(), [], {}, {}, "gate-north  climb-fence"))
    long = decoded(annotate(jpeg(), [], {}, {}, "jemand überklettert den Zaun " * 8))
    assert np.ptp(short[:478]) < 12
    assert np.ptp(short[484:]) > 150
    assert long.shape[0] > short.shape[0] > 480


@pytest.mark.parametrize(
    ("size", "expected_width"),
    [((1, 1), 640), ((320, 240), 640), ((1280, 720), 1280), ((7680, 4320), 1920), ((1, 3000), 320)],
    ids=["1x1", "small", "ordinary", "8K", "a single column"],
)
def test_any_size_comes_out_readable(size: tuple[int, int], expected_width: int) -> None:
    """Small pictures are enlarged, large ones reduced, and all carry their caption."""
    picture = decoded(annotate(jpeg(*size), [PERSON], ZONES, LINES, "gate-north  climb-fence  22:00:00"))
    assert picture.shape[1] == expected_width
    assert np.ptp(picture[-20:]) > 150


@pytest.mark.parametrize(
    "region",
    [
        PERSON.model_copy(update={"box": (-50.0, -50.0, 9000.0, 9000.0)}),
        PERSON.model_copy(update={"box": (math.nan, math.inf, -math.inf, 5.0)}),
        PERSON.model_copy(update={"box": (30.0, 30.0, 30.0, 30.0)}),
        PERSON.model_copy(update={"label": "ü栅栏" * 100, "track_id": None}),
        PERSON.model_copy(update={"label": "", "track_id": 10**12}),
    ],
    ids=["outside", "no numbers", "empty", "long label", "no label"],
)
def test_odd_regions_do_not_cost_the_picture(region: SeenRegion) -> None:
    """Whatever a detector said, there is a picture."""
    assert decoded(annotate(jpeg(), [region], {}, {}, "caption")).shape[1] == 640


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg()[:20]], ids=["empty", "text", "header only"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """An unreadable picture is set aside with a clear word."""
    with pytest.raises(InvalidMessage, match="expected a JPEG picture"):
        annotate(data, [], {}, {}, "")


def test_a_clip_plays_at_the_times_frames_were_taken() -> None:
    """Irregular times, and frames out of order, are shown when they happened; the last stays 1 / fps."""
    frames = [frame(0.0), frame(1.25), frame(0.2), frame(2.0)]
    times, pictures, length = played(encode_clip(frames, fps=5))
    assert times == [0.0, 0.2, 1.25, 2.0]
    assert length == pytest.approx(2.2, abs=0.02)
    assert pictures[0].shape == (480, 640, 3)


def test_browsers_can_play_a_clip_while_it_loads() -> None:
    """H.264, 4:2:0, and the index before the pictures."""
    clip = encode_clip([frame(0), frame(1)], 5)
    with av.open(io.BytesIO(clip)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert 0 < clip.find(b"moov") < clip.find(b"mdat")


def test_frames_that_cannot_be_read_are_left_out() -> None:
    """A corrupt frame costs itself, not the clip."""
    times, _, _ = played(encode_clip([frame(0, b"corrupt"), frame(0.5), frame(1, b""), frame(1.5)], 5))
    assert times == [0.0, 1.0]


def test_frames_of_the_same_moment_are_shown_once() -> None:
    """A stream that repeats a time does not break the clip."""
    times, _, _ = played(encode_clip([frame(0), frame(0), frame(0.0004), frame(1)], 5))
    assert times == [0.0, 1.0]


def test_a_frame_of_another_size_is_fitted_in() -> None:
    """When a stream changes resolution, the later frames keep their shape, with black beside them."""
    _, pictures, _ = played(encode_clip([frame(0), frame(1, jpeg(100, 300, 200))], 5))
    second = pictures[1]
    assert second.shape == (480, 640, 3)
    assert second[240, 320].mean() == pytest.approx(200, abs=8)
    assert second[240, 100].mean() < 8


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (2, 2)), ((641, 361), (640, 360)), ((7680, 4320), (1280, 720)), ((1080, 1920), (720, 1280))],
    ids=["1x1", "odd", "8K", "upright"],
)
def test_a_clip_has_even_sides_of_bounded_length(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Any camera's picture gives a clip that plays everywhere."""
    _, pictures, _ = played(encode_clip([frame(0, jpeg(*size)), frame(1, jpeg(*size))], 5))
    assert pictures[0].shape[1::-1] == expected


@pytest.mark.parametrize("frames", [[], [frame(0, b"corrupt")]], ids=["none", "none readable"])
def test_a_clip_of_nothing_is_refused(frames: list[EncodedFrame]) -> None:
    """No usable frame, no clip, and a word of why."""
    with pytest.raises(InvalidMessage, match="needs a picture that can be read"):
        encode_clip(frames, 5)


def test_a_clip_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is gone when the clip is there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    encode_clip([frame(0)], 5)
    assert list(tmp_path.iterdir()) == []


def test_an_expected_way_is_drawn_with_its_words() -> None:
    """Along its points, and nowhere else; a way that leads out of the picture is drawn as far as it goes."""
    points = tuple(Ahead(seconds=n, x=230 + 120 * n, y=220, spread_px=4 + 6 * n) for n in range(6))
    course = Course(track_id=7, made_at=START, points=points)
    picture = decoded(annotate(jpeg(), [], {}, {}, "", [(course, "person 7 enters dock within 5 s: 70 %")]))
    assert np.ptp(picture[200:240, 300:400]) > 60
    assert np.ptp(picture[20:150, :]) < 12
