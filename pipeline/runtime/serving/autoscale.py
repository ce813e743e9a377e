"""How many replicas a stage should have, from what its replicas report.

Ray Serve counts requests. A stage that pulls its work has none: its replicas report the age of their oldest record and
their lag instead, reasoners also those of the verdicts that all of them owe together; `wanted_replicas` decides from
them. The models that see are called, but a call may be of one frame or of a full batch: their replicas report frames.
The policies are how Ray asks, several times a second, in the Serve controller. Ray adds the bounds and the delays
(`cluster.scale_up_after`, `cluster.scale_down_after`).

Ray carries this module to the controller by value: keep it small and free of state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

AGE_STAT = "oldest_age_seconds"
LAG_STAT = "lag"
BUSY_STAT = "busy"
VERDICT_AGE_STAT = "oldest_verdict_age_seconds"
VERDICTS_STAT = "verdicts_owed"
FRAMES_STAT = "frames_in_hand"
WAITING_STAT = "waiting"

_AT_MOST_LIMITS = 3.0
"""No replica counts for more than so many times the limit: one that hangs is restarted, not joined by ten more."""
_LOW = 0.5
"""Of the age limit: under it fewer replicas may do."""
_FULL = 0.75
"""Share of its CPUs that a replica may use after others were taken away."""
_FALLING = 0.9
"""An age at most this share of what it was at the start of the look-back is being worked off."""
_MOSTLY = 0.5
"""Share of its time that a replica may wait for another stage and still be the one that is too slow."""
_AT_MOST_TIMES = 2
"""So many times the replicas of now at a time: what waits for an encoder says little of how many are needed."""


class Limits(NamedTuple):
    """What one replica may have."""

    age_limit_seconds: float
    """Of its oldest record that is not done; beyond it more replicas are wanted."""
    lag_limit: float
    """Records not done, so that fewer replicas would do."""
    verdict_age_limit_seconds: float = math.inf
    """Of the oldest verdict that is owed."""
    verdicts_limit: float = math.inf
    """Verdicts owed, so that fewer replicas would do."""


class Load(NamedTuple):
    """What one replica reported, by the limits."""

    age: float
    """Of its oldest work, now; 1 is the limit."""
    earlier_age: float
    """The same at the start of the look-back."""
    lag: float
    """What is to be done, in replicas that it takes."""
    busy: float
    """Share of its CPUs it used, 0..1."""
    waiting: float = 0.0
    """Share of its time it waited for another stage, 0..1."""


def wanted_replicas(target: int, loads: Sequence[Load]) -> int:
    """How many replicas there should be, given the load of those that reported, `target` being wanted now.

    More, in proportion to the mean age, when it is over the limit, is not already being worked off, every replica
    asked for before has reported, and they do not all but wait for another stage: more watchers before an encoder that
    is too slow would only move cameras about, each to be looked at again. Fewer when the mean age is low, and the lag
    and the CPU time now used fit into fewer. At least one.
    """
    if not loads:
        return target
    pressure = sum(min(load.age, _AT_MOST_LIMITS) for load in loads) / len(loads)
    if pressure > 1.0:
        would_not_help = len(loads) < target or _is_worked_off(loads) or _wait_for_others(loads)
        return target if would_not_help else math.ceil(target * pressure)
    if pressure < _LOW:
        return min(target, _fewest(loads, pressure))
    return target


def _is_worked_off(loads: Sequence[Load]) -> bool:
    """Whether the age falls in at least half of the replicas in which it is over the limit."""
    late = [load for load in loads if load.age > 1.0]
    falling = [load for load in late if load.age <= _FALLING * load.earlier_age]
    return 2 * len(falling) >= len(late)


def _wait_for_others(loads: Sequence[Load]) -> bool:
    return sum(load.waiting for load in loads) > _MOSTLY * len(loads)


def _fewest(loads: Sequence[Load], pressure: float) -> int:
    by_age = len(loads) * pressure / _LOW
    by_lag = sum(load.lag for load in loads)
    by_cpu = sum(load.busy for load in loads) / _FULL
    return max(1, math.ceil(max(by_age, by_lag, by_cpu)))


class OldestAgePolicy:
    """An application-level autoscaling policy of Ray Serve, for applications that pull their work."""

    def __init__(self, **limits: float) -> None:
        """Those of `Limits`, by name."""
        self._limits = Limits(**limits)

    def __call__(self, contexts: Mapping[Any, Any]) -> tuple[dict[Any, int], dict[Any, dict[str, Any]]]:
        """Ray's contexts by deployment → replicas by deployment, and no state."""
        wanted = {
            deployment: wanted_replicas(context.target_num_replicas, loads_of(context.raw_metrics, self._limits))
            for deployment, context in contexts.items()
        }
        return wanted, {}


class FramesInHandPolicy:
    """An application-level autoscaling policy of Ray Serve, for the models that see. At least one replica."""

    def __init__(self, frames_limit: float) -> None:
        """`frames_limit`: frames in one replica, on average, beyond which another is wanted."""
        self._frames_limit = frames_limit

    def __call__(self, contexts: Mapping[Any, Any]) -> tuple[dict[Any, int], dict[Any, dict[str, Any]]]:
        """As above."""
        return {deployment: self._wanted(context) for deployment, context in contexts.items()}, {}

    def _wanted(self, context: Any) -> int:
        reports = [points for points in context.raw_metrics.get(FRAMES_STAT, {}).values() if points]
        if not reports:
            return int(context.target_num_replicas)
        frames = sum(float(sum(point.value for point in points)) / len(points) for points in reports)
        return max(min(math.ceil(frames / self._frames_limit), _AT_MOST_TIMES * int(context.target_num_replicas)), 1)


def loads_of(raw_metrics: Mapping[str, Mapping[Any, Sequence[Any]]], limits: Limits) -> list[Load]:
    """One load for every running replica that reported; a replica that gave only one of the two counts is left out.

    `raw_metrics` is by name, then by replica, points with a `value`, oldest first. Verdicts are owed by all replicas
    together and reported by each: each has its share of them.
    """
    ages, lags = raw_metrics.get(AGE_STAT, {}), raw_metrics.get(LAG_STAT, {})
    replicas = [replica for replica, points in ages.items() if points and lags.get(replica)]

    def value(stat: str, replica: Any, at: int = -1) -> float:
        points = raw_metrics.get(stat, {}).get(replica, ())
        return float(points[at].value) if points else 0.0

    def age(replica: Any, at: int) -> float:
        of_record = value(AGE_STAT, replica, at) / limits.age_limit_seconds
        return max(of_record, value(VERDICT_AGE_STAT, replica, at) / limits.verdict_age_limit_seconds)

    def lag(replica: Any) -> float:
        share = value(VERDICTS_STAT, replica) / len(replicas)
        return value(LAG_STAT, replica) / limits.lag_limit + share / limits.verdicts_limit

    return [
        Load(age(each, -1), age(each, 0), lag(each), value(BUSY_STAT, each), value(WAITING_STAT, each))
        for each in replicas
    ]
