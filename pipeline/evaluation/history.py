"""What a rule makes of the clips of incidents that people have judged: of how many right and false alerts it tells.

In: recordings that are such clips, and a rule's figures on them. Out: counts, with the interval that so few leave open.
What a rule alerted on is all that clips are kept of: of moments at which none did, nothing can be said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.incident import Incident
from pipeline.evaluation.figures import Interval
from pipeline.evaluation.recordings import Recording, RuleFigures
from pipeline.evaluation.reviews import exact_interval


@dataclass(frozen=True, slots=True)
class Share:
    """Of the alerts of one kind that were read again."""

    num_told: int
    num_read: int

    @property
    def interval(self) -> Interval | None:
        """95 %, exact; None of none."""
        return Interval(*exact_interval(self.num_told, self.num_read - self.num_told)) if self.num_read else None


@dataclass(frozen=True, slots=True)
class Retold:
    """Of the alerts that one rule gave then, how many a rule tells now: it alerts anywhere in the clip."""

    told_by: str
    """The rule that gave them."""
    right: Share
    """Of those that people found right."""
    wrong: Share
    """Of those that they found false."""
    unreviewed: Share
    """Of those that nobody has judged."""


def retold(figures: RuleFigures, recordings: Sequence[Recording]) -> list[Retold]:
    """Of its own alerts; of each other rule's, by name, for a rule that has none of its own among the recordings.

    What people said of another rule's alert is no truth of this one's, but all there is for one that is new.
    """
    told = {hit.recording.name for hit in figures.hits}
    shown = [
        (one.incident, one.name in told)
        for one in recordings
        if one.incident is not None and figures.rule.id in one.rule_ids
    ]
    givers = sorted({incident.rule_id for incident, _ in shown})
    own = [figures.rule.id] if figures.rule.id in givers else givers
    return [_retold(giver, [pair for pair in shown if pair[0].rule_id == giver]) for giver in own]


def _retold(told_by: str, shown: Sequence[tuple[Incident, bool]]) -> Retold:
    said = [(incident.review.is_right if incident.review else None, is_told) for incident, is_told in shown]
    right, wrong, unreviewed = ([is_told for word, is_told in said if word is kind] for kind in (True, False, None))
    return Retold(told_by, *(Share(sum(one), len(one)) for one in (right, wrong, unreviewed)))
