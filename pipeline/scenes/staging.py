"""Everybody on the picture, far to near, and what is true of them there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import Box
from pipeline.scenes.draw import Brush, Drawn
from pipeline.scenes.figures import draw_figure
from pipeline.scenes.poses import posture
from pipeline.scenes.script import Actor, Pose
from pipeline.scenes.truth import ActorTruth
from pipeline.scenes.view import View

_SMALLEST_PX = 2.0
"""A sliver at the picture's edge that is thinner than this does not count as in the frame."""
_COVERS_FROM = 128
"""Of 255: what covers less of a pixel hides nothing."""

Present = Sequence[tuple[Actor, Pose]]


def present_at(actors: Sequence[Actor], at_seconds: float) -> list[tuple[Actor, Pose]]:
    """Who is there, farthest first."""
    poses = [(actor, pose) for actor in actors if (pose := actor.pose(at_seconds)) is not None]
    return sorted(poses, key=lambda present: -depth_m(*present))


def draw_actors(brush: Brush, view: View, present: Present, *, has_sun: bool) -> tuple[ActorTruth, ...]:
    """Draw everybody present, who come farthest first, and tell what is in the picture of them, in that order."""
    drawn: list[tuple[Actor, Pose, Drawn]] = []
    for actor, pose in present:
        figure = draw_figure(brush, view, actor, pose, has_sun=has_sun)
        seen = None if figure is None else _seen(figure, view.size)
        if seen is not None:
            drawn.append((actor, pose, seen))
    carried = _carried(present)
    shares = _visible([figure for _, _, figure in drawn])
    return tuple(
        _truth(actor, pose, figure.box, carried, share)
        for (actor, pose, figure), share in zip(drawn, shares, strict=True)
        if actor.label != "chair"
    )


def depth_m(actor: Actor, pose: Pose) -> float:
    """Metres away, for painting far to near; a carried bag hides its bringer or is hidden by them, and so do the
    back of a chair and a bicycle."""
    if pose.action == "carried":
        if actor.label == "backpack":
            return pose.z - 0.2 * math.sin(pose.heading)
        return pose.z - 0.3 * math.cos(pose.heading)
    if actor.label == "chair":
        return pose.z - 0.1 * math.sin(pose.heading)
    return pose.z + 0.02 if actor.label in ("bicycle", "motorcycle") else pose.z


def _truth(actor: Actor, pose: Pose, box: Box, carried: Mapping[int, tuple[str, ...]], share: float) -> ActorTruth:
    if actor.label != "person":
        return ActorTruth(actor.id, actor.label, box, pose.action, visible=share)
    held = posture(pose, actor.look.style)
    return ActorTruth(actor.id, actor.label, box, pose.action, held, carried.get(actor.id, ()), share)


def _carried(present: Present) -> dict[int, tuple[str, ...]]:
    carried: dict[int, tuple[str, ...]] = {}
    for actor, pose in present:
        if pose.action == "carried":
            carried[actor.bringer] = (*carried.get(actor.bringer, ()), actor.label)
    return carried


def _seen(figure: Drawn | Box, size: tuple[int, int]) -> Drawn | None:
    """The part of it inside the picture; a plain figure is taken to fill its box."""
    box = figure if isinstance(figure, Box) else figure.box
    seen = Box(max(box.left, 0.0), max(box.top, 0.0), min(box.right, size[0]), min(box.bottom, size[1]))
    if seen.width < _SMALLEST_PX or seen.height < _SMALLEST_PX:
        return None
    if isinstance(figure, Drawn):
        return Drawn(seen, figure.left, figure.top, figure.cover)
    left, top = int(seen.left), int(seen.top)
    shape = math.ceil(seen.bottom) - top, math.ceil(seen.right) - left
    return Drawn(seen, left, top, np.full(shape, 255, np.uint8))


def _visible(figures: Sequence[Drawn]) -> list[float]:
    """Share of each that none of the later ones covers."""
    shares = []
    for at, figure in enumerate(figures):
        covering = [later for later in figures[at + 1 :] if _meet(figure, later)]
        shares.append(_open_share(figure, covering) if covering else 1.0)
    return shares


def _open_share(figure: Drawn, covering: Sequence[Drawn]) -> float:
    own: NDArray[np.bool_] = figure.cover >= _COVERS_FROM
    rest = own.copy()
    for later in covering:
        top, left = later.top - figure.top, later.left - figure.left
        rows = slice(max(top, 0), max(top + later.cover.shape[0], 0))
        columns = slice(max(left, 0), max(left + later.cover.shape[1], 0))
        part = rest[rows, columns]
        hidden = later.cover[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] >= _COVERS_FROM
        part &= ~hidden
    return round(float(rest.sum()) / max(int(own.sum()), 1), 3)


def _meet(one: Drawn, other: Drawn) -> bool:
    a, b = one.box, other.box
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
