"""Vectors to keep, and a store of them that needs no files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.vectors import Among, KeptVector, Neighbour
from pipeline.errors import SightlineError

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPACE = "colours"


def seconds(number: float) -> datetime:
    """So long after `START`."""
    return START + timedelta(seconds=number)


def unit(*numbers: float) -> NDArray[np.float32]:
    """A vector of unit length."""
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def kept(at_seconds: float, *numbers: float, camera: str = "gate", **given: Any) -> KeptVector:
    """A moment so long after `START` that looked like this."""
    at = seconds(at_seconds)
    return KeptVector(camera, at, given.pop("kept_at", at), given.pop("model_id", SPACE), unit(*numbers), **given)


def crowd(number: int, num_dimensions: int = 16, *, seed: int = 5, camera: str = "gate") -> list[KeptVector]:
    """Moments, one a second, each unlike the others."""
    rng = np.random.default_rng(seed)
    return [kept(n, *rng.normal(size=num_dimensions), camera=camera) for n in range(number)]


class MemoryVectors:
    """A `VectorStore` in memory, exact; takes nothing while it has a `fault`."""

    def __init__(self) -> None:
        self.kept: list[KeptVector] = []
        self.fault: SightlineError | None = None
        self.num_upkeeps = 0

    def add(self, vectors: Sequence[KeptVector]) -> None:
        if self.fault is not None:
            raise self.fault
        self.kept += vectors

    def search(self, model_id: str, vector: NDArray[np.float32], among: Among, limit: int) -> list[Neighbour]:
        found = [
            Neighbour(
                one.camera_id,
                one.captured_at,
                float(one.vector @ vector),
                tuple(sorted(one.labels)),
                tuple(sorted(one.zones)),
                one.incident_id,
            )
            for one in self.kept
            if one.model_id == model_id and one.vector.size == vector.size and _is_among(one, among)
        ]
        return sorted(found, key=lambda one: -one.similarity)[:limit]

    def num_of_others(self, model_id: str, num_dimensions: int, among: Among) -> int:
        ours = model_id, num_dimensions
        return sum((one.model_id, one.vector.size) != ours and _is_among(one, among) for one in self.kept)

    def erase(self, camera_id: str, start: datetime, end: datetime, incident_ids: Sequence[str] = ()) -> int:
        return self._without(
            lambda one: (
                one.camera_id == camera_id and (start <= one.captured_at < end or one.incident_id in incident_ids)
            )
        )

    def forget_before(self, before: datetime) -> int:
        return self._without(lambda one: one.kept_at < before)

    def upkeep(self) -> None:
        self.num_upkeeps += 1

    def close(self) -> None:
        pass

    def _without(self, is_gone: Any) -> int:
        left = [one for one in self.kept if not is_gone(one)]
        num_gone, self.kept = len(self.kept) - len(left), left
        return num_gone


def _is_among(one: KeptVector, among: Among) -> bool:
    return (
        (not among.camera_ids or one.camera_id in among.camera_ids)
        and (not among.labels or bool(one.labels & set(among.labels)))
        and (not among.zones or bool(one.zones & set(among.zones)))
        and (among.start is None or one.captured_at >= among.start)
        and (among.end is None or one.captured_at < among.end)
    )
