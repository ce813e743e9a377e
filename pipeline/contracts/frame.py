"""Pictures on their way from a camera to perception.

`Frame` lives inside a process (pixels); `EncodedFrame` is the same picture as JPEG, as it stands in the
ring, in evidence and on a bus; `SampledFrame` is a frame the sampling stage found worth a model's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box, Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one camera, decoded."""

    camera_id: str
    sequence: int
    """Counts this camera's frames in this run, from 0; never used as a time."""
    captured_at: datetime
    """When the camera took it: aware, UTC."""
    pts_seconds: float
    """The stream's own presentation time; may jump when a stream restarts."""
    pixels: Image
    """HWC uint8 RGB, contiguous; read-only for every receiver. Privacy masks are already burnt in."""

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """The same image as JPEG bytes."""

    camera_id: str
    sequence: int
    captured_at: datetime
    pts_seconds: float
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What the gate saw change in one frame."""

    regions: tuple[Box, ...]
    """Where it moves, absolute pixels of the full frame, largest first."""
    changed_fraction: float
    """Share of the picture that differs from the background, 0..1."""
    is_global: bool
    """The whole picture changed at once (light switched, exposure, camera moved): no regions are given."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrame:
    """A frame that passed the gate and the budget."""

    frame: Frame | EncodedFrame
    """As JPEG in both runtimes, so that they see the same; as pixels where somebody has them and wants no more."""
    motion: Motion
    thumbnail: NDArray[np.uint8]
    """Luma, shape (36, 64), uint8: for choosing frames that differ."""
    reason: str
    """Why it was sampled: `motion`, `heartbeat`, `active` (something moved a moment ago) or `first`."""
    crop_labels: tuple[str, ...] = ()
    """Labels of the things that the encoder is to look at one by one too; `any` for all."""


class VideoSource(Protocol):
    """One camera or file, opened. Used by one thread at a time; `close` may come from another.

    `read` blocks until a frame is there, at most the source's own timeout. It raises `ConfigError` when the
    source can never work (no such file, no decoder, zero frames), `TransientError` when it may work later
    (connection lost, timeout), and returns None once, at the end of a file. Frames of a file are never
    dropped; a live source may skip to its latest frame. After `close`, `read` returns None.
    """

    is_live: bool
    """True when frames arrive whether or not they are read."""
    expected_frames: int | None
    """How many frames a file will give, when it says so; None for live sources."""

    def read(self) -> Frame | EncodedFrame | None:
        """The next frame, or None at the end. As JPEG from where it is made where it is decoded."""
        ...

    def close(self) -> None:
        """Release decoder and socket; may be called twice."""
        ...
