"""Indoors: a corridor with doors, seen from its end."""

from __future__ import annotations

import math

import numpy as np

from pipeline.scenes.backdrop import paint_corridor
from pipeline.scenes.scene import Script
from pipeline.scenes.script import Cast, Light, Point, put_down, run, stand, walk
from pipeline.scenes.view import View

SECONDS = 60.0
DOOR: tuple[Point, ...] = ((0.7, 8.4), (1.9, 8.4), (1.9, 11.0), (0.7, 11.0))
MARK: tuple[Point, Point] = ((-2.0, 8.0), (2.0, 8.0))


def corridor(seed: int, seconds: float | None, size: tuple[int, int]) -> Script:
    """People come and go; each minute one waits at the door, one leaves a backpack, one runs, the light blinks."""
    duration = seconds or SECONDS
    rng = np.random.default_rng(seed)
    cast = Cast(rng)
    lights = []
    for again in range(math.ceil(duration / SECONDS)):
        _one_minute(cast, rng, again * SECONDS)
        lights.append(Light(again * SECONDS + 50, again * SECONDS + 53, 0.7, 0.05))
    return Script(
        name="corridor",
        duration_seconds=duration,
        view=View(size, height=2.6, pitch_degrees=13.0, field_degrees=78.0),
        paint=paint_corridor,
        actors=tuple(cast.actors),
        zones={"door": DOOR},
        lines={"mark": MARK},
        lights=tuple(lights),
        has_sun=False,
    )


def _one_minute(cast: Cast, rng: np.random.Generator, t: float) -> None:
    sway = float(rng.uniform(-0.2, 0.2))
    # Comes towards the camera and passes under it.
    cast.person(t + 1, (-0.6 + sway, 21.5), walk(-0.5 + sway, 2.0))
    # Waits at the door for long.
    cast.person(t + 6, (0.2, 21.5), walk(1.2, 9.8), stand(18), walk(0.4, 21.5))
    # Near miss: walks up to the door and away again.
    cast.person(t + 40, (0.9, 2.0), walk(0.8, 7.2), walk(1.2, 9.2), stand(4), walk(0.6, 2.0))
    # Leaves a backpack by the wall.
    cast.person(
        t + 20, (-1.2, 2.0), walk(-1.3, 12.0), put_down(), stand(2), walk(-1.0, 21.5),
        bag="backpack", bag_until=t + SECONDS,
    )  # fmt: skip
    # Runs along the corridor.
    cast.person(t + 33, (-0.2 + sway, 21.5), run(-0.1, 2.0))
