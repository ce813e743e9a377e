"""Examples of a rule as vectors: what was shown in the site file, and what reviews add."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.values import pack_vector, unpack_vector
from pipeline.errors import InvalidMessage

_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class ExampleSet:
    """What was shown. Several rows of one name are one example: the frames of a clip."""

    positive: NDArray[np.float32]
    """(P, D), rows of unit length."""
    negative: NDArray[np.float32]
    """(N, D), rows of unit length."""
    positive_names: tuple[str, ...]
    """For a person; one a row."""
    negative_names: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """For a person: what makes these examples weaker than they could be."""


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedVector:
    """What a person said of what a rule told."""

    vector: NDArray[np.float32]
    """(D,), unit length: what the alert was raised by."""
    is_positive: bool
    """Confirmed, not rejected."""
    name: str
    """For a person: `incident 3f2a`."""


def dump_reviewed(reviewed: Sequence[ReviewedVector]) -> bytes:
    """As `Learned.body` of the kind `EXAMPLES`."""
    rows = [{"vector": pack_vector(one.vector), "is_positive": one.is_positive, "name": one.name} for one in reviewed]
    return json.dumps({"version": _VERSION, "examples": rows}).encode()


def load_reviewed(body: bytes) -> list[ReviewedVector]:
    """The other way round; `InvalidMessage` for what was written by something else."""
    try:
        read = json.loads(body)
        if read["version"] != _VERSION:
            raise InvalidMessage(f"expected examples of version {_VERSION}, got version {read['version']}")
        found = [(unpack_vector(row["vector"]), bool(row["is_positive"]), str(row["name"])) for row in read["examples"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidMessage(f"these are no examples: {error}") from error
    return [ReviewedVector(vector, is_positive, name) for vector, is_positive, name in found if vector is not None]
