"""Things in frames: from motion alone, or by a model.

In: sampled frames. Out: regions without track ids, absolute pixels of the full frame. `onnx.py` has the third
detector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame
from pipeline.contracts.observation import MOVING, Detector, Region
from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.jpeg import pixels_of
from pipeline.perception.builtin import BuiltinDetector
from pipeline.perception.onnx import YoloxDetector
from pipeline.perception.pretrained import Pretrained, load_pretrained
from pipeline.settings import PerceptionSettings
from pipeline.site import BUILTIN_MODEL, MOTION_DETECTOR

_SETTING = "models.detector"
_ONNX = "onnx:"
_SURE_SHARE = 0.05
"""A moving region of this share of the picture gets score 1; smaller ones less, down to what starts a track."""
_WARM_UP_SIDE_PX = 64


def load_detector(spec: str, settings: PerceptionSettings) -> Detector:
    """The detector that `models.detector` names, not yet warm."""
    if spec == MOTION_DETECTOR:
        return MotionDetector(settings)
    if spec == BUILTIN_MODEL:
        return BuiltinDetector(MotionDetector(settings), settings)
    if spec.startswith(_ONNX):
        return YoloxDetector(Path(spec.removeprefix(_ONNX)).expanduser(), settings)
    return TransformersDetector(spec, settings)


class MotionDetector:
    """The gate's regions, labelled `moving`. Knows nothing of what moves, and needs no model."""

    model_id = MOTION_DETECTOR

    def __init__(self, settings: PerceptionSettings) -> None:
        self._lowest_score = settings.track_start

    def warm_up(self) -> None:
        """Nothing to load."""

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        """One region for each of the gate's; every one may start a track, the larger the surer."""
        return [tuple(self._region(box, sampled.frame) for box in sampled.motion.regions) for sampled in frames]

    def close(self) -> None:
        """Nothing to free."""

    def _region(self, box: Box, frame: Frame | EncodedFrame) -> Region:
        share = box.area / (frame.width * frame.height)
        sureness = min(share / _SURE_SHARE, 1.0) ** 0.5
        return Region(box, MOVING, self._lowest_score + (1 - self._lowest_score) * sureness)


class TransformersDetector:
    """Any object-detection model of `transformers`, from a hub id or a folder."""

    def __init__(self, spec: str, settings: PerceptionSettings) -> None:
        self.model_id = Path(spec).name if Path(spec).is_dir() else spec
        self._spec = spec
        self._settings = settings
        self._loaded: Pretrained | None = None

    def warm_up(self) -> None:
        """Load and run once; `ConfigError` when it cannot be had."""
        self._loaded = load_pretrained(self._spec, "AutoModelForObjectDetection", self._settings, _SETTING)
        try:
            self._run([np.zeros((_WARM_UP_SIDE_PX, _WARM_UP_SIDE_PX, 3), np.uint8)])
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            self.close()
            raise ConfigError(f"{_SETTING}: {self._spec} loads, but finds no objects in images: {error}") from error

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        """One tuple of regions a frame; at most `batch_size` go through the model at once."""
        size = self._settings.batch_size
        found: list[tuple[Region, ...]] = []
        for start in range(0, len(frames), size):
            found += self._run([pixels_of(sampled.frame) for sampled in frames[start : start + size]])
        return found

    def close(self) -> None:
        """Free the model."""
        self._loaded = None

    def _run(self, images: list[Image]) -> list[tuple[Region, ...]]:
        if self._loaded is None:
            raise StageFailed(f"{self.model_id}: detect was called before warm_up or after close")
        sizes = [image.shape[:2] for image in images]
        names = self._loaded.model.config.id2label
        with self._loaded.running():
            outputs = self._loaded.model(**self._loaded.image_inputs(images))
            results = self._loaded.image_processor.post_process_object_detection(
                outputs, threshold=self._settings.detector_confidence, target_sizes=sizes
            )
            return [
                tuple(_regions(result["boxes"], result["scores"], [names[int(n)] for n in result["labels"]], size))
                for result, size in zip(results, sizes, strict=True)
            ]


def _regions(boxes: Any, scores: Any, labels: Sequence[str], size: tuple[int, ...]) -> Iterator[Region]:
    """Regions inside the frame from tensors `(K, 4)` xyxy and `(K,)`; `size` is (height, width)."""
    height, width = size
    clipped = np.clip(boxes.float().cpu().numpy(), 0, (width, height, width, height))
    for edges, score, label in zip(clipped.tolist(), scores.tolist(), labels, strict=True):
        box = Box(*edges)
        if box.area > 0:
            yield Region(box, label, float(score))
