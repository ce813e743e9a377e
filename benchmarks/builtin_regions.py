"""The built-in region classifier on the motion regions of real clips, beside YOLOX-nano.

PETS09-S2L1 and TUD-Campus as the product reads them: every frame through the gate (it learns the background), every
`STEP`th of them given to the detectors. A moving region *holds a person* when it covers at least half of a true box,
*holds none* when it touches no true box; what lies between is left out. No clip here was used in training, and no
threshold was chosen on one. The classifier sees only what the gate found; YOLOX-nano sees the picture.

* per region: share of those with a person that are called `person` (recall), share of those called `person` that hold
  one (precision), each with 95 % intervals over blocks of ten frames drawn again;
* per true person: found at all, by a region of the right name (half covered), or by YOLOX (IoU .5).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import cv2
import numpy as np
from measure import SHARED, parser, save, show
from pets_crossings import CLIPS, START, Clip

from pipeline.contracts.frame import Frame, Motion, SampledFrame
from pipeline.contracts.observation import Detector, Region
from pipeline.contracts.values import Box
from pipeline.perception.detector import load_detector
from pipeline.sampling.gate import MotionGate
from pipeline.settings import PerceptionSettings, SamplingSettings

STEP = 3
BLOCK = 10
RESAMPLES = 1000
PERSON = "person"


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame: who is there, what moved, and what each detector made of it."""

    people: tuple[Box, ...]
    builtin: tuple[Region, ...]
    yolox: tuple[Region, ...]


def truth(clip: Clip) -> dict[int, list[Box]]:
    """People by frame, from 0."""
    people: dict[int, list[Box]] = defaultdict(list)
    for line in (SHARED / clip.truth).read_text().splitlines():
        frame, _, left, top, width, height = (float(part) for part in line.split(",")[:6])
        people[int(frame) - 1].append(Box(left, top, left + width, top + height))
    return people


def frames(clip: Clip) -> Iterator[tuple[int, SampledFrame]]:
    """The sampled frames with what the gate saw move."""
    gate, capture, number = MotionGate(SamplingSettings()), cv2.VideoCapture(str(SHARED / clip.video)), 0
    while (read := capture.read())[0]:
        pixels = np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8)
        at = number / clip.fps
        frame = Frame(clip.name, number, START + timedelta(seconds=at), at, pixels)
        look = gate.look(frame)
        if number % STEP == 0 and number:
            yield number, SampledFrame(frame, look.motion, look.thumbnail, "motion")
        number += 1
    capture.release()


def watch(clip: Clip, detectors: Sequence[Detector]) -> tuple[list[Seen], list[float]]:
    """All frames as both detectors see them, and each detector's seconds."""
    people, seen, seconds = truth(clip), [], [0.0, 0.0]
    for number, sampled in frames(clip):
        found = []
        for index, detector in enumerate(detectors):
            began = time.perf_counter()
            found.append(detector.detect([sampled])[0])
            seconds[index] += time.perf_counter() - began
        seen.append(Seen(tuple(people[number]), *found))
    return seen, [each / max(len(seen), 1) for each in seconds]


def covered(box: Box, region: Box) -> float:
    """Share of `box` that lies in `region`."""
    width = min(box.right, region.right) - max(box.left, region.left)
    height = min(box.bottom, region.bottom) - max(box.top, region.top)
    return max(width, 0.0) * max(height, 0.0) / box.area


def of_regions(seen: Sequence[Seen]) -> np.ndarray:
    """Rows of (with a person, of these called so, called so, of these with a person) a frame."""
    rows = []
    for one in seen:
        row = np.zeros(4)
        for region in one.builtin:
            most = max((covered(person, region.box) for person in one.people), default=0.0)
            if 0 < most < 0.5:
                continue
            holds, called = most >= 0.5, region.label == PERSON
            row += (holds, holds and called, called, called and holds)
        rows.append(row)
    return np.array(rows)


def of_people(seen: Sequence[Seen]) -> tuple[float, float, float]:
    """Shares of true people: in some moving region, in one called `person`, found by YOLOX."""
    total, moving, named, detected = 0, 0, 0, 0
    for one in seen:
        for person in one.people:
            total += 1
            around = [region for region in one.builtin if covered(person, region.box) >= 0.5]
            moving += bool(around)
            named += any(region.label == PERSON for region in around)
            detected += any(r.label == PERSON and r.score >= 0.3 and r.box.iou(person) >= 0.5 for r in one.yolox)
    return moving / total, named / total, detected / total


def ratio(rows: np.ndarray, part: int, whole: int) -> str:
    """A share with its 95 % interval, blocks of frames drawn again."""
    blocks = np.array([rows[start : start + BLOCK].sum(0) for start in range(0, len(rows), BLOCK)])
    draws = np.random.default_rng(1).integers(len(blocks), size=(RESAMPLES, len(blocks)))
    sums = blocks[draws].sum(1)
    shares = sums[:, part] / np.maximum(sums[:, whole], 1)
    low, high = np.percentile(shares, (2.5, 97.5))
    return f"{blocks[:, part].sum() / max(blocks[:, whole].sum(), 1):.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    settings = PerceptionSettings()
    detectors = [load_detector(spec, settings) for spec in ("builtin", f"onnx:{SHARED}/weights/yolox_nano.onnx")]
    for detector in detectors:
        detector.warm_up()
        detector.detect(
            [SampledFrame(_black(), Motion((), 0.0, is_global=False), np.zeros((36, 64), np.uint8), "first")]
        )
    table, figures = [], {}
    for clip in CLIPS:
        seen, seconds = watch(clip, detectors)
        rows, (moving, named, detected) = of_regions(seen), of_people(seen)
        recall, precision = ratio(rows, 1, 0), ratio(rows, 3, 2)
        others = sum(r.label not in (PERSON, "moving") for one in seen for r in one.builtin)
        table.append((clip.name, int(rows[:, 0].sum()), recall, precision, others, moving, named, detected, *seconds))
        figures[clip.name] = dict(zip(COLUMNS[1:], table[-1][1:], strict=True))
    show("the built-in classifier on moving regions", COLUMNS, table)
    if arguments.save:
        print(save("builtin_regions", figures))


def _black() -> Frame:
    return Frame("none", 0, START, 0.0, np.zeros((64, 64, 3), np.uint8))


COLUMNS = (
    "clip",
    "regions with a person",
    "called person",
    "right when called so",
    "called something else",
    "people in a moving region",
    "… named",
    "people found by YOLOX-nano",
    "built-in s/frame",
    "YOLOX s/frame",
)

if __name__ == "__main__":
    main()
