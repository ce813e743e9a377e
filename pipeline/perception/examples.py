"""The pictures and clips of `examples:` as vectors of the encoder's space.

In: a rule, paths or fsspec URLs, the models of this process or of others. Out: an `ExampleSet`, or a `ConfigError`
that says which example is wrong and what to do. What the vectors mean is left to `events.examples`.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import cv2
import fsspec
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.example import ExampleSet
from pipeline.contracts.frame import Frame, Motion, SampledFrame
from pipeline.contracts.observation import Sight, Vision
from pipeline.contracts.rule import ANY_OBJECT, Rule
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.jpeg import encode

CLIP_SUFFIXES = frozenset({".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm"})
"""What is read as a clip; everything else must be a picture."""
FRAMES_A_CLIP = 5
"""Spread evenly over the clip: from the middle of each fifth."""
MAX_CLIP_SECONDS = 60.0
MAX_BYTES = 200_000_000
_LONGEST_SIDE_PX = 1920
"""Larger pictures are reduced to it: four times what encoders look at."""
_JPEG_QUALITY = 95
_BATCH = 16
"""Pictures to the models at once: some megabytes as JPEG."""
_SAME = 1e-4
"""1 - cosine below which two pictures are the same, and not only alike: such an example cannot be of both kinds."""
_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_FALLBACK_FPS = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePicture:
    """One picture of an example; a clip gives several of one name."""

    name: str
    """The file's own name, or the path as it was written where two files have the same name."""
    pixels: Image


def read_examples(paths: Sequence[str], folder: Path) -> list[ExamplePicture]:
    """Every picture, and some frames of every clip, in order; `ConfigError` for what cannot be read.

    Args:
        paths: Paths or fsspec URLs.
        folder: Where relative paths start.
    """
    shorts = [PurePosixPath(path).name for path in paths]
    counts = Counter(shorts)
    names = [short if counts[short] == 1 else path for short, path in zip(shorts, paths, strict=True)]
    return [
        ExamplePicture(name, pixels)
        for name, path in zip(names, paths, strict=True)
        for pixels in _read(path if "://" in path else str(folder / Path(path).expanduser()))
    ]


def embed_examples(rule: Rule, vision: Vision, folder: Path) -> ExampleSet:
    """Vectors of a rule's examples, by a warm `vision`.

    With `rule.object`, an example is the surest thing of such a label in it, or the whole picture where there is none
    (a remark says so). `ConfigError` for examples that cannot be read or contradict each other, or without an encoder.
    """
    if rule.examples is None:
        raise ConfigError(f"rule {rule.id} has no examples")
    try:
        kinds = [read_examples(paths, folder) for paths in (rule.examples.positive, rule.examples.negative)]
        (positive, first), (negative, second) = (_embedded(pictures, rule.object, vision) for pictures in kinds)
        # Frames in which nothing is to be seen were left out, so names follow the vectors and not the pictures.
        names = tuple(name for name, _ in positive), tuple(name for name, _ in negative)
        rows = _rows(positive), _rows(negative)
        _refuse_same(*rows, *names)
    except ConfigError as error:
        raise ConfigError(f"rule {rule.id}, examples: {error}") from error
    return ExampleSet(*rows, *names, remarks=(*first, *second, *_near(*rows, *names)))


Named = tuple[str, NDArray[np.float32]]
"""An example's name, and the vector (D,) of one of its pictures."""


def _embedded(
    pictures: Sequence[ExamplePicture], labels: tuple[str, ...], vision: Vision
) -> tuple[list[Named], list[str]]:
    """Vectors by name, and remarks."""
    found: list[Named] = []
    wholes: list[Named] = []
    for start in range(0, len(pictures), _BATCH):
        some = pictures[start : start + _BATCH]
        sights = vision.see([_sampled(picture, labels) for picture in some])
        for picture, sight in zip(some, sights, strict=True):
            whole, thing = _vectors(picture.name, sight, labels)
            wholes.append((picture.name, whole))
            if thing is not None:
                found.append((picture.name, thing))
    if not labels:
        return wholes, []
    bare = {name for name, _ in wholes} - {name for name, _ in found}
    remarks = [f"no {' or '.join(labels)} found in {name}: it is taken as a whole" for name in sorted(bare)]
    return [*found, *((name, whole) for name, whole in wholes if name in bare)], remarks


def _vectors(
    name: str, sight: Sight | InvalidMessage, labels: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Of the whole picture, and of the surest thing with one of the labels."""
    if isinstance(sight, InvalidMessage):
        raise ConfigError(f"{name}: {sight}")
    if sight.embedding is None:
        raise ConfigError("they need an encoder; set models.encoder")
    things = [
        (region.score, region.embedding)
        for region in sight.regions
        if region.embedding is not None and (region.label in labels or ANY_OBJECT in labels)
    ]
    return sight.embedding, max(things, key=lambda thing: thing[0])[1] if things else None


def _sampled(picture: ExamplePicture, labels: tuple[str, ...]) -> SampledFrame:
    frame = encode(Frame("example", 0, _MOMENT, 0.0, picture.pixels), _JPEG_QUALITY)
    return SampledFrame(frame, Motion((), 0.0, is_global=False), np.zeros((36, 64), np.uint8), "first", labels)


def _rows(named: Sequence[Named]) -> NDArray[np.float32]:
    return np.stack([vector for _, vector in named]) if named else np.empty((0, 0), np.float32)


def _refuse_same(
    positive: NDArray[np.float32], negative: NDArray[np.float32], names: Sequence[str], negative_names: Sequence[str]
) -> None:
    if not len(positive) or not len(negative):
        return
    row, column = divmod(int((positive @ negative.T).argmax()), len(negative))
    if positive[row] @ negative[column] > 1 - _SAME:
        raise ConfigError(
            f"{names[row]} is positive, and {negative_names[column]}, which shows the same, is negative; take one out"
        )


def _near(
    positive: NDArray[np.float32], negative: NDArray[np.float32], names: Sequence[str], negative_names: Sequence[str]
) -> list[str]:
    """Remarks on examples of which every picture is more like one of the other kind than like others of its own."""
    if not len(positive) or not len(negative):
        return []
    labels = np.array(names)
    others = np.where(labels[:, None] == labels[None, :], -np.inf, positive @ positive.T).max(axis=1)
    across = positive @ negative.T
    return [
        f"{name} is more like {negative_names[int(across[labels == name].max(axis=0).argmax())]}, which is negative, "
        "than like any other positive example"
        for name in dict.fromkeys(names)
        if np.isfinite(others).any() and (across[labels == name].max(axis=1) > others[labels == name]).all()
    ]


def _read(url: str) -> list[Image]:
    """The picture, or frames of the clip, as RGB; the longer side at most `_LONGEST_SIDE_PX`."""
    try:
        files, path = fsspec.core.url_to_fs(url)
        if not files.isfile(path):
            raise ConfigError(f"expected a picture or clip at {url}, found no such file")
        if not 0 < files.size(path) <= MAX_BYTES:
            raise ConfigError(f"{url} has {files.size(path)} bytes; expected 1 to {MAX_BYTES}")
        content = files.cat_file(path)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"cannot read {url}: {error}") from error
    suffix = PurePosixPath(path).suffix.lower()
    pictures = _clip(url, content, suffix) if suffix in CLIP_SUFFIXES else [_picture(url, content)]
    return [_reduced(picture) for picture in pictures]


def _picture(url: str, content: bytes) -> Image:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ConfigError(f"cannot read {url} as a picture: {error.err}") from error
    if pixels is None:
        raise ConfigError(f"{url} is no picture that can be read (JPEG, PNG, WebP …), and its name is not a clip's")
    return np.asarray(pixels, np.uint8)


def _clip(url: str, content: bytes, suffix: str) -> list[Image]:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        capture = cv2.VideoCapture(file.name)
        try:
            pictures = list(_spread(url, capture))
        finally:
            capture.release()
    if not pictures:
        raise ConfigError(f"{url} is no clip that can be read: no frame could be decoded")
    return pictures


def _spread(url: str, capture: cv2.VideoCapture) -> Iterator[Image]:
    """Frames from the middle of each fifth; the last ones are missing where a clip is shorter than it says."""
    num_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    seconds = num_frames / (capture.get(cv2.CAP_PROP_FPS) or _FALLBACK_FPS)
    if seconds > MAX_CLIP_SECONDS:
        raise ConfigError(f"{url} lasts {seconds:.0f} s; cut it to what it shows, at most {MAX_CLIP_SECONDS:.0f} s")
    wanted = {int((part + 0.5) / FRAMES_A_CLIP * max(num_frames, 1)) for part in range(FRAMES_A_CLIP)}
    for number in range(max(wanted) + 1):
        if not capture.grab():
            return
        is_whole, pixels = capture.retrieve() if number in wanted else (False, None)
        if is_whole and pixels is not None:
            yield np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _reduced(picture: Image) -> Image:
    height, width = picture.shape[:2]
    scale = _LONGEST_SIDE_PX / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
