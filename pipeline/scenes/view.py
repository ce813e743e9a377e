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
    yaw_degrees: float = 0.0
    """Turned to the right by so much."""

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.size[1] * (16 / 9) / 2 / math.tan(math.radians(self.field_degrees) / 2)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) of (x, up, z) in metres to (N, 3) of (x, y) in pixels and pixels a metre there."""
        pitch = math.radians(self.pitch_degrees)
        x, up, z = points[:, 0], points[:, 1] - self.height, points[:, 2]
        if self.yaw_degrees:
            x, z = self._turned(x, z)
        depth = np.maximum(z * math.cos(pitch) - up * math.sin(pitch), _NEAREST_M)
        scale = self.focal_px / depth
        projected = np.empty((len(points), 3))
        projected[:, 0] = self.size[0] / 2 + x * scale
        projected[:, 1] = self.size[1] / 2 - (up * math.cos(pitch) + z * math.sin(pitch)) * scale
        projected[:, 2] = scale
        return projected

    def depth(self, x: float, z: float) -> float:
        """Metres along the ground in the direction the camera faces: what is painted first is farther."""
        yaw = math.radians(self.yaw_degrees)
        return z * math.cos(yaw) + x * math.sin(yaw) if yaw else z

    def sees(self, point: Point, margin: float = 0.0) -> bool:
        """Whether a ground point lies in the picture, at least `margin` of its sides away from the edge."""
        if self.depth(*point) < _NEAREST_M:
            return False
        x, y, _ = self.project(np.array([(point[0], 0.0, point[1])]))[0]
        width, height = self.size
        return bool(margin <= x / width <= 1 - margin and margin <= y / height <= 1 - margin)

    def ground_at(self, x_px: float, y_px: float) -> Point | None:
        """The ground point seen at a pixel; None above the horizon."""
        pitch, yaw = math.radians(self.pitch_degrees), math.radians(self.yaw_degrees)
        right, down = (x_px - self.size[0] / 2) / self.focal_px, (y_px - self.size[1] / 2) / self.focal_px
        falls = math.sin(pitch) + down * math.cos(pitch)
        if falls <= 1e-3:
            return None
        across, ahead = (right * self.height / falls, (math.cos(pitch) - down * math.sin(pitch)) * self.height / falls)
        return across * math.cos(yaw) + ahead * math.sin(yaw), ahead * math.cos(yaw) - across * math.sin(yaw)

    def plane(
        self, origin: tuple[float, float, float], along: tuple[float, float, float], up: tuple[float, float, float]
    ) -> NDArray[np.float64]:
        """(3, 3): metres (u, v, 1) on the plane origin + u·along + v·up to homogeneous pixels."""
        pitch, yaw = math.radians(self.pitch_degrees), math.radians(self.yaw_degrees)
        cos, sin = math.cos(pitch), math.sin(pitch)
        turn = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, -cos, -sin], [0, -sin, cos]])
        lens = np.array([[self.focal_px, 0, self.size[0] / 2], [0, self.focal_px, self.size[1] / 2], [0, 0, 1]])
        columns = np.array([along, up, (origin[0], origin[1] - self.height, origin[2])], dtype=np.float64).T
        matrix: NDArray[np.float64] = lens @ tilt @ turn @ columns
        return matrix

    def _turned(
        self, x: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        yaw = math.radians(self.yaw_degrees)
        return x * math.cos(yaw) - z * math.sin(yaw), x * math.sin(yaw) + z * math.cos(yaw)

    def normalised(self, ground: tuple[Point, ...]) -> tuple[NormalisedPoint, ...]:
        """Ground points as fractions of the picture, pushed onto its edge where they lie outside."""
        pixels = self.project(np.array([(x, 0.0, z) for x, z in ground]))[:, :2] / self.size
        return tuple((float(x), float(y)) for x, y in np.clip(pixels, 0.0, 1.0))
