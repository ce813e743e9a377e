"""What the decoders have in common: RGB pictures, one after another, with their presentation times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.contracts.values import Image


@dataclass(frozen=True, slots=True)
class PictureWish:
    """What a reader needs of a live camera's frames, so that no more is done for them."""

    fps: float = 5.0
    """Frames a second that are looked at, at most: decides whether key frames alone are enough."""
    jpeg_quality: int = 85
    """Of the pictures a live camera gives."""
    faces: str = "none"
    """The site's `models.faces`, for cameras with `blur_faces`."""


class Capture(Protocol):
    """An opened decoder. Used by one thread; `grab` may block up to the read timeout it was opened with."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the grabbed frame before scaling, pixels."""
        ...

    def grab(self) -> bool:
        """Decode the next frame without converting it; False at the end or when the connection is lost."""
        ...

    def retrieve(self, max_side_px: int) -> Image | None:
        """The grabbed frame, no side longer than `max_side_px`, read-only; None when it cannot be converted."""
        ...

    def release(self) -> None:
        """Free decoder and socket."""
        ...


class LiveCapture(Capture, Protocol):
    """A decoder of a camera."""

    @property
    def pts_seconds(self) -> float | None:
        """Presentation time of the grabbed frame; None when the stream has none of its own."""
        ...

    @property
    def camera_time(self) -> datetime | None:
        """When the camera's own clock says that it took the grabbed frame, aware UTC; None when it does not say."""
        ...


class Recording(Capture, Protocol):
    """A decoder of a file, which tells beforehand what it holds."""

    @property
    def pts_seconds(self) -> float:
        """Presentation time of the grabbed frame."""
        ...

    @property
    def fps(self) -> float:
        """Nominal frames a second; 0 or nonsense when unknown."""
        ...

    @property
    def num_frames(self) -> int | None:
        """How many frames the container promises; None when it does not say."""
        ...


def scaled_size(width: int, height: int, max_side_px: int) -> tuple[int, int]:
    """(width, height) of the same shape with no side longer than `max_side_px`; never larger than given."""
    scale = min(max_side_px / max(width, height), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)
