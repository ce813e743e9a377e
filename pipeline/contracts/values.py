"""Scalars every contract shares: durations, identifiers, points, boxes, severities."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Image = NDArray[np.uint8]
"""HWC uint8 RGB, 0–255. Whoever receives one must not write to it."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> Any:
    """Turn `45s`, `1h30m`, `250ms` or a bare number of seconds into seconds; pass anything else on."""
    if not isinstance(value, str):
        return value
    text = value.strip().replace(" ", "")
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"expected a duration such as 45s, 5m or 1h30m, got {value!r}") from None


Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=0, le=366 * 86400, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"},
            ],
            "description": "A duration: 45s, 5m, 1h30m, or a number of seconds.",
        }
    ),
]
"""A duration in seconds; in a site file also `45s`, `5m`, `1h30m`."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""A short name: letters, digits, `_`, `.`, `-`; at most 63 characters."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
NormalisedPoint = tuple[Fraction, Fraction]
"""(x, y) as fractions of the picture's width and height; origin top left."""

UtcDatetime = AwareDatetime
"""Aware; written as UTC."""


class Severity(StrEnum):
    """How much a person should care, least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low … 3 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned rectangle, absolute pixels, half-open: x in [left, right), y in [top, bottom)."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Square pixels; 0 for an empty box."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y), pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def foot(self) -> tuple[float, float]:
        """(x, y) of the middle of the lower edge: where the thing stands, pixels."""
        return (self.left + self.right) / 2, self.bottom

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


class Contract(BaseModel):
    """Base of what crosses a border as JSON: frozen, closed, times aware, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def pack_vector(vector: NDArray[np.float32] | None) -> str:
    """A vector as text for JSON: float16, little endian, base64; `""` for None."""
    return "" if vector is None else base64.b64encode(np.asarray(vector, "<f2").tobytes()).decode("ascii")


def unpack_vector(text: str) -> NDArray[np.float32] | None:
    """The other way round, (D,) float32; None for `""` and for what is no such text."""
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    except ValueError:
        return None
    return vector if vector.size and np.isfinite(vector).all() else None


def utc_text(moment: datetime) -> str:
    """ISO 8601 with milliseconds and `Z`, the one form of a time in ids, logs and webhooks."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
