"""The depot yard: the two minutes of the demo, and the same yard with nobody in it."""

from __future__ import annotations

import math

import numpy as np

from pipeline.scenes.backdrop import Tree, paint_yard
from pipeline.scenes.scene import Script
from pipeline.scenes.script import Cast, Light, Point, drive, park, pick_up, put_down, run, stand, walk
from pipeline.scenes.view import View

SECONDS = 120.0
FENCE: tuple[Point, ...] = ((-10.5, 17.5), (-1.5, 17.5), (-1.5, 23.6), (-10.5, 23.6))
GATE: tuple[Point, ...] = ((5.2, 23.0), (8.8, 23.0), (8.8, 27.8), (5.2, 27.8))
KERB: tuple[Point, Point] = ((-7.5, 11.35), (8.5, 11.35))
_TREES = (Tree(-8.0, 27.5, 6.0), Tree(-13.5, 26.5, 5.0))


def yard(seed: int, seconds: float | None, size: tuple[int, int]) -> Script:
    """Two minutes at a depot; a longer scene goes through them again with other people."""
    duration = seconds or SECONDS
    cast = Cast(np.random.default_rng(seed))
    lights: list[Light] = []
    for again in range(math.ceil(duration / SECONDS)):
        _two_minutes(cast, again * SECONDS)
        lights += _lights(again * SECONDS)
    return Script(
        name="yard",
        duration_seconds=duration,
        view=_view(size),
        paint=paint_yard,
        actors=tuple(cast.actors),
        zones={"fence": FENCE, "gate": GATE},
        lines={"kerb": KERB},
        lights=tuple(lights),
        trees=_TREES,
    )


def empty(seed: int, seconds: float | None, size: tuple[int, int]) -> Script:  # noqa: ARG001 - as every scene
    """The yard with nobody in it: noise, wind in the trees and changes of light. Nothing must alert."""
    duration = seconds or 60.0
    lights = [light for again in range(math.ceil(duration / 60)) for light in _lights(again * 60.0 - 52.0)]
    return Script(
        name="empty",
        duration_seconds=duration,
        view=_view(size),
        paint=paint_yard,
        zones={"fence": FENCE, "gate": GATE},
        lines={"kerb": KERB},
        lights=tuple(lights),
        trees=_TREES,
    )


def _view(size: tuple[int, int]) -> View:
    return View(size, height=7.0, pitch_degrees=22.0, field_degrees=62.0)


def _two_minutes(cast: Cast, t: float) -> None:
    # Passes by on the pavement.
    cast.person(t + 2, (-9, 9.6), walk(9, 9.6))
    # Near miss: walks along the fence zone, never in it.
    cast.person(t + 8, (-14, 15.9), walk(14, 15.9))
    # Enters the fence zone and loiters.
    cast.person(
        t + 18, (13.5, 17.2), walk(-2.6, 19.8), stand(6), walk(-5.4, 20.4, 0.8), stand(8),
        walk(-4.0, 19.6, 0.8), stand(3), walk(-14, 16.8),
    )  # fmt: skip
    # Walks the dog.
    cast.person(t + 40, (9, 9.9), walk(-9, 9.9, 1.2))
    cast.dog(t + 40.6, (9, 9.0), walk(-9, 9.0, 1.2))
    # Near miss: is in the fence zone only for a moment.
    cast.person(t + 50, (-14, 19.5), walk(-9.6, 19.5), stand(3), walk(-14, 16))
    # A car arrives and parks.
    cast.car(t + 58, (19, 16.6), drive(10.5, 16.6), drive(7.7, 16.6, 2.5), park(SECONDS - 60))
    # Brings a suitcase, leaves it and walks off.
    cast.person(
        t + 62, (-11, 13.6), walk(-1.0, 14.2), stand(1.5), put_down(), stand(3), walk(-11.5, 13.2),
        bag="suitcase", bag_until=t + SECONDS,
    )  # fmt: skip
    # Near miss: puts a bag down, rests, and takes it again.
    cast.person(t + 76, (9, 9.4), walk(2.2, 9.4), put_down(), stand(6), pick_up(), walk(-9, 9.4), bag="backpack")
    # Runs from the yard over the kerb and away.
    cast.person(t + 93, (12.5, 19.5), run(0.5, 12.6), run(-4.5, 6.0))
    # Walks up to the gate and in.
    cast.person(t + 100, (13.5, 20.5), walk(7.2, 22.4), walk(7.0, 29.8))


def _lights(t: float) -> list[Light]:
    """A cloud (gradual) and a floodlight that goes out for some seconds (sudden)."""
    return [Light(t + 54, t + 66, 0.72, 7.0), Light(t + 105, t + 110, 0.78, 0.05)]
