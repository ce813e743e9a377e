"""Models that look at what searches found: one that says what a script says, one that knows what detectors saw."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import jpeg
from pipeline.app.stores import Stores
from pipeline.contracts.assessment import Usage, Verdict
from pipeline.contracts.incident import IncidentFilter
from pipeline.contracts.picture_check import PictureCheck

USAGE = Usage(calls=1, pictures=1, input_tokens=405, output_tokens=1, seconds=0.2)
_ALIKE = 0.9
_LOOK_SECONDS = 0.15
"""So that a page shows its looks one after the other."""


@dataclass
class ScriptedChecks:
    """`PictureChecks` that say (or raise) what the script says, the last entry for ever."""

    script: list[tuple[Verdict, float | None] | BaseException]
    asked: list[tuple[str, bytes | None]] = field(default_factory=list)

    def check(self, picture: bytes, words: str, example: bytes | None = None) -> PictureCheck:
        assert picture.startswith(b"\xff\xd8")
        self.asked.append((words, example))
        turn = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(turn, BaseException):
            raise turn
        return PictureCheck(*turn, "as the script says", "scripted", USAGE)


class WitnessChecks:
    """`PictureChecks` over kept pictures: of words by what the detector saw in them, of an example by their colours."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def check(self, picture: bytes, words: str, example: bytes | None = None) -> PictureCheck:
        time.sleep(_LOOK_SECONDS)
        yes = self._shows(picture, words) if example is None else _alike(picture, example)
        verdict = Verdict.UNVERIFIED if yes is None else Verdict.CONFIRMED if yes else Verdict.REJECTED
        probability = {Verdict.CONFIRMED: 0.93, Verdict.REJECTED: 0.06, Verdict.UNVERIFIED: 0.41}[verdict]
        return PictureCheck(verdict, probability, "what the detector saw", "witness-7b", USAGE)

    def _shows(self, picture: bytes, words: str) -> bool | None:
        labels = self._labels(hashlib.blake2b(picture).digest())
        return None if not labels else bool(labels & set(re.findall(r"\w+", words.casefold())))

    def _labels(self, digest: bytes) -> set[str]:
        for incident in self._stores.incidents.find(IncidentFilter()):
            for key in incident.candidate.key_frames:
                if key.uri and hashlib.blake2b(self._stores.evidence.get(key.uri)).digest() == digest:
                    return {region.label for region in key.regions}
        return set()


def _alike(picture: bytes, example: bytes) -> bool:
    return float(np.dot(_colours(picture), _colours(example))) > _ALIKE


def _colours(picture: bytes) -> NDArray[np.float32]:
    counts = cv2.calcHist([jpeg.decode(picture)], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3).ravel()
    return np.asarray(counts / np.linalg.norm(counts), np.float32)
