"""Builders for the tests of grounding: pictures with things in them, and what a detector saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pipeline.contracts.assessment import Element, Report, VerificationRequest
from pipeline.contracts.candidate import KeyFrame, SeenRegion
from pipeline.contracts.rule import Rule
from pipeline.reasoning.pictures import Picture, prepare
from tests.support.reasoning import START, frame, request

SIZE = (200, 100)
PERSON, OTHER_PERSON, CAR = (20, 20, 40, 80), (60, 20, 80, 80), (120, 40, 190, 90)
"""Boxes, pixels."""
Sides = tuple[int, int, int, int]


def scene(*seen: Mapping[Sides, str], rule: Rule | None = None) -> tuple[VerificationRequest, list[Picture]]:
    """A request of one frame for each mapping of box to label; every box is drawn, the rest is plain grey."""
    frames, key_frames = [], []
    for number, boxes in enumerate(seen):
        frames.append(frame(number, picture=_drawn(boxes), width=SIZE[0], height=SIZE[1]))
        regions = tuple(SeenRegion(box=box, label=label, score=0.9) for box, label in boxes.items() if label)
        key_frames.append(KeyFrame(sequence=number, captured_at=START, role="peak", score=1, regions=regions))
    given = request(tuple(frames), rule, key_frames=tuple(key_frames))
    return given, prepare(given.frames, None, 768)


def element(name: str, box: Sides | None = None, number: int = 1) -> Element:
    """An element at a box in pixels."""
    width, height = SIZE
    sides = None if box is None else (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    return Element(name=name, frame=number, box=sides)


def report(*elements: Element, **claims: Any) -> Report:
    """A report of these."""
    return Report(title="t", explanation="e", frames=(1,), elements=elements, **claims)


def _drawn(boxes: Mapping[Sides, str]) -> bytes:
    pixels = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
    rng = np.random.default_rng(3)
    for left, top, right, bottom in boxes:
        blocks = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        pixels[top:bottom, left:right] = cv2.resize(blocks, (right - left, bottom - top))
    return cv2.imencode(".jpg", pixels)[1].tobytes()
