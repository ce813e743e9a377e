"""Rules that go by a score: `when`, `examples`, `unusual`.

A scorer says how well vectors of the encoder's space fit a rule; this makes a rule's measure on one camera of it: of
the whole picture, or of each thing that the rule is about by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Fact
from pipeline.contracts.observation import Observation, Region
from pipeline.contracts.rule import Rule
from pipeline.events.reading import Reading
from pipeline.events.tracks import TrackBook
from pipeline.events.zones import Area

Vectors = NDArray[np.float32]
"""(N, D), rows of unit length."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well one vector fits."""

    score: float
    """0..1; NaN when it cannot be said."""
    reason: str = ""
    """For a person, what it is most like: `like “a person climbing a fence” rather than “people walking by”`."""


class Scorer(Protocol):
    """Vectors to scores. May be shared by cameras; used by one thread."""

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:
        """One match a row, in order. `at`: the time of the picture, aware."""
        ...

    @property
    def missing(self) -> str:
        """Why it cannot score yet, a stable phrase and more on it (`learning what is normal: 3 h of 24 h`), or `""`."""
        ...


class ScoredPredicate:
    """A scored rule's measure on one camera; a `Predicate`. The best match of the picture counts."""

    def __init__(self, rule: Rule, scorer: Scorer, area: Area | None) -> None:
        self._scorer = scorer
        self._labels = rule.object
        self._area = area
        self._kind = "when" if rule.when is not None else "examples" if rule.examples is not None else "unusual"
        self._what = f"“{rule.when}”" if rule.when is not None else rule.id

    def measure(self, observation: Observation, book: TrackBook) -> Reading:  # noqa: ARG002 - a Predicate's signature
        """Score one observation."""
        if self._scorer.missing:
            reason, _, detail = self._scorer.missing.partition(": ")
            return Reading(None, reason=reason, detail=detail)
        if observation.embedding is None:
            return Reading(None, reason="no embedding")
        regions = [region for region in observation.regions if self._counts(region)]
        vectors = (
            [observation.embedding] if not self._labels else [e for r in regions if (e := r.embedding) is not None]
        )
        if not vectors:
            # Nothing of the kind is there: that is a score, and the lowest.
            return Reading(0.0, reason="nothing to look at")
        matches = self._scorer.match(np.stack(vectors), observation.captured_at)
        best = max(range(len(matches)), key=lambda index: _rank(matches[index].score))
        match, region = matches[best], regions[best] if self._labels else None
        if not math.isfinite(match.score):
            return Reading(None, reason="no score")
        fact = self._fact(match, region, observation.captured_at)
        return Reading(match.score, reason="below threshold", facts=(fact,), vector=vectors[best])

    def _counts(self, region: Region) -> bool:
        is_kind = region.label in self._labels or "any" in self._labels
        has_looked = is_kind and region.embedding is not None
        return has_looked and (self._area is None or self._area.depth_px(*region.box.foot) >= 0)

    def _fact(self, match: Match, region: Region | None, at: datetime) -> Fact:
        text = f"{self._what} scored {match.score:.2f}"
        if region is not None:
            text = f"{region.label} {region.track_id or ''}".rstrip() + f": {text}"
        return Fact(
            kind=self._kind,
            text=f"{text} ({match.reason})" if match.reason else text,
            at=at,
            value=match.score,
            unit="score",
            track_id=region.track_id if region is not None else None,
            position=region.box.foot if region is not None else None,
        )


def _rank(score: float) -> float:
    return score if math.isfinite(score) else -1.0


def objects_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Labels of the things that these rules look at one by one."""
    return tuple(sorted({label for rule in rules if rule.enabled for label in rule.object}))
