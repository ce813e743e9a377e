"""What may happen next, and whether it did: made from the motion of tracks, or said by the model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field

from pipeline.contracts.values import Contract, Fraction, UtcDatetime, utc_text

_MORE_LIKELY_THAN_NOT = 0.5


class ExpectedKind(StrEnum):
    """What can be looked up later."""

    ENTERS = "enters"
    """Goes into a zone that it is not in."""
    CROSSES = "crosses"
    """Goes over a line, whichever way."""
    STAYS = "stays"
    """Is in a zone, and does not leave it."""
    LEAVES = "leaves"
    """Leaves the picture."""


class Expected(Contract):
    """One thing that one track may do next, by its motion."""

    kind: ExpectedKind
    target: str = ""
    """The zone or line; empty where it is about the picture."""
    track_id: int
    what: str
    """For a person: `person 7 enters fence`."""
    within_seconds: Annotated[float, Field(gt=0)]
    """From `made_at`, in event time."""
    probability: Fraction
    made_at: UtcDatetime

    @property
    def words(self) -> str:
        """`person 7 enters fence within 5 s: 70 %`."""
        span = "for" if self.kind is ExpectedKind.STAYS else "within"
        return f"{self.what} {span} {self.within_seconds:g} s: {100 * self.probability:.0f} %"


class Ahead(Contract):
    """Where a track is expected so long from now; pixels."""

    seconds: float
    x: float
    y: float
    spread_px: float
    """Within so far of (x, y) it is with two chances in three."""


class Course(Contract):
    """The way that one track is expected to take."""

    track_id: int
    made_at: UtcDatetime
    points: tuple[Ahead, ...]
    """In order of time; the first is where it stands."""


class Outcome(StrEnum):
    """What became of a forecast."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It cannot be known: the track was lost, the stream ended, or the words name nothing that is measured."""


class ForecastSource(StrEnum):
    """Who made a forecast."""

    MEASURED = "measured"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class KeptForecast:
    """A forecast as it is kept, with what became of it."""

    incident_id: str
    camera_id: str
    rule_id: str
    source: ForecastSource
    kind: str
    """An `ExpectedKind`; of the model's, empty."""
    target: str
    track_id: int | None
    what: str
    within_seconds: float
    probability: float
    made_at: datetime
    """Event time, aware."""
    outcome: Outcome | None = None
    """None until it was looked up."""
    reason: str = ""
    """How that is known: `lost from sight`, `incident 3f2a`."""
    checked_at: datetime | None = None
    """Event time of the measured, wall clock of the model's."""
    kept_at: datetime | None = None
    """Wall clock at which it was stored first."""

    @property
    def id(self) -> str:
        """Stable: the same forecast has the same one, however often it is told."""
        parts = (self.incident_id, self.source.value, self.kind, self.target, str(self.track_id), self.what)
        text = "\x1f".join((*parts, f"{self.within_seconds:g}", utc_text(self.made_at)))
        return hashlib.blake2b(text.encode(errors="replace"), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class ForecastFilter:
    """Which forecasts to list; newest first."""

    incident_id: str | None = None
    camera_id: str | None = None
    rule_id: str | None = None
    source: ForecastSource | None = None
    made_from: datetime | None = None
    is_checked: bool | None = None
    """Looked up by now, or not; None for both."""
    limit: int = 1000


class ForecastStore(Protocol):
    """Keeps forecasts. Thread-safe; `TransientError` when it cannot now."""

    def save(self, forecasts: Iterable[KeptForecast]) -> None:
        """Keep these; an outcome replaces none, and none never replaces an outcome."""
        ...

    def find(self, wanted: ForecastFilter) -> list[KeptForecast]:
        """Newest first."""
        ...


class ForecastSink(Protocol):
    """Takes forecasts on their way to the store. Returns at once, never raises; thread-safe."""

    def put(self, forecasts: Iterable[KeptForecast]) -> None:
        """Made, or looked up."""
        ...


class NullForecastSink:
    """Nobody keeps them."""

    def put(self, forecasts: Iterable[KeptForecast]) -> None:
        """Ignore."""


def most_telling(expected: Sequence[Expected]) -> Expected | None:
    """The soonest change that is more likely than not; where none is, the likeliest of all."""
    changes = [one for one in expected if one.kind is not ExpectedKind.STAYS]
    likely = [one for one in changes if one.probability >= _MORE_LIKELY_THAN_NOT]
    if likely:
        return min(likely, key=lambda one: (one.within_seconds, -one.probability))
    return max(expected, key=lambda one: one.probability, default=None)


def each_thing(expected: Sequence[Expected]) -> list[Expected]:
    """Of every thing that is expected the most telling horizon; the order stays."""
    groups: dict[tuple[int, ExpectedKind, str], list[Expected]] = {}
    for one in expected:
        groups.setdefault((one.track_id, one.kind, one.target), []).append(one)
    told = (most_telling(group) for group in groups.values())
    return [one for one in told if one is not None]
