"""What moments looked like, as vectors: kept by camera and time, found by likeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class KeptVector:
    """One moment of one camera, in the space of one encoder."""

    camera_id: str
    captured_at: datetime
    """Aware, UTC."""
    kept_at: datetime
    """From then on it is kept for so long: a recording tells today of what happened years ago."""
    model_id: str
    """Of the encoder: vectors of two encoders are never compared."""
    vector: NDArray[np.float32]
    """(D,), finite, unit length."""
    labels: frozenset[str] = frozenset()
    """What things were in the picture."""
    zones: frozenset[str] = frozenset()
    """In which of the camera's zones something stood."""
    incident_id: str = ""
    """The incident that this is the peak of; empty for a moment like any other."""


@dataclass(frozen=True, slots=True)
class Among:
    """Which moments are looked through; what is empty or None asks for nothing."""

    camera_ids: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """With something in any of these."""
    labels: tuple[str, ...] = ()
    """With any of these in the picture."""
    start: datetime | None = None
    end: datetime | None = None
    """[start, end), aware."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A kept moment, and how alike it is."""

    camera_id: str
    captured_at: datetime
    similarity: float
    """Cosine, -1 to 1."""
    labels: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    incident_id: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """What a search by likeness came to."""

    moments: tuple[Neighbour, ...]
    """The most alike first."""
    num_not_compared: int
    """Moments of the same cameras and times that another encoder saw, before the site's was changed: not found."""


class VectorStore(Protocol):
    """Keeps vectors. Thread-safe, and several processes may use one place.

    Each method may block for as long as the place needs; `TransientError` when it cannot now, `ConfigError` for a
    place that can never work. What was added is found by the next search, in this process and in others.
    """

    def add(self, vectors: Sequence[KeptVector]) -> None:
        """Keep these: of each encoder all or none."""
        ...

    def search(self, model_id: str, vector: NDArray[np.float32], among: Among, limit: int) -> list[Neighbour]:
        """The most alike of that encoder, the nearest first; none where none are kept.

        Exact among few; among many approximate, with the right similarities.
        """
        ...

    def num_of_others(self, model_id: str, num_dimensions: int, among: Among) -> int:
        """How many moments are kept that a search by that encoder does not compare: another saw them."""
        ...

    def erase(self, camera_id: str, start: datetime, end: datetime, incident_ids: Sequence[str] = ()) -> int:
        """Remove a camera's moments in [start, end) and those of these incidents, from the files too; how many.

        To be repeated when it failed half-way.
        """
        ...

    def forget_before(self, before: datetime) -> int:
        """Remove what was kept before then, of every camera; how many. The files follow with the upkeep."""
        ...

    def upkeep(self) -> None:
        """Merge small files, keep the index true to what is kept, let old versions go. Minutes, for a million."""
        ...

    def close(self) -> None:
        """Let go of the place; may be called twice."""
        ...
