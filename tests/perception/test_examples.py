"""Example pictures and clips to vectors: what is read, what is cut out, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pytest

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Detector, Region
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError
from pipeline.jpeg import pixels_of
from pipeline.perception.detector import MotionDetector
from pipeline.perception.examples import FRAMES_A_CLIP, embed_examples, read_examples
from pipeline.perception.vision import LocalVision
from pipeline.settings import PerceptionSettings
from tests.support.perception import MeanEncoder, yard

SETTINGS = PerceptionSettings(threads=1)
RED, GREEN, LIME, BLUE = (250, 10, 10), (10, 250, 10), (60, 250, 10), (10, 10, 250)


def flat(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def write(path: Path, pixels: Image) -> str:
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path.name


def write_clip(path: Path, num_frames: int, fps: float = 10.0) -> str:
    """Ever brighter frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for number in range(num_frames):
        writer.write(np.full((48, 64, 3), 250 * number // num_frames, np.uint8))
    writer.release()
    return path.name


def rule(*positive: str, negative: Sequence[str] = (), labels: Sequence[str] = ()) -> Rule:
    body: dict[str, Any] = {"id": "r", "examples": {"positive": positive, "negative": negative}, "object": labels}
    return Rule.model_validate(body)


class RedDetector(MotionDetector):
    """Finds what is red, and calls it a person."""

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        return [tuple(self._red(pixels_of(one.frame))) for one in frames]

    def _red(self, pixels: Image) -> list[Region]:
        rows, columns = np.nonzero((pixels[..., 0] > 150) & (pixels[..., 1] < 100))
        if not len(rows):
            return []
        box = Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
        return [Region(box, "person", 0.9), Region(Box(0, 0, 32, 32), "person", 0.5)]


def vision(detector: Detector | None = None) -> LocalVision:
    return LocalVision(detector or RedDetector(SETTINGS), MeanEncoder(), SETTINGS)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_pictures_of_many_kinds_are_read(tmp_path: Path, suffix: str) -> None:
    """As RGB, relative to the folder, under their file's name."""
    (picture,) = read_examples([write(tmp_path / f"a{suffix}", flat(RED))], tmp_path)
    assert picture.name == f"a{suffix}"
    assert np.abs(picture.pixels.mean(axis=(0, 1)) - RED).max() < 8  # what compression changes


def test_a_clip_gives_frames_from_all_of_it(tmp_path: Path) -> None:
    """Five, from the middle of each fifth, under one name."""
    pictures = read_examples([write_clip(tmp_path / "fall.avi", 50)], tmp_path)
    assert [one.name for one in pictures] == ["fall.avi"] * FRAMES_A_CLIP
    assert [one.pixels.mean() for one in pictures] == pytest.approx([25, 75, 125, 175, 225], abs=5)


def test_a_clip_of_two_frames_gives_two(tmp_path: Path) -> None:
    """No frame counts twice."""
    assert len(read_examples([write_clip(tmp_path / "short.avi", 2)], tmp_path)) == 2


def test_urls_are_read() -> None:
    """By fsspec, whatever the folder."""
    encoded = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    fsspec.filesystem("memory").pipe_file("/examples/a.png", encoded)
    (picture,) = read_examples(["memory://examples/a.png"], Path("/nowhere"))
    assert (picture.name, picture.pixels.shape) == ("a.png", (8, 8, 3))


def test_files_of_one_name_keep_their_paths(tmp_path: Path) -> None:
    """So that they are two examples, and a person knows which is meant."""
    for folder in ("day", "night"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "1.png", flat(RED))
    assert [one.name for one in read_examples(["day/1.png", "night/1.png"], tmp_path)] == ["day/1.png", "night/1.png"]


def test_a_huge_picture_is_reduced(tmp_path: Path) -> None:
    """To 1920 pixels on the longer side, in proportion."""
    (picture,) = read_examples([write(tmp_path / "huge.png", flat(RED, 5760, 3000))], tmp_path)
    assert picture.pixels.shape == (1000, 1920, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jpg", None, "found no such file"),
        ("empty.jpg", b"", "has 0 bytes"),
        ("text.jpg", b"not a picture", "is no picture that can be read"),
        ("text.mp4", b"not a clip", "is no clip that can be read"),
    ],
)
def test_what_is_no_example_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """By name, with the rule, before anything runs."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"rule r, examples: .*{name}.*{message}|{message}.*{name}"):
        embed_examples(rule(name), vision(), tmp_path)


def test_an_unknown_kind_of_url_is_refused(tmp_path: Path) -> None:
    """With the URL."""
    with pytest.raises(ConfigError, match=r"cannot read nowhere://a\.jpg"):
        read_examples(["nowhere://a.jpg"], tmp_path)


def test_a_long_clip_is_refused(tmp_path: Path) -> None:
    """An example shows one thing: five frames of ten minutes would show anything."""
    with pytest.raises(ConfigError, match=r"long\.avi lasts 61 s; cut it to what it shows"):
        read_examples([write_clip(tmp_path / "long.avi", 61, fps=1.0)], tmp_path)


def test_pictures_become_vectors_of_both_kinds(tmp_path: Path) -> None:
    """One a picture, in order, with names."""
    names = [write(tmp_path / f"{n}.png", flat(colour)) for n, colour in enumerate((GREEN, LIME, RED))]
    found = embed_examples(rule(*names[:2], negative=names[2:]), vision(), tmp_path)
    assert (found.positive_names, found.negative_names, found.remarks) == (("0.png", "1.png"), ("2.png",), ())
    assert found.positive.argmax(axis=1).tolist() == [1, 1]
    assert found.negative.argmax(axis=1).tolist() == [0]


def test_with_object_the_surest_thing_counts(tmp_path: Path) -> None:
    """The red thing and not the blue picture about it, nor a weaker thing."""
    pixels = flat(BLUE, 640, 480)
    pixels[200:300, 400:450] = RED
    found = embed_examples(rule(write(tmp_path / "a.png", pixels), labels=["person"]), vision(), tmp_path)
    whole = embed_examples(rule("a.png"), vision(), tmp_path)
    assert found.positive[0][0] > 3 * whole.positive[0][0]
    assert found.remarks == ()


def test_an_example_without_such_a_thing_is_taken_whole(tmp_path: Path) -> None:
    """And a remark says so."""
    found = embed_examples(rule(write(tmp_path / "a.png", flat(BLUE)), labels=["person"]), vision(), tmp_path)
    assert len(found.positive) == 1
    assert found.remarks == ("no person found in a.png: it is taken as a whole",)


def test_one_picture_cannot_be_of_both_kinds(tmp_path: Path) -> None:
    """The same under two names is refused, and both are named."""
    first, second = write(tmp_path / "yes.png", yard()), write(tmp_path / "no.png", yard())
    with pytest.raises(ConfigError, match=r"rule r, examples: yes\.png is positive, and no\.png, .*take one out"):
        embed_examples(rule(first, negative=[second]), vision(), tmp_path)


def test_an_example_nearer_to_the_other_kind_is_told(tmp_path: Path) -> None:
    """A positive one that is more like a negative one than like its own kind is used, with a remark."""
    colours = {"green": GREEN, "lime": LIME, "blue": BLUE, "navy": (30, 30, 250)}
    names = {name: write(tmp_path / f"{name}.png", flat(colour)) for name, colour in colours.items()}
    odd = rule(names["green"], names["lime"], names["blue"], negative=[names["navy"]])
    (remark,) = embed_examples(odd, vision(), tmp_path).remarks
    assert remark.startswith("blue.png is more like navy.png, which is negative")


def test_without_an_encoder_it_says_what_to_set(tmp_path: Path) -> None:
    """Examples need one."""
    with pytest.raises(ConfigError, match=r"set models\.encoder"):
        embed_examples(
            rule(write(tmp_path / "a.png", yard())), LocalVision(MotionDetector(SETTINGS), None, SETTINGS), tmp_path
        )
