"""What perception saw in one sampled frame, and the protocols of the models behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.values import Box, Image
from pipeline.errors import InvalidMessage

MOVING = "moving"
"""The label of a region of which only motion is known."""


@dataclass(frozen=True, slots=True)
class Region:
    """One thing found in a frame."""

    box: Box
    label: str
    """The detector's own word (COCO names for the models here), or `moving`."""
    score: float
    """The detector's confidence, 0..1."""
    track_id: int | None = None
    """Stable for one thing on one camera for as long as the tracker holds it; None while unconfirmed."""
    embedding: NDArray[np.float32] | None = field(default=None, compare=False)
    """(D,), unit length, of the thing cut out by itself; only where a rule looks at such things one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Everything known of one sampled frame."""

    camera_id: str
    sequence: int
    captured_at: datetime
    pts_seconds: float
    width: int
    height: int
    regions: tuple[Region, ...]
    thumbnail: NDArray[np.uint8]
    """Luma, (36, 64), uint8."""
    embedding: NDArray[np.float32] | None = None
    """(D,), float32, unit length; None without an encoder."""
    is_global_change: bool = False
    """The gate saw the whole picture change at once; motion regions are withheld."""


class Detector(Protocol):
    """Finds things in frames. Stateless between calls; may block for as long as the model needs.

    One call at a time. `detect` answers one tuple a frame, in order; boxes are absolute pixels of the
    full frame. `warm_up` loads weights and raises `ConfigError` when they cannot be had.
    """

    model_id: str

    def warm_up(self) -> None:
        """Load and run once."""
        ...

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        """Regions without track ids, one tuple a frame."""
        ...

    def close(self) -> None:
        """Free the model; may be called twice."""
        ...


class TextEncoder(Protocol):
    """Words to unit vectors in the space of an encoder's images. Safe from several threads."""

    model_id: str
    supports_text: bool
    logit_scale: float
    """The model's own factor on cosine similarity before a softmax (CLIP, SigLIP); 1.0 where it has none."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) float32, rows of unit length, cached; `ConfigError` when the model has no text side."""
        ...


class Encoder(TextEncoder, Protocol):
    """Images (and, where `supports_text`, words) to unit vectors of one space. Safe from several threads."""

    input_side_px: int | None
    """Shorter side to which it reduces a picture first, known after `warm_up`; None when it takes any size."""

    def warm_up(self) -> None:
        """Load weights; `ConfigError` when they cannot be had."""
        ...

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(N, D) float32, rows of unit length, in order."""
        ...

    def close(self) -> None:
        """Free the model; may be called twice."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the models made of one frame."""

    regions: tuple[Region, ...]
    """Without track ids; absolute pixels of the full frame."""
    embedding: NDArray[np.float32] | None = None
    """(D,), unit length; None without an encoder."""


class Vision(Protocol):
    """Detector and encoder behind one call: in this process, or in others. Stateless between calls.

    Safe from several threads, several calls under way at once.
    """

    model_ids: Mapping[str, str]
    """`detector`, and `encoder` if there is one; known after `warm_up`."""
    words: TextEncoder | None
    """The encoder's text side; None without an encoder. Known after `warm_up`."""

    def warm_up(self) -> None:
        """Load the models, or reach the processes that have them; `ConfigError` when they cannot be had."""
        ...

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        """One answer a frame, in order; a frame no model can take fails alone.

        What is no fault of a frame is raised: `TransientError`, `Overloaded`, `ConfigError`, `StageFailed`.
        """
        ...

    def close(self) -> None:
        """Free the models; may be called twice."""
        ...
