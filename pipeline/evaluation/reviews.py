"""What people say of alerts, added up: the share that was right, by rule and over time.

In: incidents with or without a review. Out: counts by rule, camera and period, with the interval that so few reviews
leave open. Incidents about the camera itself are left out: they are measured, not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from scipy.special import betaincinv

from pipeline.contracts.incident import Incident
from pipeline.evaluation.figures import CONFIDENCE

Period = Literal["day", "week", "all"]
"""What is counted together."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Of one rule, and of one camera if they are kept apart, in one period."""

    rule_id: str
    camera_id: str
    """`""` for all cameras together."""
    start: datetime
    """First day of the period, or the first incident's day; aware, local midnight."""
    num_incidents: int
    num_right: int
    num_wrong: int

    @property
    def precision(self) -> float | None:
        """Share of the reviewed that were right; None when none was reviewed."""
        reviewed = self.num_right + self.num_wrong
        return self.num_right / reviewed if reviewed else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, exact."""
        return exact_interval(self.num_right, self.num_wrong)


def exact_interval(num_yes: int, num_no: int) -> tuple[float, float]:
    """95 % of a share (Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(num_yes, num_no + 1, tail)) if num_yes else 0.0
    high = float(betaincinv(num_yes + 1, num_no, 1 - tail)) if num_no else 1.0
    return low, high


def precisions(
    incidents: Iterable[Incident], zone: tzinfo, period: Period, *, by_camera: bool = False
) -> list[Precision]:
    """By rule, camera and time; periods without incidents are left out."""
    groups: dict[tuple[str, str, datetime], list[Incident]] = defaultdict(list)
    seen = [incident for incident in incidents if incident.candidate.condition is None]
    first = min((_start(incident.opened_at, zone, "day") for incident in seen), default=None)
    for incident in seen:
        start = first if period == "all" and first else _start(incident.opened_at, zone, period)
        groups[incident.rule_id, incident.camera_id if by_camera else "", start].append(incident)
    return [_precision(*key, groups[key]) for key in sorted(groups)]


def _start(moment: datetime, zone: tzinfo, period: Period) -> datetime:
    day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday()) if period == "week" else day


def _precision(rule_id: str, camera_id: str, start: datetime, group: list[Incident]) -> Precision:
    words = [incident.review.is_right for incident in group if incident.review is not None]
    return Precision(rule_id, camera_id, start, len(group), sum(words), len(words) - sum(words))
