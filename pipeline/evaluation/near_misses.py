"""How close a rule came to an alert that it did not raise: the ledger's values nearest under what they had to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.incident import Incident

CLOSE_ENOUGH = 0.5
"""Half of what was needed: less is no near miss but nothing at all."""
_MEASURED = (Gate.PREDICATE, Gate.THRESHOLD, Gate.DWELL)
_AROUND = timedelta(seconds=5)
"""So soon before and after an incident the score climbs to it and falls from it."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """The closest a rule came in one minute."""

    minute: datetime
    count: DecisionCount
    """The refusal that was closest, with its value and threshold."""
    closeness: float
    """Value by threshold, 0.5..1."""


def near_misses(rule_id: str, counts: Sequence[DecisionCount], incidents: Sequence[Incident]) -> list[NearMiss]:
    """One a minute at most, in time order. Minutes in which the rule was met do not count: those with an incident of
    its own, and those in which only its cooldown held it back."""
    own = [count for count in counts if count.rule_id == rule_id]
    cooling = {count.minute for count in own if count.gate is Gate.COOLDOWN}
    best: dict[datetime, NearMiss] = {}
    for count in own:
        closeness = _closeness(count)
        if closeness < CLOSE_ENOUGH or count.minute in cooling or _is_met(rule_id, count.minute, incidents):
            continue
        if count.minute not in best or closeness > best[count.minute].closeness:
            best[count.minute] = NearMiss(count.minute, count, closeness)
    return [best[minute] for minute in sorted(best)]


def _closeness(count: DecisionCount) -> float:
    """0 where nothing was measured."""
    if count.passed or count.gate not in _MEASURED or count.max_value is None or not count.threshold:
        return 0.0
    return min(count.max_value / count.threshold, 1.0)


def _is_met(rule_id: str, minute: datetime, incidents: Sequence[Incident]) -> bool:
    return any(
        one.rule_id == rule_id
        and one.candidate.started_at - _AROUND < minute + _MINUTE
        and minute <= (one.candidate.ended_at or one.candidate.opened_at) + _AROUND
        for one in incidents
    )
