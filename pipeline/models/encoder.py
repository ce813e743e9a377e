"""Pictures and words in one space, and what regions show, by the built-in model.

In: RGB pictures of any size (grey ones too) and texts in any language. Out: float32 rows of unit length, and looks
of regions. Runs on the CPU by default; several threads may call it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError
from pipeline.models.pixels import (
    FRAME_SIZE_PX,
    Planes,
    as_rgb,
    cut_region,
    is_frame,
    letterboxed,
    whole_frame,
    with_difference,
)
from pipeline.models.weights import (
    CAPTIONS,
    SHIPPED,
    VISION,
    read_weights,
    read_words,
    vision_version,
)

if TYPE_CHECKING:
    import torch

    from pipeline.models.captions import CaptionSpace
    from pipeline.models.regions import RegionLook
    from pipeline.models.vision import VisionModel

_BATCH = 32
Vectors = NDArray[np.float32]


class VisionText:
    """The image encoder, the text encoder and the region classifier, loaded."""

    def __init__(self, model: VisionModel, folder: Path, version: str, device: str, *, weights: Path = SHIPPED) -> None:
        """`folder`: of the words; `version`: of the trunk; `weights`: where the captions' ones lie, read when the
        first picture or text is to be told."""
        from pipeline.models.tokens import PieceReader

        self.version = version
        self.model = model.to(device).eval()
        self.reader = PieceReader(folder / "vocab.txt")
        self.device = device
        self._words, self._weights = folder, weights
        self._space: CaptionSpace | None = None
        self._reading = threading.Lock()

    @property
    def space(self) -> CaptionSpace:
        """What pictures and words share; `ConfigError` when its weights are missing, damaged or of another trunk."""
        with self._reading:
            if self._space is None:
                self._space = self._read_space()
            return self._space

    @property
    def logit_scale(self) -> float:
        """What likenesses are multiplied with before they compete."""
        return float(self.space.scale.detach())

    @property
    def input_side_px(self) -> int:
        """The shorter side of what a camera's view is brought to."""
        return min(FRAME_SIZE_PX)

    @property
    def dimensions(self) -> int:
        """D of the vectors."""
        return self.model.size.embedding

    def images(self, images: Sequence[Image]) -> Vectors:
        """(N, D), in order. Wide pictures are read as a camera's view, others letterboxed as a cut-out."""
        rows = np.zeros((len(images), self.dimensions), np.float32)
        for wide in (True, False):
            chosen = [n for n, image in enumerate(images) if is_frame(image) == wide]
            ready = whole_frame if wide else letterboxed
            for part in _parts(chosen):
                pictures = [ready(with_difference(as_rgb(images[n]), None)) for n in part]
                rows[part] = self._embed(pictures, are_frames=wide)
        return rows

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(N, D), in order."""
        import torch

        space, rows = self.space, np.zeros((len(texts), self.dimensions), np.float32)
        for part in _parts(range(len(texts))):
            pieces = self.reader.read([texts[n] for n in part])
            with torch.inference_mode():
                ids, is_piece = (torch.from_numpy(one).to(self.device) for one in (pieces.ids, pieces.is_piece))
                rows[part] = space.texts(ids, is_piece).cpu().numpy()
        return rows

    def regions(self, image: Image, boxes: Sequence[Box], background: Image | None = None) -> list[RegionLook]:
        """What each box shows, in order; better with the empty view behind it, which must have the same size."""
        planes = with_difference(image, background)
        return self.crops([cut_region(planes, box) for box in boxes])

    def crops(self, crops: Sequence[Planes]) -> list[RegionLook]:
        """What cut-outs show, each as `cut_region` gives it; of several frames at once."""
        import torch

        from pipeline.models.regions import looks

        found: list[RegionLook] = []
        for part in _parts(range(len(crops))):
            with torch.inference_mode():
                found += looks(*self.model.regions(self._tokens([crops[n] for n in part])))
        return found

    def _embed(self, pictures: list[Planes], *, are_frames: bool) -> Vectors:
        import torch

        space = self.space  # read before, not in, inference mode
        with torch.inference_mode():
            rows: Vectors = space.pictures(self._tokens(pictures), are_frames=are_frames).cpu().numpy()
        return rows

    def _tokens(self, pictures: list[Planes]) -> torch.Tensor:
        import torch

        from pipeline.models.vision import as_pictures

        tokens: torch.Tensor = self.model.trunk(as_pictures(torch.from_numpy(np.stack(pictures)).to(self.device)))
        return tokens

    def _read_space(self) -> CaptionSpace:
        import torch

        from pipeline.models.captions import CaptionSpace

        stored = read_weights(self._weights, CAPTIONS)
        trained_on = stored.facts.get("vision")
        if trained_on != self.version:
            raise ConfigError(
                f"the captions model at {self._weights} was trained over {trained_on}, not over {self.version} beside "
                f"it: `sightline train --stage {CAPTIONS}` makes another"
            )
        with torch.random.fork_rng(devices=[]):  # new weights are drawn before these take their place
            space = CaptionSpace(self.model.size, read_words(self._words))
        try:
            space.load_state_dict({name: torch.from_numpy(value).float() for name, value in stored.tensors.items()})
        except RuntimeError as error:  # torch's words for other names and shapes
            raise ConfigError(f"the captions model at {self._weights} cannot be used: {error}") from error
        return space.to(self.device).eval()


def load_vision_text(
    *, threads: int | None = None, device: str = "cpu", folder: Path = SHIPPED, words: Path = SHIPPED
) -> VisionText:
    """The built-in model, ready; what pictures and words share is read when it is first needed.

    Args:
        threads: Of torch, for the whole process; None leaves them as they are.
        device: A torch device.
        folder: Of the weights.
        words: Of the vocabulary and its vectors.

    Raises:
        ConfigError: torch is not installed, the weights are missing or damaged, or there is no such device.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ConfigError("the built-in models need torch: pip install 'sightline[models]'") from error
    from pipeline.models.trunk import size_of
    from pipeline.models.vision import VisionModel

    if threads:
        torch.set_num_threads(threads)
    stored = read_weights(folder, VISION)
    model = VisionModel(size_of(str(stored.facts.get("size"))), read_words(words))
    try:
        model.load_state_dict({name: torch.from_numpy(value).float() for name, value in stored.tensors.items()})
        return VisionText(model, words, vision_version(folder), device, weights=folder)
    except (RuntimeError, AssertionError) as error:  # torch's words for other shapes, and for a device it lacks
        raise ConfigError(f"the built-in model at {folder} cannot be used on {device}: {error}") from error


def _parts(numbers: Sequence[int]) -> list[list[int]]:
    """At most a batch at once."""
    return [list(numbers[start : start + _BATCH]) for start in range(0, len(numbers), _BATCH)]
