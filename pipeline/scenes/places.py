"""The places by name. Each call draws another of its kind: size, camera, materials, clutter, left or right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.scenes import indoors, outdoors
from pipeline.scenes.place import Area, Match, Occluder, Place, mirrored

__all__ = ["HELD_OUT_PLACES", "PLACES", "Area", "Match", "Occluder", "Place"]

Draw = Callable[[np.random.Generator, tuple[int, int]], Place]


def _either_way(draw: Draw) -> Draw:
    """Half of the time left and right are exchanged."""

    def drawn(rng: np.random.Generator, size: tuple[int, int]) -> Place:
        place = draw(rng, size)
        return mirrored(place) if rng.integers(2) else place

    return drawn


PLACES: dict[str, Draw] = {
    draw.__name__: _either_way(draw)
    for draw in (
        outdoors.street,
        outdoors.car_park,
        outdoors.platform,
        outdoors.yard,
        outdoors.park_path,
        outdoors.loading_dock,
        indoors.corridor,
        indoors.shop,
        indoors.living_room,
        indoors.office,
        indoors.warehouse,
        indoors.stairs_hall,
    )
}
HELD_OUT_PLACES: frozenset[str] = frozenset({"loading_dock", "office"})
"""Never trained on: what is measured in them says how well a camera nobody has seen will do."""
