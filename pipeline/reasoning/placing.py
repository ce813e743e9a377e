"""Where boxes lie to each other: whether a claimed box meets what was seen, and whether a spatial claim agrees.

Boxes are absolute pixels of one picture. Only clear contradictions count: a model speaks of things, not of boxes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.contracts.assessment import Relation, RelationKind
from pipeline.contracts.values import Box

_TOUCHING = 0.25
"""Gap between things that touch, as a share of the smaller one's longer side: boxes are loose."""
_BESIDE = 1.5
"""Gap between things next to each other, as a share of the larger one's longer side."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as support. Chosen on one half of `benchmarks/grounding.py`, judged on the other."""

    min_iou: float = 0.3
    """A claimed box meets a region so much, or one lies within the other …"""
    min_inside: float = 0.7
    """… by this share of its own area …"""
    min_size: float = 0.2
    """… and is not smaller than this share of the other."""
    min_edges: float = 6.0
    """Grey levels a pixel: the 90th percentile of the gradient in a box that holds something …"""
    edge_share: float = 1.0
    """… or this share of the whole picture's, where that is less: by night there are few edges anywhere."""
    max_picture_share: float = 0.9
    """A box of more than this share of the picture says nothing about where."""
    count_slack: float = 0.25
    """Things the detector may have missed, as a share of those it saw."""


def meets(claim: Box, region: Box, limits: Limits, *, is_many: bool = False) -> bool:
    """Whether a claimed box is about a region: they overlap enough, or one lies within the other and is not much
    smaller. `is_many`: the claim is about several, so that each may be small in it."""
    if claim.iou(region) >= limits.min_iou:
        return True
    is_part = share_inside(claim, region) >= limits.min_inside and claim.area >= limits.min_size * region.area
    is_whole = share_inside(region, claim) >= limits.min_inside
    return is_part or (is_whole and (is_many or region.area >= limits.min_size * claim.area))


def share_inside(box: Box, other: Box) -> float:
    """Share of `box` that lies in `other`, 0..1."""
    width = min(box.right, other.right) - max(box.left, other.left)
    height = min(box.bottom, other.bottom) - max(box.top, other.top)
    return width * height / box.area if width > 0 and height > 0 and box.area else 0.0


def spatial_kind(relation: Relation) -> RelationKind:
    """The kind that boxes can contradict, by the list or else by the model's own words; `OTHER` for all others."""
    if relation.kind is not RelationKind.OTHER:
        return relation.kind if relation.kind in _AGREES else RelationKind.OTHER
    words = f" {relation.relation.lower()} "
    return next((kind for kind in _SAID_ALONE if f" {kind.value} " in words), RelationKind.OTHER)


def agrees(kind: RelationKind, subject: Box, thing: Box) -> bool:
    """Whether the boxes do not contradict that `subject` is so to `thing`."""
    return _AGREES[kind](subject, thing)


def _gap(one: Box, other: Box) -> float:
    """Pixels between two boxes; 0 where they meet."""
    across = max(one.left - other.right, other.left - one.right, 0.0)
    down = max(one.top - other.bottom, other.top - one.bottom, 0.0)
    return math.hypot(across, down)


def _touch(one: Box, other: Box) -> bool:
    smaller = min(max(one.width, one.height), max(other.width, other.height))
    return _gap(one, other) <= _TOUCHING * smaller


def _beside(one: Box, other: Box) -> bool:
    return _gap(one, other) <= _BESIDE * max(one.width, one.height, other.width, other.height)


def _inside(one: Box, other: Box) -> bool:
    """By most of it, or by where it stands."""
    x, y = one.foot
    stands = other.left <= x <= other.right and other.top <= y <= other.bottom
    return stands or share_inside(one, other) >= 0.5


_AGREES: Mapping[RelationKind, Callable[[Box, Box], bool]] = {
    RelationKind.LEFT_OF: lambda one, other: one.centre[0] < other.centre[0],
    RelationKind.RIGHT_OF: lambda one, other: one.centre[0] > other.centre[0],
    RelationKind.ABOVE: lambda one, other: one.centre[1] < other.centre[1],
    RelationKind.BELOW: lambda one, other: one.centre[1] > other.centre[1],
    RelationKind.INSIDE: _inside,
    RelationKind.OUTSIDE: lambda one, other: share_inside(one, other) < 0.9,
    RelationKind.ON: _touch,
    RelationKind.TOUCHES: _touch,
    RelationKind.HOLDS: _touch,
    RelationKind.CARRIES: _touch,
    RelationKind.RIDES: _touch,
    RelationKind.NEXT_TO: _beside,
    RelationKind.FAR_FROM: lambda one, other: not _touch(one, other),
}
_SAID_ALONE = (
    RelationKind.LEFT_OF, RelationKind.RIGHT_OF, RelationKind.ABOVE, RelationKind.BELOW, RelationKind.INSIDE,
    RelationKind.OUTSIDE, RelationKind.NEXT_TO, RelationKind.FAR_FROM,
)  # fmt: skip
"""Looked for in free words: these mean nothing else there, as `on` would (`puts on`)."""
