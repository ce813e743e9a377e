"""A flat ground of one loud colour under one camera, and actors on it: what drawing is tested on."""

from __future__ import annotations

import numpy as np

from pipeline.contracts.values import Image
from pipeline.scenes.draw import Brush
from pipeline.scenes.script import Cast, Step
from pipeline.scenes.staging import draw_actors, present_at
from pipeline.scenes.truth import ActorTruth
from pipeline.scenes.view import View

GROUND = (210, 20, 220)
"""What nobody wears."""
VIEW = View((200, 160), height=3.0, pitch_degrees=14.0, field_degrees=50.0)
FAR_M = 9.0
"""Where a grown person is about 75 pixels tall, in the middle of the picture."""


def varied_cast(seed: int = 3) -> Cast:
    """A cast of varied looks."""
    return Cast(np.random.default_rng(seed), varied=True)


def bare() -> Image:
    """The ground with nobody on it."""
    picture = np.empty((VIEW.size[1], VIEW.size[0], 3), np.uint8)
    picture[:] = GROUND
    return picture


def seen(cast: Cast, at_seconds: float, *, has_sun: bool = False) -> tuple[Image, tuple[ActorTruth, ...]]:
    """The picture of a cast at a moment, and what is true of it."""
    picture = bare()
    truths = draw_actors(Brush(picture), VIEW, present_at(cast.actors, at_seconds), has_sun=has_sun)
    return picture, truths


def person_at(at_seconds: float, *steps: Step, seed: int = 3) -> ActorTruth:
    """The truth of one varied person who does these steps in the middle of the picture, facing right."""
    cast = varied_cast(seed)
    cast.person(0.0, (0.0, FAR_M), *steps)
    (person,) = (actor for actor in seen(cast, at_seconds)[1] if actor.label == "person")
    return person
