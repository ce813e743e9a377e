"""A street by day: traffic both ways, walkers on both pavements, a zebra crossing."""

from __future__ import annotations

import math

import numpy as np

from pipeline.scenes.backdrop import Tree, paint_street
from pipeline.scenes.scene import Script
from pipeline.scenes.script import Cast, Light, Point, drive, run, stand, walk
from pipeline.scenes.view import View

SECONDS = 60.0
CROSSING: tuple[Point, ...] = ((-2.0, 11.9), (2.0, 11.9), (2.0, 21.2), (-2.0, 21.2))
MIDDLE: tuple[Point, Point] = ((-11.0, 16.5), (11.0, 16.5))


def street(seed: int, seconds: float | None, size: tuple[int, int]) -> Script:
    """Who comes when is drawn by the seed; every half minute somebody runs across beside the crossing."""
    duration = seconds or SECONDS
    rng = np.random.default_rng(seed)
    cast = Cast(rng)
    _walkers(cast, rng, duration)
    _traffic(cast, rng, duration)
    _crossers(cast, rng, duration)
    return Script(
        name="street",
        duration_seconds=duration,
        view=View(size, height=6.5, pitch_degrees=20.0, field_degrees=62.0),
        paint=paint_street,
        actors=tuple(cast.actors),
        zones={"crossing": CROSSING},
        lines={"middle": MIDDLE},
        lights=(Light(duration * 0.3, duration * 0.55, 0.8, 6.0),),
        trees=(Tree(-9.0, 23.5, 5.0, 50), Tree(10.5, 23.5, 4.6, 50)),
    )


def _walkers(cast: Cast, rng: np.random.Generator, duration: float) -> None:
    """One every five seconds or so, on either pavement, either way."""
    at = 0.5
    while at < duration:
        z = float(rng.choice([9.2, 10.2, 22.4, 23.2]))
        reach = 9.0 if z < 15 else 17.0
        way = float(rng.choice([-1.0, 1.0]))
        cast.person(at, (-way * reach, z), walk(way * reach, z, float(rng.uniform(1.1, 1.6))))
        at += float(rng.uniform(3.0, 7.0))


def _traffic(cast: Cast, rng: np.random.Generator, duration: float) -> None:
    """Cars keep right and leave a free stretch in every half minute, in which people cross."""
    for lane, way in ((18.8, -1.0), (14.2, 1.0)):
        at = float(rng.uniform(0.0, 2.0))
        while at < duration:
            if at % 30 < 14:
                cast.car(at, (-way * 19, lane), drive(way * 19, lane, float(rng.uniform(7, 9))))
            at += float(rng.uniform(4.0, 7.0))


def _crossers(cast: Cast, rng: np.random.Generator, duration: float) -> None:
    for half_minute in range(0, math.ceil(duration), 30):
        side = float(rng.choice([-1.0, 1.0]))
        cast.person(
            half_minute + 14, (side * 8.5, 10.6), walk(side * 0.6, 10.8), stand(1), walk(side * 0.4, 22.2),
            walk(-side * 17, 22.8),
        )  # fmt: skip
        cast.person(
            half_minute + 21, (-side * 16, 22.6), walk(-side * 7, 22.0), run(-side * 4.5, 10.4), walk(-side * 10, 9.6)
        )
