"""Arrays as bytes and back: a line of JSON that says what follows, then the numbers. No pickle, nothing compressed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
_TYPES = ("<f2", "<f4", "<f8", "<i4")


def pack(header: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Columns of float16, float32, float64 or int32."""
    arrays = {name: [column.dtype.str, column.shape] for name, column in columns.items()}
    head = json.dumps({**header, "arrays": arrays}).encode()
    return head + b"\n" + b"".join(column.tobytes() for column in columns.values())


def unpack(body: bytes) -> tuple[dict[str, Any], Columns]:
    """Header and columns, which may be written to; `ValueError` or `TypeError` for what `pack` did not make."""
    head, _, rest = body.partition(b"\n")
    header = json.loads(head)
    if not isinstance(header, dict):
        raise ValueError("it has no header")
    columns: Columns = {}
    for name, (kind, shape) in dict(header.pop("arrays", {})).items():
        if kind not in _TYPES or any(type(side) is not int or side < 0 for side in shape):
            raise ValueError(f"{name} is no array of numbers")
        size = math.prod(shape) * np.dtype(kind).itemsize
        column = np.frombuffer(rest[:size], kind).reshape(shape).copy()
        rest = rest[size:]
        if not np.isfinite(column).all():
            raise ValueError(f"{name} has numbers that are not finite")
        columns[name] = column
    if rest:
        raise ValueError(f"{len(rest)} bytes too many")
    return header, columns
