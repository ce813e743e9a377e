"""Points in metres around an actor's place, and the solids that vehicles, bags and chairs are made of."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box
from pipeline.scenes.draw import shade
from pipeline.scenes.script import Colour, Pose
from pipeline.scenes.view import View

Points = NDArray[np.float64]
"""(N, 3): (forward, left, up) of the figure, (x, up, z) of the world, or (x, y, scale) in pixels."""

SUN = (0.55, 0.25)
"""Where the shadow of a point one metre up falls: metres in x and z."""


class Filler(Protocol):
    """A `Brush` or a `Layer`."""

    def polygon(self, points: Points, colour: Colour) -> None:
        """A filled convex area."""


def placed(local: Points, pose: Pose) -> Points:
    """(forward, left, up) around the pose to (x, up, z) in the world."""
    cos, sin = math.cos(pose.heading), math.sin(pose.heading)
    world = np.empty_like(local)
    world[:, 0] = pose.x + local[:, 0] * cos - local[:, 1] * sin
    world[:, 1] = local[:, 2]
    world[:, 2] = pose.z + local[:, 0] * sin + local[:, 1] * cos
    return world


def shadow_of(world: Points, has_sun: bool, sun: tuple[float, float] = SUN) -> Points:
    """Where the light throws points of the world on the ground: straight down without sun."""
    lean_x, lean_z = sun if has_sun else (0.0, 0.0)
    flat = np.zeros_like(world)
    flat[:, 0] = world[:, 0] + world[:, 1] * lean_x
    flat[:, 2] = world[:, 2] + world[:, 1] * lean_z
    return flat


def around(pixels: Points, reach_m: float | Points) -> Box:
    """The box around projected points that each reach so many metres."""
    reach = pixels[:, 2] * reach_m
    left, top = (pixels[:, 0] - reach).min(), (pixels[:, 1] - reach).min()
    right, bottom = (pixels[:, 0] + reach).max(), (pixels[:, 1] + reach).max()
    return Box(float(left), float(top), float(right), float(bottom))


def block(front: float, back: float, half: float, low: float, high: float, taper: float = 0.0) -> Points:
    """(8, 3) corners of a box, the lower four first; `taper` draws the roof's ends in."""
    floor = [(front, half, low), (front, -half, low), (back, -half, low), (back, half, low)]
    roof = [(front - taper, half, high), (front - taper, -half, high)]
    roof += [(back + taper, -half, high), (back + taper, half, high)]
    return np.array(floor + roof)


# Faces of a block, each clockwise seen from outside, and how much light they catch.
_FACES = (((4, 5, 6, 7), 1.12), ((0, 1, 5, 4), 0.95), ((2, 3, 7, 6), 0.82), ((3, 0, 4, 7), 0.88), ((1, 2, 6, 5), 0.72))


def draw_block(brush: Filler, pixels: Points, roof: Colour, sides: Colour) -> None:
    """The faces that look at the camera; a box needs no other order."""
    for corners, light in _FACES:
        face = pixels[list(corners)]
        (ax, ay), (bx, by) = face[1, :2] - face[0, :2], face[2, :2] - face[1, :2]
        if ax * by - ay * bx > 0:
            brush.polygon(face, shade(roof if light > 1 else sides, light))


def wheel(view: View, pose: Pose, forward: float, left: float, radius: float = 0.33) -> Points:
    """The projected rim of a wheel that stands on the ground."""
    angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    rim = np.stack([forward + radius * np.cos(angles), np.full(14, left), radius + radius * np.sin(angles)], axis=1)
    return view.project(placed(rim, pose))
