"""How well colours alone know a thing again: people of real clips, some seconds later, among the others.

People as YOLOX-nano boxes them, named by the true track (MOT15) they overlap by half or more. A pair is the same
person twice, at least so many seconds apart, or two persons. AUC is the chance that the former look more alike. Every
second person of PETS tunes the threshold (at most one in twenty pairs of strangers is linked); the others, and
TUD-Campus, test it. One camera, one hour: across cameras light and angle differ, and figures will be worse.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import SHARED, parser, save, show
from numpy.typing import NDArray
from pets_crossings import CLIPS, Clip, frames

from pipeline.contracts.values import Box
from pipeline.incidents.appearance import Appearance, describe, likeness
from pipeline.perception.detector import load_detector
from pipeline.settings import PerceptionSettings

APART_SECONDS = {"PETS09-S2L1": 5.0, "TUD-Campus": 1.0}
STEPS = {"PETS09-S2L1": 5, "TUD-Campus": 5}
FALSE_LINKS = 0.05
MIN_IOU = 0.5
MIN_SCORE = 0.5


class Seen(NamedTuple):
    """One person in one picture."""

    who: int
    seconds: float
    look: Appearance


def truth(clip: Clip) -> dict[int, list[tuple[int, Box]]]:
    """Frame index to (person, box)."""
    boxes: dict[int, list[tuple[int, Box]]] = defaultdict(list)
    with (SHARED / clip.truth).open() as rows:
        for frame, who, left, top, width, height in (map(float, row[:6]) for row in csv.reader(rows)):
            boxes[int(frame) - 1].append((int(who), Box(left, top, left + width, top + height)))
    return boxes


def sightings(clip: Clip) -> Iterator[Seen]:
    """Every person found that is somebody by truth."""
    true = truth(clip)
    detector = load_detector(f"onnx:{SHARED / 'weights/yolox_nano.onnx'}", PerceptionSettings(batch_size=1))
    detector.warm_up()
    for sampled in frames(clip, STEPS[clip.name]):
        frame = sampled.frame
        (found,) = detector.detect([sampled])
        picture = np.ascontiguousarray(frame.pixels[..., ::-1])
        for region in found:
            if region.label != "person" or region.score < MIN_SCORE:
                continue
            who, overlap = max(
                ((who, box.iou(region.box)) for who, box in true[frame.sequence]),
                key=lambda each: each[1],
                default=(0, 0.0),
            )
            look = describe(picture, region.box)
            if overlap >= MIN_IOU and look is not None:
                yield Seen(who, frame.pts_seconds, look)
    detector.close()


def pairs(seen: list[Seen], apart_seconds: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Likenesses of (the same person, two persons)."""
    same: list[float] = []
    others: list[float] = []
    for one, other in itertools.combinations(seen, 2):
        if abs(one.seconds - other.seconds) >= apart_seconds:
            (same if one.who == other.who else others).append(likeness(one.look, other.look) or 0.0)
    return np.array(same), np.array(others)


def auc(same: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Chance that a pair of the same is more alike than a pair of two (Mann-Whitney)."""
    below = np.searchsorted(np.sort(others), same, side="left")
    upto = np.searchsorted(np.sort(others), same, side="right")
    return float((below + upto).mean() / 2 / len(others))


def main() -> None:
    """Measure, print, and keep with `--save`."""
    arguments = parser(__doc__ or "").parse_args()
    pets, campus = (list(sightings(clip)) for clip in CLIPS)
    apart = APART_SECONDS["PETS09-S2L1"]
    people = sorted({seen.who for seen in pets})
    halves = [[seen for seen in pets if seen.who in set(people[half::2])] for half in (0, 1)]
    tune_same, tune_others = pairs(halves[0], apart)
    threshold = float(np.quantile(tune_others, 1 - FALSE_LINKS))
    sets = {
        "PETS, tune": (tune_same, tune_others),
        "PETS, test": pairs(halves[1], apart),
        "TUD-Campus": pairs(campus, APART_SECONDS["TUD-Campus"]),
    }
    columns = ("set", "pairs of one", "pairs of two", "AUC", "threshold", "found", "false links")
    rows = [
        [name, len(s), len(o), auc(s, o), threshold, float((s >= threshold).mean()), float((o >= threshold).mean())]
        for name, (s, o) in sets.items()
    ]
    show("Known again by colours", columns, rows)
    if arguments.save:
        print(save(Path(__file__).stem, {"rows": [dict(zip(columns, row, strict=True)) for row in rows]}))


if __name__ == "__main__":
    main()
