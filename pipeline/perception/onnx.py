"""YOLOX object detection through OpenCV's own network runtime; no other runtime is needed.

In: sampled frames. Out: regions with COCO names, absolute pixels of the full frame. The file must have the
layout of YOLOX's own export: one input `[1, 3, S, S]`, raw BGR 0–255, letterboxed at the top left with grey
114; one output `[1, N, 85]` of undecoded (x, y, w, h, objectness, 80 classes) at strides 8, 16 and 32.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Region
from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.jpeg import pixels_of
from pipeline.perception.coco import COCO_NAMES
from pipeline.settings import PerceptionSettings

_STRIDES_PX = (8, 16, 32)
_PADDING = 114
_DEFAULT_SIDE_PX = 640
"""Of YOLOX-S and larger; used for a model that leaves its input size open."""
YOLOX_COLUMNS = 5 + len(COCO_NAMES)
"""Of a row of its output: the box, objectness, and a score a class."""
_INPUT_SHAPE = re.compile(r"<Input>[^\[]*\[\s*\S+ x 3 x (\d+) x (\d+)\s*\]")


class YoloxDetector:
    """A YOLOX model from an `.onnx` file.

    Frames go through one at a time: a batch is no faster a frame on a CPU (measured with YOLOX-nano on two
    cores: 14.8 ms alone, 14.5 ms in eights), and exports fix the batch at 1.
    """

    def __init__(self, path: Path, settings: PerceptionSettings) -> None:
        self.model_id = f"onnx:{path.name}"
        self._path = path
        self._settings = settings
        self._net: cv2.dnn.Net | None = None
        self._size_px = (_DEFAULT_SIDE_PX, _DEFAULT_SIDE_PX)
        self._grid = np.empty((0, 3), np.float32)

    def warm_up(self) -> None:
        """Load the file and run it once; `ConfigError` when it is no such model."""
        if not self._path.is_file():
            raise ConfigError(f"models.detector: expected a YOLOX model at {self._path}, found no such file")
        if self._settings.threads:
            cv2.setNumThreads(self._settings.threads)
        try:
            # OpenCV 5's new engine, which it prefers by itself, takes half the time of the classic one.
            self._net = cv2.dnn.readNetFromONNX(str(self._path))
            self._size_px = input_size(self._net)
            self._grid = _grid(*self._size_px)
            self._forward(np.zeros((*self._size_px[::-1], 3), np.uint8))
        except (cv2.error, StageFailed) as error:
            self.close()
            raise ConfigError(
                f"models.detector: cannot use {self._path}: expected YOLOX's own ONNX export for COCO "
                f"(output [1, N, {YOLOX_COLUMNS}]), got {getattr(error, 'err', error)}"
            ) from error

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        """One tuple of regions a frame, strongest first."""
        return [self._detect_one(pixels_of(sampled.frame)) for sampled in frames]

    def close(self) -> None:
        """Free the model."""
        self._net = None

    def _detect_one(self, pixels: Image) -> tuple[Region, ...]:
        canvas, scale = letterbox(pixels, self._size_px)
        boxes, scores, labels = self._decode(self._forward(canvas))
        height, width = pixels.shape[:2]
        boxes = np.clip(boxes / scale, 0, (width, height, width, height))
        return tuple(
            Region(Box(*(float(edge) for edge in box)), COCO_NAMES[label], float(score))
            for box, score, label in zip(boxes, scores, labels, strict=True)
            if box[2] > box[0] and box[3] > box[1]
        )

    def _forward(self, canvas: Image) -> NDArray[np.float32]:
        """The network's rows `(N, 85)` for one letterboxed RGB picture."""
        if self._net is None:
            raise StageFailed(f"{self.model_id}: detect was called before warm_up or after close")
        self._net.setInput(cv2.dnn.blobFromImage(canvas, swapRB=True))
        output = np.asarray(self._net.forward(), np.float32)
        if output.shape != (1, len(self._grid), YOLOX_COLUMNS):
            raise StageFailed(f"an output of shape {output.shape}, expected (1, {len(self._grid)}, {YOLOX_COLUMNS})")
        rows: NDArray[np.float32] = output[0]
        return rows

    def _decode(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
        """Boxes `(K, 4)` xyxy in letterbox pixels, scores and class numbers, after class-wise suppression."""
        labels = rows[:, 5:].argmax(axis=1)
        scores = rows[:, 4] * rows[np.arange(len(rows)), labels + 5]
        strong = scores >= self._settings.detector_confidence
        rows, grid, labels, scores = rows[strong], self._grid[strong], labels[strong], scores[strong]
        centres = (rows[:, :2] + grid[:, :2]) * grid[:, 2:]
        sizes = np.exp(rows[:, 2:4]) * grid[:, 2:]
        corners = centres - sizes / 2
        kept = self._suppress(np.concatenate((corners, sizes), axis=1), scores, labels)
        return np.concatenate((corners, corners + sizes), axis=1)[kept], scores[kept], labels[kept]

    def _suppress(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], labels: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Indices of the boxes (x, y, w, h) that stay, strongest first."""
        if not len(boxes):
            return np.empty(0, np.intp)
        settings = self._settings
        kept = cv2.dnn.NMSBoxesBatched(
            boxes.tolist(), scores.tolist(), labels.tolist(), settings.detector_confidence, settings.detector_iou
        )
        return np.asarray(kept, np.intp)


def letterbox(pixels: Image, size_px: tuple[int, int]) -> tuple[Image, float]:
    """Fit a picture into (width, height), at the top left, grey elsewhere; with the factor it was scaled by."""
    height, width = pixels.shape[:2]
    scale = min(size_px[0] / width, size_px[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    # Bilinear is what the models were trained with; below half size it skips pixels and small things flicker.
    method = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    canvas = np.full((size_px[1], size_px[0], 3), _PADDING, np.uint8)
    canvas[: inner[1], : inner[0]] = cv2.resize(pixels, inner, interpolation=method)
    return canvas, scale


def input_size(net: cv2.dnn.Net) -> tuple[int, int]:
    """(width, height) the model declares; the text dump is the only place where OpenCV tells."""
    declared = _INPUT_SHAPE.search(net.dump())
    return (int(declared[2]), int(declared[1])) if declared else (_DEFAULT_SIDE_PX, _DEFAULT_SIDE_PX)


def _grid(width_px: int, height_px: int) -> NDArray[np.float32]:
    """(column, row, stride) of every output row, float32 `(N, 3)`, in the network's order."""
    levels = []
    for stride in _STRIDES_PX:
        rows, columns = np.mgrid[: height_px // stride, : width_px // stride]
        levels.append(np.stack((columns.ravel(), rows.ravel(), np.full(rows.size, stride)), axis=1))
    return np.concatenate(levels).astype(np.float32)
