"""Words inside the scene are data: finding where they stand, covering them, and what a second answer means.

A rejection hides an alert, so whoever can hold a sign before a camera would have the model reject. The prompt says
that text in the scene is no instruction; that a model heeds this is not taken on trust. A rejection of pictures with
places that look like writing is asked for once more with those places blurred: one that no longer stands becomes
`unverified`. Nothing is read: writing is found by its form (strokes of one height in a row), so no language or
font matters, and what is found too much costs one more question, never an alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.assessment import Verdict
from pipeline.contracts.values import Image
from pipeline.errors import InvalidMessage
from pipeline.jpeg import decode, encode_pixels
from pipeline.reasoning.pictures import JPEG_QUALITY, Picture

MIN_LETTER_PX, MAX_LETTER_SHARE = 5, 0.4
"""Heights of letters: smaller ones no model reads in a picture of `max_side_px`; larger ones fill the picture."""
MIN_CONTRAST = 16.0
"""Grey levels between strokes and the mean of what is around them."""
MIN_IN_ROW = 4
"""Letters that make a row: fewer are windows, wheels and people."""
MAX_LETTERS = 1200
"""Strokes looked at, the tallest first: every one is compared with every other, and noise is full of them."""
MAX_REGIONS = 24
"""Places covered in one picture, the longest rows first."""

_BLOCKS_PX = (15, 41)
"""Neighbourhoods that strokes are compared with: small letters, large letters."""
_HEIGHT_RATIO, _MAX_GAP, _MIN_OVERLAP = 1.8, 1.2, 0.5
"""In a row: tallest by lowest neighbour, gap in letter heights, share of the lower one's height beside the other."""
_MAX_INK_CHANGE, _MAX_OFF_LINE, _MAX_SLOPE = 36.0, 0.25, 0.5
"""In a row: grey levels, root mean square distance of letters from their line in letter heights, its rise."""

Boxes = NDArray[np.int64]
Strokes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a rejection became after it was asked for again; `note` is empty when nothing was done."""

    verdict: Verdict
    note: str


def asks_again(pictures: Sequence[Picture]) -> list[Picture] | None:
    """The pictures with every place that looks like writing blurred; None when there is none in any.

    About 60 ms a picture of 640 x 480 px on one busy core (`benchmarks/injection.py`).
    """
    covered = [_covered(picture) for picture in pictures]
    if all(each is None for each in covered):
        return None
    return [each or picture for each, picture in zip(covered, pictures, strict=True)]


def settle(first: Verdict, again: Verdict | None) -> Settled:
    """The verdict after the second answer: a rejection stands only if it does without the words.

    `again` is what was decided of the covered pictures, None when the model gave no answer.
    """
    if first is not Verdict.REJECTED:
        return Settled(first, "")
    if again is Verdict.REJECTED:
        return Settled(first, "asked again with words in the scene covered: rejected again")
    if again is None:
        return Settled(Verdict.UNVERIFIED, "rejected, but not answered again with words in the scene covered")
    changed = f"rejected, but {again} with words in the scene covered: they may have driven the answer"
    return Settled(Verdict.UNVERIFIED, changed)


def writing(pixels: Image) -> Boxes:
    """(N, 4) boxes (left, top, right, bottom), px, of places that look like lines of writing, level or upright."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    level, upright = _rows(grey), _rows(np.ascontiguousarray(grey.T))
    return np.concatenate([level, upright[:, [1, 0, 3, 2]]])


def _covered(picture: Picture) -> Picture | None:
    try:
        pixels = decode(picture.jpeg)
    except InvalidMessage:
        return None
    boxes = writing(pixels)
    if not len(boxes):
        return None
    for box in boxes:
        _blur(pixels, box)
    return replace(picture, jpeg=encode_pixels(pixels, JPEG_QUALITY))


def _blur(pixels: Image, box: NDArray[np.int64]) -> None:
    """Blur a place by more than its letters' height, in place: who wears the words stays visible, the words do not."""
    height, width = pixels.shape[:2]
    thick = int(min(box[2] - box[0], box[3] - box[1]))
    margin = thick // 3 + 2
    left, top = max(int(box[0]) - margin, 0), max(int(box[1]) - margin, 0)
    right, bottom = min(int(box[2]) + margin, width), min(int(box[3]) + margin, height)
    side = 2 * thick + 1
    place = pixels[top:bottom, left:right]
    place[:] = cv2.blur(cv2.blur(place, (side, side)), (side, side))


def _rows(grey: NDArray[np.uint8]) -> Boxes:
    """Boxes of rows of letters that run from left to right (or, upside down, from right to left)."""
    found = [_joined(_letters(grey, block, sign)) for block in _BLOCKS_PX for sign in (1, -1)]
    boxes = np.concatenate(found)
    longest = np.argsort(boxes[:, 0] - boxes[:, 2], kind="stable")
    return boxes[longest[:MAX_REGIONS]]


def _letters(grey: NDArray[np.uint8], block: int, sign: int) -> Strokes:
    """(N, 5) left, top, right, bottom and ink (grey level) of connected strokes that could be letters;
    `sign`: 1 for bright ones on dark, -1 for dark on bright."""
    values = grey.astype(np.float32)
    around = cv2.blur(values, (block, block))
    strokes = ((values - around) * sign > MIN_CONTRAST).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    left, top, width, height, area = (stats[1:, column].astype(np.float64) for column in range(5))
    ink = np.bincount(labels.ravel(), values.ravel(), count)[1:] / area
    fill = area / (width * height)
    is_letter = (height >= MIN_LETTER_PX) & (height <= MAX_LETTER_SHARE * grey.shape[0]) & (height <= 2 * block)
    is_letter &= (width <= 2.5 * height) & (fill > 0.15) & (fill < 0.95)
    letters: Strokes = np.stack([left, top, left + width, top + height, ink], axis=1)[is_letter]
    return letters


def _joined(letters: Strokes) -> Boxes:
    """Rows of at least `MIN_IN_ROW` letters of like height and ink next to each other, as boxes."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    letters = letters[np.argsort(letters[:, 1] - letters[:, 3], kind="stable")[:MAX_LETTERS]]
    first, second = _neighbours(letters)
    links = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(letters), len(letters)))
    _, row_of = connected_components(links, directed=False)
    long = np.flatnonzero(np.bincount(row_of, minlength=1) >= MIN_IN_ROW)
    rows = [row for row in (letters[row_of == each] for each in long) if _is_straight(row)]
    boxes = [np.concatenate([row[:, :2].min(axis=0), row[:, 2:4].max(axis=0)]) for row in rows]
    return np.array(boxes, np.int64).reshape(-1, 4)


def _neighbours(letters: Strokes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of letters, as indices, that can stand in one row."""
    left, top, right, bottom, ink = letters.T
    height = bottom - top
    lower, taller = np.minimum(height[:, None], height), np.maximum(height[:, None], height)
    gap = left[None, :] - right[:, None]
    overlap = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    beside = (gap <= _MAX_GAP * lower) & (gap > -0.5 * lower) & (left[None, :] > left[:, None])
    alike = (taller <= _HEIGHT_RATIO * lower) & (np.abs(ink[:, None] - ink) <= _MAX_INK_CHANGE)
    first, second = np.nonzero(beside & alike & (overlap >= _MIN_OVERLAP * lower))
    return first, second


def _is_straight(row: Strokes) -> bool:
    """Whether the letters stand on a line, level or a little slanted, in one ink; texture wanders."""
    across, up = row[:, [0, 2]].mean(axis=1), row[:, [1, 3]].mean(axis=1)
    height = float(np.median(row[:, 3] - row[:, 1]))
    slope, start = np.polyfit(across, up, 1)
    off = np.sqrt(np.mean((up - slope * across - start) ** 2))
    return bool(off <= _MAX_OFF_LINE * height and abs(slope) < _MAX_SLOPE and row[:, 4].std() <= _MAX_INK_CHANGE / 2)
