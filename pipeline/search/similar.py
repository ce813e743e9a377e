"""Moments that look alike, each told once: neighbours of a vector in, a few different moments out.

A thing that stands still for an hour looks the same in 3,600 moments. Of one camera those within a minute of a better
one are the same moment, and so are the two that may be kept of one incident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.vectors import Among, Neighbour, VectorStore

SAME_MOMENT = timedelta(minutes=1)
_FIRST = 8
"""Times as many neighbours are looked up as moments are wanted."""
_AGAIN = 4
"""So many times more where those are too much alike: of what stood still for minutes all are the same few moments."""
_MOST = 4_096


def similar_moments(
    store: VectorStore, model_id: str, vector: NDArray[np.float32], among: Among, limit: int
) -> list[Neighbour]:
    """The most alike first, no two of them the same moment; fewer than `limit` when there are no more.

    A moment of which no picture was kept takes over the incident of the same minute that has some.
    """
    number = limit * _FIRST
    while True:
        found = store.search(model_id, vector, among, number)
        moments = _different(found, limit)
        if len(moments) == limit or len(found) < number or number >= _MOST:
            return moments
        number = min(number * _AGAIN, _MOST)


def _different(neighbours: Iterable[Neighbour], limit: int) -> list[Neighbour]:
    chosen: list[Neighbour] = []
    for one in neighbours:
        same = next((n for n, other in enumerate(chosen) if _is_same(one, other)), None)
        if same is None:
            chosen += [one] if len(chosen) < limit else []
        elif one.incident_id and not chosen[same].incident_id:
            chosen[same] = replace(chosen[same], incident_id=one.incident_id)
    return chosen


def _is_same(one: Neighbour, other: Neighbour) -> bool:
    if one.camera_id != other.camera_id:
        return False
    if one.incident_id and other.incident_id:
        return one.incident_id == other.incident_id
    return abs(one.captured_at - other.captured_at) < SAME_MOMENT
