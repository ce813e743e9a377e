"""A fixed camera over flat ground: metres to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import NormalisedPoint
from pipeline.scenes.script import Point

_NEAREST_M = 0.5
"""What is closer to the lens, or behind it, is drawn as if it were here."""


@dataclass(frozen=True, slots=True)
class View:
    """A pinhole camera at (0, `height`, 0), looking along z and down by `pitch_degrees`."""

    size: tuple[int, int]
    """(width, height), pixels."""
    height: float
    """Of the lens above the ground, metres."""
    pitch_degrees: float
    field_degrees: float
    """Horizontal angle of view at 16:9; other shapes keep the vertical one."""

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.size[1] * (16 / 9) / 2 / math.tan(math.radians(self.field_degrees) / 2)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) of (x, up, z) in metres to (N, 3) of (x, y) in pixels and pixels a metre there."""
        pitch = math.radians(self.pitch_degrees)
        x, up, z = points[:, 0], points[:, 1] - self.height, points[:, 2]
        depth = np.maximum(z * math.cos(pitch) - up * math.sin(pitch), _NEAREST_M)
        scale = self.focal_px / depth
        projected = np.empty((len(points), 3))
        projected[:, 0] = self.size[0] / 2 + x * scale
        projected[:, 1] = self.size[1] / 2 - (up * math.cos(pitch) + z * math.sin(pitch)) * scale
        projected[:, 2] = scale
        return projected

    def normalised(self, ground: tuple[Point, ...]) -> tuple[NormalisedPoint, ...]:
        """Ground points as fractions of the picture, pushed onto its edge where they lie outside."""
        pixels = self.project(np.array([(x, 0.0, z) for x, z in ground]))[:, :2] / self.size
        return tuple((float(x), float(y)) for x, y in np.clip(pixels, 0.0, 1.0))
