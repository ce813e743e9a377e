"""`unusual: true`: how far a picture is from what its camera normally sees, and what it looks like."""

from __future__ import annotations

import math
from datetime import datetime

from pipeline.events.coreset import Vector
from pipeline.events.normal import NormalBank
from pipeline.events.scored import Match, Scorer, Vectors

_HALF_WAY = 2.0
"""Surprise that scores 0.5. Then the fixed levels, until a camera's own are learned, are met by what one normal
picture in a thousand reaches (0.6), and no longer by what one in twenty does (0.4)."""
_LEARNED_BELOW = 2.0
"""Surprise up to which a picture counts as normal when the captions' scores on normal pictures are learned."""
_EVERY_SECONDS = 5.0
"""Between two scores of captions that are learned: frames sooner after each other say the same."""


class UnusualScorer:
    """Scores one camera's pictures by its bank, and by a memory of captions if there is one; a `Scorer`.

    Until the bank's burn-in is over the captions alone speak, in their own scores. After it, both are weighed by how
    rare they are on this camera's normal pictures, and the rarer counts.
    """

    def __init__(self, bank: NormalBank, captions: Scorer | None = None) -> None:
        self._bank, self._captions = bank, captions
        self._noted_at = -math.inf

    @property
    def missing(self) -> str:
        """What the bank lacks, if no captions stand in for it."""
        return "" if self._speaking() is not None else self._bank.missing

    def match(self, vectors: Vectors, at: datetime) -> list[Match]:
        """One match a row; NaN where nothing can be said."""
        captions = self._speaking()
        said = captions.match(vectors, at) if captions is not None else [Match(math.nan)] * len(vectors)
        if self._bank.missing:
            return said
        novelties = [float(novelty) for novelty in self._bank.novelty(vectors, at)]
        self._note(novelties, said, at)
        rows = zip(vectors, novelties, said, strict=True)
        return [self._weigh(vector, novelty, caption, at) for vector, novelty, caption in rows]

    def _speaking(self) -> Scorer | None:
        return self._captions if self._captions is not None and not self._captions.missing else None

    def _weigh(self, vector: Vector, novelty: float, caption: Match, at: datetime) -> Match:
        by_bank, by_caption = self._bank.surprise(novelty), self._bank.captions.surprise(caption.score)
        known = [surprise for surprise in (by_bank, by_caption) if surprise is not None]
        if not known:
            return Match(math.nan)
        reasons = [self._bank.words(vector, novelty, at), caption.reason]
        if by_caption is not None and by_caption == max(known):
            reasons.reverse()
        return Match(score_of(max(known)), "; ".join(reason for reason in reasons if reason))

    def _note(self, novelties: list[float], said: list[Match], at: datetime) -> None:
        """Learn what captions score here on what the bank finds normal: an attack is not to raise their measure."""
        if 0 <= at.timestamp() - self._noted_at < _EVERY_SECONDS:
            return
        for novelty, caption in zip(novelties, said, strict=True):
            surprise = self._bank.surprise(novelty)
            if surprise is not None and surprise <= _LEARNED_BELOW and math.isfinite(caption.score):
                self._bank.captions.add(caption.score)
                self._noted_at = at.timestamp()


def score_of(surprise: float) -> float:
    """0..1, ever rising: 0.5 for one normal picture in a hundred, 0.6 in a thousand, 0.75 in a million."""
    return surprise / (surprise + _HALF_WAY)
