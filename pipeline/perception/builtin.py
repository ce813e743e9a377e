"""The built-in models as an encoder and as a detector: `models: {encoder: builtin, detector: builtin}`.

In: RGB images and texts, or sampled frames with the gate's moving regions. Out: unit vectors of one space; regions
with a label where the built-in classifier knows one. Weights lie in the package; torch is imported on warming up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Detector, Region
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.jpeg import pixels_of
from pipeline.models.weights import encoder_version
from pipeline.settings import PerceptionSettings
from pipeline.site import BUILTIN_MODEL

if TYPE_CHECKING:
    from pipeline.models.encoder import VisionText

_MAX_CACHED_TEXTS = 4096
_SURE = 0.5
"""A label stands when the classifier gives it at least this probability; below, the region stays `moving`."""


class BuiltinEncoder:
    """The `Encoder` trained by this project on rendered scenes. Its attributes are known once it is warm."""

    def __init__(self, settings: PerceptionSettings) -> None:
        self.model_id = _space_id()
        self.supports_text = True
        self.logit_scale = 1.0
        self.input_side_px: int | None = None
        self._settings = settings
        self._model: VisionText | None = None
        self._lock = threading.Lock()
        self._texts: dict[str, NDArray[np.float32]] = {}

    def warm_up(self) -> None:
        """Load and run once; `ConfigError` when torch or the weights are missing."""
        self._model = _load(self._settings)
        self.logit_scale = self._model.logit_scale
        self.input_side_px = self._model.input_side_px
        self.encode_images([np.zeros((64, 64, 3), np.uint8)])

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(N, D), in order; at most `batch_size` go through the model at once."""
        model, size = self._warm(), self._settings.batch_size
        with self._lock:
            rows = [model.images(images[start : start + size]) for start in range(0, len(images), size)]
        return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), in order; words it never met give a vector that means little."""
        model = self._warm()
        with self._lock:
            if len(self._texts) > _MAX_CACHED_TEXTS:
                self._texts.clear()
            missing = list(dict.fromkeys(text for text in texts if text not in self._texts))
            if missing:
                self._texts.update(zip(missing, model.texts(missing), strict=True))
            return np.stack([self._texts[text] for text in texts]) if texts else np.empty((0, 0), np.float32)

    def close(self) -> None:
        """Free the model."""
        self._model = None
        self._texts.clear()

    def _warm(self) -> VisionText:
        if self._model is None:
            raise StageFailed(f"{self.model_id}: used before warm_up or after close")
        return self._model


class BuiltinDetector:
    """What moves, each named by the built-in classifier: COCO's words, or as `motion` has it where it is not sure."""

    model_id = BUILTIN_MODEL

    def __init__(self, motion: Detector, settings: PerceptionSettings) -> None:
        self._motion = motion
        self._settings = settings
        self._model: VisionText | None = None

    def warm_up(self) -> None:
        """Load; `ConfigError` when torch or the weights are missing."""
        self._model = _load(self._settings)

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        """The regions of `motion`, in order, with its scores."""
        return [
            self._named(sampled, regions) for sampled, regions in zip(frames, self._motion.detect(frames), strict=True)
        ]

    def close(self) -> None:
        """Free the model."""
        self._model = None

    def _named(self, sampled: SampledFrame, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        if self._model is None:
            raise StageFailed(f"{self.model_id}: detect was called before warm_up or after close")
        if not regions:
            return ()
        looks = self._model.regions(pixels_of(sampled.frame), [region.box for region in regions])
        return tuple(
            Region(region.box, look.label, region.score) if look.label and look.score >= _SURE else region
            for region, look in zip(regions, looks, strict=True)
        )


def _space_id() -> str:
    """Names the weights: vectors of others are not compared with these."""
    try:
        return encoder_version()
    except OSError:  # warming up says what is missing
        return BUILTIN_MODEL


def _load(settings: PerceptionSettings) -> VisionText:
    try:
        from pipeline.models.encoder import load_vision_text
    except ModuleNotFoundError as error:
        raise ConfigError("the built-in models need torch: pip install 'sightline[models]'") from error
    device = "cpu" if settings.device == "auto" else settings.device  # so small that a GPU gains nothing
    return load_vision_text(threads=settings.threads or None, device=device)
