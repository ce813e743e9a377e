"""Faces made unrecognisable, with a small face detector through OpenCV's own network runtime.

In: RGB pictures. Out: the same pictures with every face that was found, and some room around it, as a few flat
cells. A face that is not found stays as it is: the limits are in `docs/cameras.md`. The file must have the layout
of Ultra-Light-Fast-Generic-Face-Detector (Linzaer, 2019, MIT; `version-RFB-320.onnx`): one input `[1, 3, H, W]`,
RGB less 127 over 128; outputs `scores [1, N, 2]` (not a face, a face) and `boxes [1, N, 4]`, corners as shares of
the input, decoded inside the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, TransientError

_THRESHOLD = 0.2
"""Score from which a face is hidden. A false alarm costs a blurred patch, a miss somebody's privacy. Over 31 faces
counted by hand (`tests/ingest/test_faces.py`): 0.7 finds 14 of them, 0.5 22, 0.2 27; 0.1 finds 29 and hides 8 % of the
picture, 0.2 less than 2 %."""
_SAME_FACE = 0.3
"""Overlap (intersection over union) from which two boxes are one face."""
_ROOM = 0.3
"""Added to a box on each side, share of its size: hair, ears and chin tell a person too."""
_MAX_CELLS = 4
"""Cells along the longer side of what is hidden, so two or three across the face itself. Networks still know faces
in finer mosaics (McPherson, Shokri, Shmatikov: Defeating Image Obfuscation with Deep Learning, 2016)."""
_HOLD = timedelta(seconds=1.5)
"""How long a place stays hidden after a face was last found there: detectors lose a face for a frame or two when it
turns or smears."""
_TILE = 2
"""Larger pictures are also looked at in tiles of so many times the model's input each way, where a face 16 pixels
wide is found; in the whole of a 1080p picture it would be 3 pixels wide to the model."""
_TILE_STEP = 0.75
"""Of a tile: what lies on the edge of one is inside the next."""
_TURNS = (0, 1, 3)
"""Quarter turns, counter-clockwise, in which the whole picture is looked at: upright, and for people who lie."""
_INPUT_SHAPE = re.compile(r"<Input>[^\[]*\[\s*\S+ x 3 x (\d+) x (\d+)\s*\]")

_Boxes = NDArray[np.float32]
"""(N, 4): x1, y1, x2, y2, pixels or, where it says so, shares of the picture."""


class FaceFinder:
    """Where faces are in a picture."""

    def __init__(self, path: Path) -> None:
        """Load the file and run it once; `ConfigError` when it is no such model."""
        if not path.is_file():
            raise ConfigError(f"models.faces: expected a face model at {path}, found no such file")
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
            self._size_px = _input_size(self._net)
            self.find(np.zeros((*self._size_px[::-1], 3), np.uint8))
        except (cv2.error, TransientError) as error:
            raise ConfigError(
                f"models.faces: cannot use {path}: expected a face model of the Ultra-Light-Fast layout "
                f"(outputs scores [1, N, 2] and boxes [1, N, 4]), got {getattr(error, 'err', error)}"
            ) from error

    def find(self, pixels: Image) -> _Boxes:
        """Boxes of faces, pixels; `TransientError` when the model fails, which means nothing of the picture."""
        boxes, scores = [], []
        try:
            for (x1, y1, x2, y2), turn in self._looks(*pixels.shape[1::-1]):
                shares, certain = self._look(pixels[y1:y2, x1:x2], turn)
                size, corner = np.array((x2 - x1, y2 - y1) * 2, np.float32), np.array((x1, y1) * 2, np.float32)
                boxes.append(shares * size + corner)
                scores.append(certain)
        except cv2.error as error:
            raise TransientError(f"the face model failed, the frame is withheld: {error.err}") from error
        return _distinct(np.concatenate(boxes), np.concatenate(scores))

    def _looks(self, width: int, height: int) -> Iterator[tuple[tuple[int, int, int, int], int]]:
        """(region, quarter turns) for each time the model looks at a picture of this size."""
        for turn in _TURNS:
            yield (0, 0, width, height), turn
        tile_width, tile_height = (side * _TILE for side in self._size_px)
        if width <= tile_width and height <= tile_height:
            return
        for y in _starts(height, tile_height):
            for x in _starts(width, tile_width):
                yield (x, y, min(x + tile_width, width), min(y + tile_height, height)), 0

    def _look(self, pixels: Image, turn: int) -> tuple[_Boxes, NDArray[np.float32]]:
        """Boxes, as shares of `pixels`, and scores of what may be a face."""
        size = self._size_px if turn % 2 == 0 else self._size_px[::-1]
        shrinks = pixels.shape[1] > size[0]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        boxes, scores = self._forward(np.ascontiguousarray(np.rot90(small, turn)))
        is_face = scores >= _THRESHOLD
        return _turned_back(np.clip(boxes[is_face], 0, 1), turn), scores[is_face]

    def _forward(self, pixels: NDArray[np.uint8]) -> tuple[_Boxes, NDArray[np.float32]]:
        self._net.setInput(cv2.dnn.blobFromImage(pixels, 1 / 128, mean=(127, 127, 127)))
        scores, boxes = (np.asarray(output, np.float32) for output in self._net.forward(("scores", "boxes")))
        if scores.shape[2:] != (2,) or boxes.shape != (1, scores.shape[1], 4):
            raise TransientError(f"the face model gave scores {scores.shape} and boxes {boxes.shape}")
        if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
            raise TransientError("the face model gave no numbers, the frame is withheld")
        return boxes[0], scores[0, :, 1]


class FaceBlur:
    """Hides the faces of one camera's pictures, given in the order in which they were taken."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._held: list[tuple[datetime, _Boxes]] = []

    def apply(self, pixels: Image, at: datetime | None = None) -> Image:
        """A copy with faces hidden, read-only; the same array back when there are none. With `at`, the time of the
        picture, a place stays hidden a little longer than a face is found there.

        Raises:
            TransientError: the model failed; nothing of this picture may be shown.
        """
        boxes = self._finder.find(pixels)
        if at is not None:
            boxes = self._with_held(boxes, at)
        if not len(boxes):
            return pixels
        hidden = pixels.copy()
        for box in boxes:
            _hide(hidden, box)
        hidden.setflags(write=False)
        return hidden

    def _with_held(self, boxes: _Boxes, at: datetime) -> _Boxes:
        """With those found a moment ago; what was found after `at`, before time jumped back, is forgotten."""
        self._held = [(then, held) for then, held in self._held if timedelta(0) <= at - then <= _HOLD]
        if len(boxes):
            self._held.append((at, boxes))
        return np.concatenate([boxes, *(held for then, held in self._held if then != at)])


def _hide(pixels: Image, box: NDArray[np.float32]) -> None:
    """Make few flat cells, each of its own mean, of a box and the room around it, in place."""
    height, width = pixels.shape[:2]
    room = (box[2:] - box[:2]) * _ROOM
    x1, y1 = np.floor(np.maximum(box[:2] - room, 0)).astype(int)
    x2, y2 = np.ceil(np.minimum(box[2:] + room, (width, height))).astype(int)
    if x2 <= x1 or y2 <= y1:
        return
    cell_px = max(x2 - x1, y2 - y1) / _MAX_CELLS
    cells = (max(int((x2 - x1) / cell_px), 1), max(int((y2 - y1) / cell_px), 1))
    means = cv2.resize(pixels[y1:y2, x1:x2], cells, interpolation=cv2.INTER_AREA)
    pixels[y1:y2, x1:x2] = cv2.resize(means, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)


def _distinct(boxes: _Boxes, scores: NDArray[np.float32]) -> _Boxes:
    """One box a face, the strongest."""
    if not len(boxes):
        return boxes
    corner_and_size = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), _THRESHOLD, _SAME_FACE)
    return boxes[np.asarray(kept, np.intp)]


def _turned_back(shares: _Boxes, turn: int) -> _Boxes:
    """Boxes found in a picture that was turned by so many quarters, as shares of the picture before."""
    x1, y1, x2, y2 = shares.T
    corners = {0: (x1, y1, x2, y2), 1: (1 - y2, x1, 1 - y1, x2), 3: (y1, 1 - x2, y2, 1 - x1)}[turn]
    return np.stack(corners, axis=1)


def _starts(side_px: int, tile_px: int) -> list[int]:
    """Where tiles begin along a side, spread evenly so that the last ends with it."""
    if side_px <= tile_px:
        return [0]
    num_steps = int(np.ceil((side_px - tile_px) / (tile_px * _TILE_STEP)))
    return [round(step * (side_px - tile_px) / num_steps) for step in range(num_steps + 1)]


def _input_size(net: cv2.dnn.Net) -> tuple[int, int]:
    """(width, height) the model declares; the text dump is the only place where OpenCV tells."""
    declared = _INPUT_SHAPE.search(net.dump())
    if declared is None:
        raise TransientError("no input of the shape [1, 3, H, W]")
    return int(declared[2]), int(declared[1])
