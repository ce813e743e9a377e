"""What a real vision-language model once said of every frame of a video, in place of eyes.

The videos themselves are not at hand: their sentences are. A film is made in which every picture carries the number of
its sentence in grey levels, so that whoever gets the picture (the encoder, the detector, the model that judges) can
look up what was seen in it, and who gets another picture sees something else.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import Frame, SampledFrame
from pipeline.contracts.observation import Region
from pipeline.contracts.values import Box, Image
from pipeline.jpeg import decode
from tests.support.reasoning import Reply, completion, well_behaved
from tests.support.words import BagOfWords

FPS = 2
STEP = 12
"""Of 24 sentences a second."""
WIDTH, HEIGHT = 320, 240
PERSON = (40.0, 24.0, 96.0, 96.0)
"""Where people are said to be; boxes were not recorded."""
_LEVELS = 8
_WIDE = 256 // _LEVELS
_MAX_TOKENS_OF_A_WORD = 64


@dataclass(frozen=True, slots=True)
class Caption:
    """One frame: what the model said of it, and whether people call it abnormal."""

    sentence: str
    is_abnormal: bool


def captions(shared: Path, name: str) -> list[Caption]:
    """All videos of a set, one after the other, at `FPS`."""
    with tarfile.open(shared / "annotations" / "anomalyruler" / f"{name}.tar.xz") as archive:
        files = {Path(one.name): archive.extractfile(one) for one in archive if one.isfile()}
        texts = {path: file.read().decode() for path, file in files.items() if file is not None}
    found: list[Caption] = []
    for path in sorted(path for path in texts if path.suffix == ".csv"):
        sentences = texts.get(path.parent.parent / "test_frame_description" / f"{path.stem}.txt")
        if sentences is not None:
            labels = [row["label"].strip() == "1" for row in csv.DictReader(io.StringIO(texts[path]))]
            found += map(Caption, sentences.splitlines()[::STEP], labels[::STEP])
    return found


def film(path: Path, first: int, number: int) -> Path:
    """Pictures `first` to `first + number` as a video."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for index in range(first, first + number):
        digits = np.array([index // _LEVELS**place % _LEVELS for place in range(4)])
        cells = (digits * _WIDE + _WIDE // 2).astype(np.uint8).reshape(2, 2)
        grey = cells.repeat(HEIGHT // 2, axis=0).repeat(WIDTH // 2, axis=1)
        writer.write(np.repeat(grey[:, :, None], 3, axis=2))
    writer.release()
    return path


def number_of(pixels: Image) -> int:
    """Which picture this is; holds through compression and scaling."""
    height, width = pixels.shape[:2]
    rows, columns = slice(height // 4, None, height // 2), slice(width // 4, None, width // 2)
    digits = pixels[rows, columns].mean(axis=2).ravel() // _WIDE
    return int(sum(digit * _LEVELS**place for place, digit in enumerate(digits)))


class RecordedSight(BagOfWords):
    """The encoder and the detector: vectors of the words said of a picture, and a person where one is spoken of."""

    input_side_px = None

    def __init__(self, told: Sequence[Caption]) -> None:
        super().__init__()
        self._told = told

    def warm_up(self) -> None:
        pass

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self.encode_texts([self._told[number_of(image)].sentence for image in images])

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        return [self._people(sampled.frame) for sampled in frames]

    def close(self) -> None:
        pass

    def _people(self, frame: Any) -> tuple[Region, ...]:
        pixels = frame.pixels if isinstance(frame, Frame) else decode(frame.jpeg)
        has_people = re.search(r"\b(person|people|man|woman)\b", self._told[number_of(pixels)].sentence)
        return (Region(Box(*PERSON), "person", 0.9),) if has_people else ()


class RecordedVlm:
    """A server whose model sees in the pictures of a prompt what was said of them, and judges by the prompt's rule."""

    def __init__(self, told: Sequence[Caption], said_by: Mapping[str, re.Pattern[str]]) -> None:
        """`said_by`: the words of a rule to those of a sentence that says so."""
        self._told = told
        self._said_by = said_by

    def __call__(self, path: str, body: Mapping[str, Any]) -> Reply:
        if path.endswith("/models"):
            return well_behaved()(path, body)
        parts = body["messages"][1]["content"]
        seen = [self._sees(part, self._rule(parts[0]["text"])) for part in parts if part["type"] == "image_url"]
        if body["max_tokens"] > _MAX_TOKENS_OF_A_WORD:
            return completion(json.dumps(_report([number for number, sees in enumerate(seen, start=1) if sees])))
        yes = 0.9 if any(seen) else 0.05
        return completion("yes" if any(seen) else "no", {"yes": yes, "no": 1 - yes})

    def says(self, rule: str, number: int) -> bool:
        """Whether the sentence of a picture says what the rule asks for."""
        return self._said_by[rule].search(self._told[number].sentence.lower()) is not None

    def _rule(self, situation: str) -> str:
        return next(rule for rule in self._said_by if f'"""\n{rule}\n"""' in situation)

    def _sees(self, part: Mapping[str, Any], rule: str) -> bool:
        jpeg = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        return self.says(rule, number_of(decode(jpeg)))


def _report(frames: Sequence[int]) -> dict[str, Any]:
    """A person who is there and, as models do, a dog that is not."""
    box = [round(1000 * side / full) for side, full in zip(PERSON, (WIDTH, HEIGHT) * 2, strict=True)]
    return {
        "frames": list(frames),
        "elements": [
            {"name": "person", "frame": frames[0], "box": box},
            {"name": "dog", "frame": frames[0], "box": [600, 600, 800, 800]},
        ],
        "relations": [
            {"subject": "dog", "kind": "next to", "relation": "next to", "object": "person", "frame": frames[0]}
        ],
        "actions": [{"who": "person", "what": "as was said", "first_frame": frames[0], "last_frame": frames[-1]}],
        "title": "As was said",
        "explanation": "It was said of these pictures.",
        "severity_reason": "",
        "severity": "medium",
        "forecasts": [],
        "forecast": "",
        "advice": "",
    }
