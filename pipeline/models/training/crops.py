"""Boxes to cut from one rendered frame: actors as a detector or a motion mask would box them, and boxes of nothing.

In: the truth of a frame. Out: boxes with what they show. Boxes shake, lose a part of the thing, take in its shadow,
or run together with a neighbour's, since a motion mask does all of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.contracts.values import Box
from pipeline.models.regions import ACTIONS, CARRIED, LABELS, NOTHING, POSES
from pipeline.scenes import ActorTruth

UNTOLD = -1
"""A head is not asked about this crop."""
MOST_ACTORS = 8
_LEAST_HEIGHT_PX = 7.0
_LEAST_VISIBLE = 0.35
_TOUCHING = 0.05
_CARRIED_SHARE = 0.2
"""Of carried bags, how many are cut out by themselves: motion never shows one without its bringer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One box and its truth, as numbers of the heads' words."""

    box: Box
    label: int
    pose: int
    action: int
    carrying: tuple[float, float, float] | None
    """None: not asked."""
    actor: ActorTruth | None
    """None where there is nothing, or where two have run together."""


def boxes_of(actors: Sequence[ActorTruth], size_px: tuple[int, int], rng: np.random.Generator) -> list[Seen]:
    """What to cut from a frame: at most `MOST_ACTORS` things, and a place with nothing."""
    shown = [actor for actor in actors if _is_shown(actor, rng)]
    chosen = rng.permutation(len(shown))[:MOST_ACTORS]
    seen = [_one(shown[int(n)], actors, rng) for n in chosen]
    return seen + [_nothing(box) for box in _empty_boxes(actors, size_px, rng)]


def told(actor: ActorTruth, box: Box) -> Seen:
    """An actor's truth under a box."""
    is_person = actor.label == "person"
    carrying = tuple(float(name in actor.carrying) for name in CARRIED)
    return Seen(
        box,
        LABELS.index(actor.label),
        POSES.index(actor.pose) if actor.pose in POSES else UNTOLD,
        ACTIONS.index(actor.action) if is_person and actor.action in ACTIONS else UNTOLD,
        (carrying[0], carrying[1], carrying[2]) if is_person else None,
        actor,
    )


def _is_shown(actor: ActorTruth, rng: np.random.Generator) -> bool:
    if actor.label not in LABELS or actor.box.height < _LEAST_HEIGHT_PX or actor.visible < _LEAST_VISIBLE:
        return False
    return actor.action != "carried" or bool(rng.random() < _CARRIED_SHARE)


def _one(actor: ActorTruth, others: Sequence[ActorTruth], rng: np.random.Generator) -> Seen:
    way = rng.random()
    if way < 0.12:
        near = [one for one in others if one.id != actor.id and one.label == actor.label and _gap(one, actor) < 0.3]
        if near:
            return _merged(actor, near[int(rng.integers(len(near)))])
    if way < 0.30:
        return told(actor, _loose(actor.box, rng))
    return told(actor, _shaken(actor.box, rng))


def _merged(first: ActorTruth, second: ActorTruth) -> Seen:
    """Two of a kind in one box: told by what they share."""
    a, b = first.box, second.box
    box = Box(min(a.left, b.left), min(a.top, b.top), max(a.right, b.right), max(a.bottom, b.bottom))
    one, other = told(first, box), told(second, box)
    pose = one.pose if one.pose == other.pose else UNTOLD
    action = one.action if one.action == other.action else UNTOLD
    return Seen(box, one.label, pose, action, None, None)


def _shaken(box: Box, rng: np.random.Generator) -> Box:
    """As a detector is off: some percent at every edge."""
    left, top, right, bottom = rng.normal(0, 0.05, 4) * (box.width, box.height, box.width, box.height)
    return Box(box.left + left, box.top + top, box.right + right, box.bottom + bottom)


def _loose(box: Box, rng: np.random.Generator) -> Box:
    """As a motion mask is off: with shadow and trail, or without a part of the thing."""
    left, top, right, bottom = rng.uniform(-0.15, 0.45, 4) * (box.width, box.height, box.width, box.height)
    return Box(box.left - left, box.top - top * 0.5, box.right + right, box.bottom + bottom * 0.5)


def _empty_boxes(actors: Sequence[ActorTruth], size_px: tuple[int, int], rng: np.random.Generator) -> list[Box]:
    """A box of a usual size that touches nobody, if one is found."""
    for _ in range(8):
        height = float(np.exp(rng.uniform(np.log(10), np.log(size_px[1] * 0.5))))
        width = min(height * float(np.exp(rng.uniform(np.log(0.3), np.log(2.2)))), size_px[0] * 0.6)
        left, top = rng.uniform(0, size_px[0] - width), rng.uniform(0, size_px[1] - height)
        box = Box(float(left), float(top), float(left) + width, float(top) + height)
        if all(_shared(box, actor.box) < _TOUCHING for actor in actors):
            return [box]
    return []


def _nothing(box: Box) -> Seen:
    return Seen(box, LABELS.index(NOTHING), UNTOLD, UNTOLD, None, None)


def _shared(first: Box, second: Box) -> float:
    """What they share, as a part of the smaller one."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / max(min(first.area, second.area), 1.0)


def _gap(first: ActorTruth, second: ActorTruth) -> float:
    """Between two boxes, in heights of the larger; 0 when they touch."""
    across = max(first.box.left, second.box.left) - min(first.box.right, second.box.right)
    down = max(first.box.top, second.box.top) - min(first.box.bottom, second.box.bottom)
    return max(across, down, 0.0) / max(first.box.height, second.box.height, 1.0)
