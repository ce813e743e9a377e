"""Pictures and words as unit vectors of one space, by any CLIP, SigLIP, SigLIP 2 or DINO model.

In: RGB images or texts. Out: float32 rows of unit length. Sizes, normalisation, tokens and precision are the
model's own, taken from its processor and configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.observation import Encoder
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError, StageFailed
from pipeline.perception.pretrained import Pretrained, load_pretrained
from pipeline.settings import PerceptionSettings
from pipeline.site import NO_MODEL

_SETTING = "models.encoder"
_MAX_CACHED_TEXTS = 4096
_WARM_UP_SIDE_PX = 64


def load_encoder(spec: str, settings: PerceptionSettings) -> Encoder | None:
    """The encoder that `models.encoder` names, not yet warm; None for `none`."""
    return None if spec == NO_MODEL else TransformersEncoder(spec, settings)


class TransformersEncoder:
    """An encoder from a hub id or a folder. `supports_text` and `logit_scale` are known once it is warm."""

    def __init__(self, spec: str, settings: PerceptionSettings) -> None:
        self.model_id = Path(spec).name if Path(spec).is_dir() else spec
        self.supports_text = False
        self.logit_scale = 1.0
        self._spec = spec
        self._settings = settings
        self._loaded: Pretrained | None = None
        self._texts: dict[str, NDArray[np.float32]] = {}

    def warm_up(self) -> None:
        """Load and run once; `ConfigError` when it cannot be had."""
        self._loaded = load_pretrained(self._spec, "AutoModel", self._settings, _SETTING)
        model = self._loaded.model
        self.supports_text = hasattr(model, "get_text_features")
        if hasattr(model, "logit_scale"):
            # Kept as a logarithm by CLIP and SigLIP alike.
            self.logit_scale = float(model.logit_scale.float().exp())
        try:
            self.encode_images([np.zeros((_WARM_UP_SIDE_PX, _WARM_UP_SIDE_PX, 3), np.uint8)])
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
        inputs = loaded.image_inputs(images)
        has_features = hasattr(loaded.model, "get_image_features")
        return _unit_rows(loaded.model.get_image_features(**inputs) if has_features else loaded.model(**inputs))


def _unit_rows(output: Any) -> NDArray[np.float32]:
    """The pooled features of a model's output as float32 rows of unit length."""
    features = getattr(output, "pooler_output", None)
    if features is None:
        features = output.last_hidden_state[:, 0]
    rows = features.float().cpu().numpy()
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return unit
