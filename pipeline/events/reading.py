"""What a rule measured in one observation, and which tracks it looks at.

The words that predicates, word scorers and the state machine share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Fact
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import ANY_OBJECT
from pipeline.events.boundary import boundary_of
from pipeline.events.tracks import Track, TrackBook
from pipeline.events.zones import Area, Point

ELSEWHERE = "only elsewhere"
"""Why a rule about a zone is not met: what counts is seen, none of it in there."""
NOT_PASSING = "inside, not passing"
"""The same: what counts is in there, and was not seen going in or out."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was measured, and against what."""

    score: float | None
    """`track`: share of the limit, 1 or more is met. `when`: 0..1. None when nothing could be measured."""
    value: float | None = None
    limit: float | None = None
    """The numbers behind a `track` score, in the verb's own unit."""
    reason: str = ""
    """Why it is not met: a short stable phrase for the ledger."""
    facts: tuple[Fact, ...] = ()
    """What meets it."""
    vector: NDArray[np.float32] | None = None
    """(D,): what a score was made from."""
    detail: str = ""
    """More on the reason, for a person."""


class Predicate(Protocol):
    """One rule's measure on one camera. Called once an observation, in order of time."""

    def measure(self, observation: Observation, book: TrackBook) -> Reading:
        """Read one observation; `book` holds the tracks after it."""
        ...


class Among:
    """The tracks that a rule looks at: by label, and by the rule's own zone."""

    def __init__(self, labels: tuple[str, ...], area: Area | None) -> None:
        self.labels = labels
        self._area = area
        self._boundary = boundary_of(area) if area else None

    def update(self, book: TrackBook) -> None:
        """Follow the tracks over the zone's boundary; before any question about this observation."""
        if self._boundary is not None:
            self._boundary.update(book.visible, book.forgotten)

    def has_label(self, track: Track) -> bool:
        """Whether it is a kind of thing that counts."""
        return ANY_OBJECT in self.labels or track.label in self.labels

    def holds(self, track: Track) -> bool:
        """Whether it counts where it stands now."""
        return self.has_label(track) and (self._boundary is None or self._boundary.is_positive(track))

    def holds_at(self, track: Track, place: Point, slack_px: float = 0.0) -> bool:
        """Whether it counts at `place`, give or take."""
        return self.has_label(track) and (self._area is None or self._area.depth_px(*place) >= -slack_px)


def moment(book: TrackBook, seconds: float) -> datetime:
    """A time in event seconds, as the time of day it was."""
    return book.at - timedelta(seconds=book.seconds - seconds)


def seconds_text(seconds: float) -> str:
    """For a person: `21 s`, `2 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
