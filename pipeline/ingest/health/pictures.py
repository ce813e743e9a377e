"""What pictures say of a camera's health: frozen, black, covered, moved, blurred.

In: one reduced picture a second or so. Out: a verdict for each condition: bad, good, or not to be told now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import cv2
import numpy as np

from pipeline.contracts.health import Condition
from pipeline.ingest.health.look import Look, Luma, by_block, look_at
from pipeline.ingest.health.scene import READY_LOOKS, Likeness, Scene


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look says of one condition."""

    condition: Condition
    is_bad: bool | None
    """None: cannot be told from this look."""
    detail: str = ""
    value: float | None = None
    threshold: float | None = None


_BLACK_HIGHLIGHT = 40.0
"""Nothing is brighter (but 1 % of the picture): a lamp with what it lights is, a line of text is not. The clips have
85 and more. At 15 % of their light they have 21 to 39, and all but the empty car park 23 of contrast: not black."""
_BLACK_CONTRAST = 20.0
_DIM = 30.0
"""Mean luma below which darkness may explain a want of detail: covered, moved and blurred are left open."""
_PLAIN_DETAIL = 0.6
"""Covered at a first look, before anything is learned: the clips have 6.7 and more, a bright surface or a dark cloth
out of focus, with noise, 0.1 to 0.3."""
_COVERED_DETAIL = 0.35
"""Of the usual, with the scene's edges gone: such a surface or cloth has 0.01 to 0.03."""
_COVERED_DOUBT = 0.5
_OUT_OF_PLACE = 18.0
"""See `Likeness.place`."""
_PLACE_DOUBT = 30.0
_WORTH_PLACING = 40.0
"""A scene that does not match itself so well (leaves in the wind and nothing else) cannot be placed."""
_BLURRED = 0.58
"""See `Likeness.sharpness`; reached at a blur of 1.5 to 2.5 px of 640."""
_BLUR_DOUBT = 0.8
_DOUBT_WEIGHT = 0.1
"""Of a look in doubt in what is learned: a slow change of the seasons is followed, a growing blur is not."""
_MOST_CHANGE = 255.0
_NEW_NORMAL = timedelta(days=1)
"""A view that stayed moved for so long is the view."""


class PictureHealth:
    """The pictures of one camera: 0.7 MB. Not thread-safe."""

    def __init__(self) -> None:
        self._scene = Scene()
        self._stillness = Stillness()
        self._shape: tuple[int, ...] = ()
        self._moved_since: datetime | None = None

    def look(self, luma: Luma, at: datetime) -> list[Verdict]:
        """Judge a picture, (height, width) uint8, no side over 320, taken at `at`; learn from it if all is well."""
        if luma.shape != self._shape:
            self._shape, self._scene, self._stillness = luma.shape, Scene(), Stillness()
        look = look_at(luma)
        black, likeness = _black(look), self._scene.compare(look)
        covered = _covered(look, likeness)
        is_hidden = bool(black.is_bad or covered.is_bad)
        frozen = self._stillness.look(luma, is_plain=is_hidden)
        verdicts = [frozen, black, covered, _moved(look, likeness, is_hidden), _blurred(look, likeness, is_hidden)]
        self._learn(look, likeness, verdicts)
        self._accept(verdicts[3], at)
        return verdicts

    def _learn(self, look: Look, likeness: Likeness | None, verdicts: list[Verdict]) -> None:
        if any(verdict.is_bad for verdict in verdicts) or look.brightness < _DIM:
            return
        in_doubt = likeness is not None and (
            likeness.detail < _COVERED_DOUBT
            or likeness.place < _PLACE_DOUBT
            or (likeness.sharpness or 1.0) < _BLUR_DOUBT
        )
        self._scene.learn(look, _DOUBT_WEIGHT if in_doubt else 1.0)

    def _accept(self, moved: Verdict, at: datetime) -> None:
        if not moved.is_bad:
            self._moved_since = self._moved_since if moved.is_bad is None else None
        elif self._moved_since is None:
            self._moved_since = at
        elif at - self._moved_since > _NEW_NORMAL:
            self._scene, self._moved_since = Scene(), None


class Stillness:
    """Whether pictures repeat: frozen is what shows the same picture to the last noise.

    A sensor never gives the same noise twice, yet an encoder that saves may send a still scene without it (skipped
    blocks) until its next key frame. So a look repeats only if it equals one of the last few, and one fresh look,
    such as each key frame brings, ends a suspicion. A frozen picture that is encoded anew pulses with the key frames
    as well, but through the same few pictures. Changes from look to look, mean grey levels: 0.33 and more for still
    scenes with noise of 1 level at 300 kbit/s, 0.7 and more for the clips; frozen and encoded at 300 kbit/s 0.07 and
    less. The limit: a camera whose key frames come further apart than the debounce, at night, needs a longer one.
    """

    _SAME = 0.15
    """Mean difference at most, grey levels …"""
    _SAME_SHARE = 1 / 3
    """… and at most so much of this camera's least usual change …"""
    _SAME_LEAST = 0.02
    _SAME_BLOCK = 1.5
    """… and in the block that differs most."""
    _MOVED_BLOCK = 4.0
    """A block that changed more than this since the last look is something that moved."""
    _NUM_KEPT = 8
    _LEARNING_LOOKS = 60
    """So long the least change is what was least so far; then it follows slowly, so that a picture that froze does
    not become what is usual before it is told."""
    _FOLLOW = 0.005
    """Share of a step up or down, a look."""

    def __init__(self) -> None:
        self._num_looks = 0
        self._kept: deque[Luma] = deque(maxlen=self._NUM_KEPT)
        self._last: Luma | None = None
        self._least = _MOST_CHANGE
        self._usual = 0.0

    def look(self, luma: Luma, *, is_plain: bool) -> Verdict:
        """Whether a look repeats one before; a plain one (black, covered) says nothing."""
        last, self._last = self._last, luma
        if last is None or is_plain:
            return Verdict(Condition.FROZEN, None)
        change, most = _difference(luma, last)
        if most > self._MOVED_BLOCK:
            self._kept.clear()
        same = max(min(self._SAME, self._SAME_SHARE * self._usual), self._SAME_LEAST)
        least, is_repeated = change, False
        for kept in self._kept:
            mean, block = _difference(luma, kept)
            least, is_repeated = min(least, mean), is_repeated or (mean <= same and block <= self._SAME_BLOCK)
        if not is_repeated:
            self._kept.append(luma)
        self._learn(change)
        detail = f"the picture differs by {least:.2f} grey levels from one before"
        return Verdict(Condition.FROZEN, is_repeated, detail, least, same)

    def _learn(self, change: float) -> None:
        self._num_looks += 1
        if self._num_looks <= self._LEARNING_LOOKS:
            self._least = min(change, self._least)
            self._usual = self._least if self._num_looks >= READY_LOOKS else 0.0
        else:
            self._usual *= 1 + (self._FOLLOW if change > self._usual else -self._FOLLOW)


def _difference(luma: Luma, other: Luma) -> tuple[float, float]:
    """Mean, and mean of the block that differs most."""
    difference = np.asarray(cv2.absdiff(luma, other), np.float32)
    return float(difference.mean()), float(by_block(difference).max())


def _black(look: Look) -> Verdict:
    is_bad = look.highlight < _BLACK_HIGHLIGHT and look.highlight - look.darkest < _BLACK_CONTRAST
    detail = f"mean brightness {look.brightness:.0f} of 255, hardly anything above {look.highlight:.0f}"
    return Verdict(Condition.BLACK, is_bad, detail, look.highlight, _BLACK_HIGHLIGHT)


def _covered(look: Look, likeness: Likeness | None) -> Verdict:
    if look.brightness < _DIM:
        return Verdict(Condition.COVERED, None)
    if likeness is None:
        detail = "next to no detail in the picture"
        return Verdict(Condition.COVERED, look.detail < _PLAIN_DETAIL, detail, look.detail, _PLAIN_DETAIL)
    is_bad = likeness.detail < _COVERED_DETAIL and likeness.place < _OUT_OF_PLACE
    detail = f"{likeness.detail:.0%} of the usual detail, and nothing of the usual view"
    return Verdict(Condition.COVERED, is_bad, detail, likeness.detail, _COVERED_DETAIL)


def _moved(look: Look, likeness: Likeness | None, is_hidden: bool) -> Verdict:
    if likeness is None or is_hidden or look.brightness < _DIM or likeness.usual_place < _WORTH_PLACING:
        return Verdict(Condition.MOVED, None)
    detail = f"the edges of the usual view match at {likeness.place:.0f}, usually {likeness.usual_place:.0f}"
    return Verdict(Condition.MOVED, likeness.place < _OUT_OF_PLACE, detail, likeness.place, _OUT_OF_PLACE)


def _blurred(look: Look, likeness: Likeness | None, is_hidden: bool) -> Verdict:
    is_open = likeness is None or is_hidden or look.brightness < _DIM or likeness.place < _OUT_OF_PLACE
    if is_open or likeness is None or likeness.sharpness is None:
        return Verdict(Condition.BLURRED, None)
    detail = f"{likeness.sharpness:.0%} of the usual sharpness"
    return Verdict(Condition.BLURRED, likeness.sharpness < _BLURRED, detail, likeness.sharpness, _BLURRED)
