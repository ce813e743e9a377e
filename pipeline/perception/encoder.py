"""Pictures and words as unit vectors of one space, by any CLIP, SigLIP, SigLIP 2 or DINO model.

In: RGB images or texts. Out: float32 rows of unit length. Sizes, normalisation, tokens and precision are the
model's own, taken from its processor and configuration.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.observation import Encoder
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.builtin import BuiltinEncoder
from pipeline.perception.onnx_encoder import ONNX, OnnxEncoder
from pipeline.perception.pretrained import Pretrained, load_pretrained
from pipeline.settings import PerceptionSettings
from pipeline.site import BUILTIN_MODEL, NO_MODEL

_SETTING = "models.encoder"
_MAX_CACHED_TEXTS = 4096
_WARM_UP_SIDE_PX = 64


def load_encoder(spec: str, settings: PerceptionSettings) -> Encoder | None:
    """The encoder that `models.encoder` names, not yet warm; None for `none`."""
    if spec == NO_MODEL:
        return None
    if spec == BUILTIN_MODEL:
        return BuiltinEncoder(settings)
    if spec.startswith(ONNX):
        return OnnxEncoder(spec.removeprefix(ONNX), settings)
    return TransformersEncoder(spec, settings)


class TransformersEncoder:
    """An encoder from a hub id or a folder. Its attributes, but for `model_id`, are known once it is warm.

    Images are prepared on the caller's thread and helpers of it, while the model may have another call's.
    """

    def __init__(self, spec: str, settings: PerceptionSettings, *, fixed_shapes: bool | None = None) -> None:
        """At most `settings.batch_size` images go through the model at once.

        Args:
            spec: A hub id or a folder.
            settings: Batch size, device and threads.
            fixed_shapes: Whether batches are filled up to 1, 2, 4, … images, so that the device meets few shapes;
                None for where that pays: on CUDA. A CPU would spend real time on images that nobody wants.
        """
        self.model_id = Path(spec).name if Path(spec).is_dir() else spec
        self.supports_text = False
        self.logit_scale = 1.0
        self.input_side_px: int | None = None
        self._spec = spec
        self._settings = settings
        self._fixed_shapes = fixed_shapes
        self._batch_sizes: tuple[int, ...] = ()
        self._lock = threading.Lock()
        self._loaded: Pretrained | None = None
        self._texts: dict[str, NDArray[np.float32]] = {}

    def warm_up(self) -> None:
        """Load and run once, at every fixed shape; `ConfigError` when it cannot be had."""
        self._loaded = load_pretrained(self._spec, "AutoModel", self._settings, _SETTING)
        model = self._loaded.model
        is_fixed = self._loaded.device.type == "cuda" if self._fixed_shapes is None else self._fixed_shapes
        self._batch_sizes = _doubling_to(self._settings.batch_size) if is_fixed else ()
        self.input_side_px = _input_side_px(self._loaded.image_processor)
        self.supports_text = hasattr(model, "get_text_features")
        if hasattr(model, "logit_scale"):
            # Kept as a logarithm by CLIP and SigLIP alike.
            self.logit_scale = float(model.logit_scale.float().exp())
        try:
            for size in self._batch_sizes or (1,):
                self.encode_images([np.zeros((_WARM_UP_SIDE_PX, _WARM_UP_SIDE_PX, 3), np.uint8)] * size)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            self.close()
            raise ConfigError(f"{_SETTING}: {self._spec} loads, but is no encoder of images: {error}") from error

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(N, D), in order; at most `batch_size` go through the model at once."""
        size = self._settings.batch_size
        batches = [self._encode_images(images[start : start + size]) for start in range(0, len(images), size)]
        return np.concatenate(batches) if batches else np.empty((0, 0), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), in order; `ConfigError` when the model has no text side."""
        loaded = self._warm()
        if not self.supports_text:
            raise ConfigError(
                f"{_SETTING}: {self._spec} cannot read words; name a CLIP or SigLIP model for rules with when:"
            )
        with self._lock:
            if len(self._texts) > _MAX_CACHED_TEXTS:
                self._texts.clear()
            missing = list(dict.fromkeys(text for text in texts if text not in self._texts))
            if missing:
                output = loaded.model.get_text_features(**loaded.text_inputs(missing))
                self._texts.update(zip(missing, _unit_rows(output), strict=True))
            return np.stack([self._texts[text] for text in texts]) if texts else np.empty((0, 0), np.float32)

    def close(self) -> None:
        """Free the model."""
        self._loaded = None
        self._texts.clear()

    def _warm(self) -> Pretrained:
        if self._loaded is None:
            raise StageFailed(f"{self.model_id}: used before warm_up or after close")
        return self._loaded

    def _encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        loaded = self._warm()
        num_rows = next((size for size in self._batch_sizes if size >= len(images)), len(images))
        inputs = loaded.image_rows(images, num_rows, self._settings.threads)
        run = getattr(loaded.model, "get_image_features", loaded.model)
        with self._lock, loaded.running():
            return _unit_rows(run(**inputs))[: len(images)]


def _doubling_to(largest: int) -> tuple[int, ...]:
    """1, 2, 4, … and `largest` itself."""
    return (*(1 << power for power in range((largest - 1).bit_length())), largest)


def _input_side_px(image_processor: Any) -> int | None:
    """The shorter side of what the processor makes of a picture before it crops; None when it says no such thing."""
    size = dict(getattr(image_processor, "size", None) or {})
    return max((size[name] for name in ("shortest_edge", "height", "width") if size.get(name)), default=None)


def _unit_rows(output: Any) -> NDArray[np.float32]:
    """The pooled features of a model's output as float32 rows of unit length."""
    features = getattr(output, "pooler_output", None)
    if features is None:
        features = output.last_hidden_state[:, 0]
    rows = features.float().cpu().numpy()
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return unit
