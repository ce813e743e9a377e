"""Privacy at the source: before anybody sees a frame, what lies inside a mask is black and faces are blurred."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.camera import Camera
from pipeline.contracts.frame import Frame, VideoSource
from pipeline.contracts.rule import Polygon
from pipeline.contracts.values import Image
from pipeline.errors import ConfigError
from pipeline.ingest.faces import FaceBlur, FaceFinder
from pipeline.jpeg import pixels_of

_ONNX = "onnx:"
_CANVAS_SIDE_PX = 512
"""Of the square on which masks and zones are compared: a share is right to about a hundredth."""


class PrivacyMask:
    """Polygons burnt in; drawn once for each frame size. Pixels that an edge touches are black too."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = [np.array(polygon) for polygon in polygons]
        self._kept: NDArray[np.uint8] = np.empty((0, 0), np.uint8)

    def apply(self, pixels: Image) -> Image:
        """A copy of `pixels` with the polygons black, read-only."""
        if self._kept.shape != pixels.shape[:2]:
            self._kept = self._draw(*pixels.shape[:2])
        masked: Image = cv2.bitwise_and(pixels, pixels, mask=self._kept)  # type: ignore[assignment]  # uint8 as given
        masked.setflags(write=False)
        return masked

    def _draw(self, height: int, width: int) -> NDArray[np.uint8]:
        kept = np.full((height, width), 255, np.uint8)
        for polygon in self._polygons:
            cv2.fillPoly(kept, [np.rint(polygon * (width, height)).astype(np.int32)], (0,))
        return kept


def masked_share(masks: Sequence[Polygon], zone: Polygon) -> float:
    """How much of a zone lies under masks, 0..1."""
    white: Image = np.full((_CANVAS_SIDE_PX, _CANVAS_SIDE_PX, 3), 255, np.uint8)
    hidden, inside = (PrivacyMask(polygons).apply(white)[..., 0] == 0 for polygons in (masks, (zone,)))
    return float((hidden & inside).sum() / max(inside.sum(), 1))


class PrivacyFilter:
    """All that is taken out of one camera's pictures; used by one thread, in the order of the pictures."""

    def __init__(self, mask: PrivacyMask | None = None, faces: FaceBlur | None = None) -> None:
        self._mask = mask
        self._faces = faces

    @classmethod
    def of(cls, camera: Camera, faces: str) -> PrivacyFilter:
        """What the camera asks for. `faces` is the site's `models.faces`: `none` or `onnx:PATH`, loaded here when
        the camera blurs faces.

        Raises:
            ConfigError: the camera blurs faces and there is no model for it, or none that can be used.
        """
        return cls(
            PrivacyMask(camera.masks) if camera.masks else None,
            FaceBlur(FaceFinder(_model_path(faces))) if camera.blur_faces else None,
        )

    @property
    def is_empty(self) -> bool:
        """Whether pictures pass unchanged."""
        return self._mask is None and self._faces is None

    def apply(self, pixels: Image, at: datetime | None = None) -> Image:
        """The picture as it may be seen, read-only; the same array back when nothing is to be taken out. `at` is
        when it was taken: with it, a place stays hidden for 1.5 s after a face was last found there.

        Raises:
            TransientError: the face model failed; this picture must not be shown.
        """
        # Masks first: nobody, not even a model, looks for faces under them.
        if self._mask is not None:
            pixels = self._mask.apply(pixels)
        return pixels if self._faces is None else self._faces.apply(pixels, at)


class MaskedSource:
    """A `VideoSource` whose frames went through a `PrivacyFilter`."""

    def __init__(self, source: VideoSource, privacy: PrivacyFilter) -> None:
        self._source = source
        self._privacy = privacy
        self.is_live = source.is_live
        self.expected_frames = source.expected_frames

    def read(self) -> Frame | None:
        """The inner source's next frame, filtered; `TransientError` also when the face model fails on it."""
        frame = self._source.read()
        if frame is None:
            return None
        pixels = self._privacy.apply(pixels_of(frame), frame.captured_at)
        return Frame(frame.camera_id, frame.sequence, frame.captured_at, frame.pts_seconds, pixels)

    def close(self) -> None:
        """Close the inner source."""
        self._source.close()


def _model_path(faces: str) -> Path:
    if not faces.startswith(_ONNX):
        raise ConfigError(f"models.faces: expected onnx:PATH for a camera with blur_faces, got {faces!r}")
    return Path(faces.removeprefix(_ONNX)).expanduser()
