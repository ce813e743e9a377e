"""Where everybody in a scene is and what they do, on one grid of time: what the truth of any claim is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.scenes.script import Actor, Point

STEP_SECONDS = 0.1
"""Of the grid; what is shorter than two steps is no truth to build on."""
AWAY_M = 3.0
"""A bag is unattended while whoever brought it is farther away than this, or gone."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tracks:
    """(A actors, T times); NaN and an empty action where an actor is not there."""

    ids: NDArray[np.int64]
    labels: NDArray[np.str_]
    bringers: NDArray[np.int64]
    """(A,): of a bag, the id of who brought it; 0 otherwise."""
    times: NDArray[np.float64]
    """(T,), seconds of the scene."""
    places: NDArray[np.float64]
    """(A, T, 2): (x, z) on the ground, metres."""
    velocities: NDArray[np.float64]
    """(A, T, 2), metres a second."""
    actions: NDArray[np.str_]
    """(A, T): the script's word, "" where absent."""
    zone_distances: Mapping[str, NDArray[np.float64]]
    """Zone to (A, T): metres to its border, negative inside, NaN where absent."""

    @property
    def speeds(self) -> NDArray[np.float64]:
        """(A, T), metres a second; NaN where absent."""
        speeds: NDArray[np.float64] = np.hypot(self.velocities[..., 0], self.velocities[..., 1])
        return speeds

    def row(self, actor: int) -> int:
        """The row of an actor's id."""
        return int(np.nonzero(self.ids == actor)[0][0])

    def column(self, at_seconds: float) -> int:
        """The column of a moment."""
        return min(max(round(at_seconds / STEP_SECONDS), 0), len(self.times) - 1)

    def unattended(self) -> Mask:
        """(A, T): bags on the ground whose bringer is away."""
        alone: Mask = self.actions == "left"
        for row, bringer in enumerate(self.bringers):
            if bringer:
                apart = np.linalg.norm(self.places[row] - self.places[self.row(int(bringer))], axis=1)
                alone[row] &= ~(apart <= AWAY_M)
        return alone

    def carrying(self, label: str) -> Mask:
        """(A, T): who has a bag of this label (any, for `bag`) in hand or on the back."""
        carrying = np.zeros(self.actions.shape, bool)
        for row, bringer in enumerate(self.bringers):
            if bringer and label in ("bag", str(self.labels[row])):
                carrying[self.row(int(bringer))] |= self.actions[row] == "carried"
        return carrying


def tracks_of(actors: Sequence[Actor], zones: Mapping[str, tuple[Point, ...]], duration_seconds: float) -> Tracks:
    """Sample every actor's legs from 0 to the scene's end."""
    times = np.arange(0.0, duration_seconds, STEP_SECONDS)
    places = np.full((len(actors), len(times), 2), np.nan)
    velocities = np.full_like(places, np.nan)
    actions = np.zeros((len(actors), len(times)), "U12")
    for row, actor in enumerate(actors):
        for leg in actor.legs:
            during = slice(*np.searchsorted(times, (leg.start_seconds, leg.end_seconds)))
            length = max(leg.end_seconds - leg.start_seconds, 1e-9)
            step = np.subtract(leg.end, leg.start) / length
            places[row, during] = leg.start + (times[during, None] - leg.start_seconds) * step
            if leg.action == "climb":
                places[row, during] = [(pose.x, pose.z) for pose in map(leg.pose, times[during].tolist())]
            velocities[row, during] = step
            actions[row, during] = leg.action
    return Tracks(
        ids=np.array([actor.id for actor in actors], np.int64),
        labels=np.array([actor.label for actor in actors], "U12"),
        bringers=np.array([actor.bringer for actor in actors], np.int64),
        times=times,
        places=places,
        velocities=velocities,
        actions=actions,
        zone_distances={name: border_distances(places, corners) for name, corners in zones.items()},
    )


def border_distances(places: NDArray[np.float64], corners: Sequence[Point]) -> NDArray[np.float64]:
    """(..., 2) points on the ground to (...): metres to a polygon's border, negative inside it."""
    starts, ends = np.array(corners, float), np.roll(np.array(corners, float), -1, axis=0)
    sides = ends - starts
    offsets = places[..., None, :] - starts
    shares = np.clip((offsets * sides).sum(-1) / (sides**2).sum(-1), 0.0, 1.0)
    nearest = np.linalg.norm(offsets - shares[..., None] * sides, axis=-1).min(-1)
    x, z = places[..., None, 0], places[..., None, 1]
    spans = (starts[:, 1] > z) != (ends[:, 1] > z)
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = x < starts[:, 0] + (z - starts[:, 1]) / (ends[:, 1] - starts[:, 1]) * sides[:, 0]
    inside = (spans & meets).sum(-1) % 2 == 1
    signed: NDArray[np.float64] = np.where(inside, -nearest, nearest)
    return signed
