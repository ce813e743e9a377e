"""From a URL to a source, scenes as sources, and privacy masks."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.clock import ManualClock
from pipeline.errors import ConfigError
from pipeline.ingest import Pace, is_live, open_source, open_supervised
from pipeline.ingest.privacy import PrivacyMask
from pipeline.scenes import open_scene
from pipeline.settings import IngestSettings
from tests.support.ingest import START, KeptDecisions, KeptStream, camera, read_all

SETTINGS = IngestSettings()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rstp://10.0.0.9/x", "did you mean rtsp"),
        ("gopher://10.0.0.9/x", "rtsp, rtsps, rtmp, http, https, usb, file, synthetic"),
        ("usb:front", "usb:0"),
        ("synthetic:yrad", "did you mean yard"),
        ("synthetic:yard?sead=1", "seed, seconds, fps, size"),
        ("synthetic:yard?seconds=long", "seconds=120"),
        ("synthetic:yard?size=640", "size=640x360"),
        ("synthetic:yard?fps=0", "fps=0"),
        ("synthetic:yard?seed=-1", "seed"),
        ("synthetic:yard?seconds=nan", "seconds"),
        ("synthetic:yard?size=4x4", "pixels"),
    ],
)
def test_a_wrong_address_is_refused_with_the_right_ones(url: str, message: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ConfigError, match=message):
        open_source(camera(url), SETTINGS, ManualClock())


@pytest.mark.parametrize("url", ["a" * 5000, "x:" + "a" * 5000, "a\0b"], ids=["long path", "long scheme", "null"])
def test_what_cannot_even_be_a_path_is_refused(url: str) -> None:
    """Too long a name is a wrong address like any other."""
    with pytest.raises(ConfigError):
        open_source(camera(url), SETTINGS, ManualClock())


@pytest.mark.parametrize(
    ("url", "live"),
    [
        ("rtsp://a/b", True),
        ("https://a/b?token=" + "t" * 5000, True),
        ("HTTPS://a/b", True),
        ("usb:0", True),
        ("clip.mp4", False),
        ("synthetic:yard", False),
    ],
)
def test_live_is_known_from_the_address_alone(url: str, live: bool) -> None:
    """Without opening anything."""
    assert is_live(camera(url)) is live


def test_a_scene_is_read_like_a_file() -> None:
    """As many frames as its length and rate make, at exact times, with the scene's own pictures."""
    url = "synthetic:street?seed=5&seconds=3&fps=4&size=160x90"
    frames = read_all(open_source(camera(url), SETTINGS, ManualClock(), pace=Pace(start_at=START)))
    picture, _ = open_scene("street", seed=5, seconds=3, size=(160, 90)).render(frames[7].pts_seconds)

    assert [(frame.captured_at - START).total_seconds() for frame in frames] == [index / 4 for index in range(12)]
    assert np.array_equal(frames[7].pixels, picture)


def test_a_scene_loops_with_time_going_on() -> None:
    """The scene begins again; captured_at does not."""
    url = "synthetic:empty?seconds=1&fps=2&size=64x36"
    source = open_source(camera(url), SETTINGS, ManualClock(), pace=Pace(loop=True, start_at=START))
    frames = [frame for _ in range(5) if (frame := source.read()) is not None]
    source.close()

    assert source.expected_frames is None
    assert [frame.pts_seconds for frame in frames] == [0.0, 0.5, 0.0, 0.5, 0.0]
    assert [(frame.captured_at - START).total_seconds() for frame in frames] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_scene_keeps_its_pace() -> None:
    """At speed 2 a scene of 3 s takes 1.5 s, less the last frame's own time."""
    clock = ManualClock()
    read_all(open_source(camera("synthetic:empty?seconds=3&fps=10&size=64x36"), SETTINGS, clock, pace=Pace(2.0)))

    assert clock.monotonic() == pytest.approx(1.45)


def test_masks_are_black_in_every_frame_and_nothing_else_changes() -> None:
    """Inside a mask every pixel is 0; outside, the picture is what it was."""
    url = "synthetic:yard?seconds=1&fps=5&size=160x90"
    mask = ((0.25, 0.0), (0.75, 0.0), (0.75, 0.5), (0.25, 0.5))
    masked = read_all(open_source(camera(url, masks=(mask,)), SETTINGS, ManualClock()))
    plain = read_all(open_source(camera(url), SETTINGS, ManualClock()))

    for hidden, shown in zip(masked, plain, strict=True):
        assert not hidden.pixels[:46, 40:121].any()
        assert np.array_equal(hidden.pixels[46:], shown.pixels[46:])
        assert np.array_equal(hidden.pixels[:, :40], shown.pixels[:, :40])


def test_a_mask_follows_the_size_of_the_frame() -> None:
    """The same polygons cover the same share of another size; one pixel is covered whole."""
    mask = PrivacyMask([((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))])

    for height, width in ((100, 60), (50, 80), (1, 1)):
        masked = mask.apply(np.full((height, width, 3), 200, np.uint8))
        assert not masked[: height // 2].any()
        assert masked[height // 2 + 1 :].all()
    assert not mask.apply(np.full((1, 1, 3), 200, np.uint8)).any()


def test_a_scene_is_heard_frame_by_frame() -> None:
    """Connected with the first frame, never lost: its end is no loss."""
    heard = KeptStream()
    url = "synthetic:empty?seconds=1&fps=3&size=64x36"
    read_all(open_supervised(camera(url), SETTINGS, ManualClock(), KeptDecisions(), listener=heard))

    assert heard.words == ["connected", "frame 0", "frame 1", "frame 2"]


@pytest.mark.parametrize(
    ("url", "fallback", "message"),
    [
        ("rstp://guard:hunter2@10.0.0.9/x", None, "did you mean rtsp"),
        ("/nowhere/clip.mp4", None, "check the path"),
        ("rtsp://guard:hunter2@10.0.0.9/x", "/nowhere/clip.mp4", "a live address as fallback_url"),
        ("usb:front", None, "usb:0"),
    ],
    ids=["scheme", "file", "fallback", "webcam"],
)
def test_what_is_refused_is_told_as_lost(url: str, fallback: str | None, message: str) -> None:
    """Whoever keeps account of the camera hears why it is not watched, without the password."""
    heard = KeptStream()
    with pytest.raises(ConfigError, match=message):
        open_supervised(camera(url, fallback_url=fallback), SETTINGS, ManualClock(), KeptDecisions(), listener=heard)

    assert heard.words == ["lost"]
    assert message in heard.reasons[0]
    assert "hunter2" not in heard.reasons[0]
