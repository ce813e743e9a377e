"""How many replicas a stage that pulls its work should have.

Ray Serve counts requests, and a stage that pulls has none: back-pressure hides how far it is behind. Its replicas
report the age of their oldest record and their lag instead; `wanted_replicas` decides from them, and
`OldestAgePolicy` is how Ray asks it, several times a second, in the Serve controller. Ray adds the bounds and the
delays (`cluster.scale_up_after`, `cluster.scale_down_after`).

Ray carries this module to the controller by value: keep it small and free of state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

AGE_STAT = "oldest_age_seconds"
LAG_STAT = "lag"
BUSY_STAT = "busy"

_AT_MOST_LIMITS = 3.0
"""No replica counts for more than so many times the limit: one that hangs is restarted, not joined by ten more."""
_LOW = 0.5
"""Of the age limit: under it fewer replicas may do."""
_FULL = 0.75
"""Share of its CPUs that a replica may use after others were taken away."""
_FALLING = 0.9
"""An age at most this share of what it was at the start of the look-back is being worked off."""


class Load(NamedTuple):
    """What one replica reported."""

    age_seconds: float
    """Of its oldest record that is not done, now."""
    earlier_age_seconds: float
    """The same at the start of the look-back."""
    lag: float
    """Records not done."""
    busy: float
    """Share of its CPUs it used, 0..1."""


def wanted_replicas(target: int, loads: Sequence[Load], age_limit_seconds: float, lag_limit: float) -> int:
    """How many replicas there should be, given the load of those that reported, `target` being wanted now.

    More, in proportion to the mean age, when it is over the limit, is not already being worked off, and every
    replica asked for before has reported. Fewer when the mean age is low, and the lag (at most `lag_limit` a
    replica) and the CPU time now used fit into fewer. At least one.
    """
    if not loads:
        return target
    ages = [min(load.age_seconds, _AT_MOST_LIMITS * age_limit_seconds) for load in loads]
    pressure = sum(ages) / len(ages) / age_limit_seconds
    if pressure > 1.0:
        is_waiting = len(loads) < target or _is_worked_off(loads, age_limit_seconds)
        return target if is_waiting else math.ceil(target * pressure)
    if pressure < _LOW:
        return min(target, _fewest(loads, pressure, lag_limit))
    return target


def _is_worked_off(loads: Sequence[Load], age_limit_seconds: float) -> bool:
    """Whether the age falls in at least half of the replicas in which it is over the limit."""
    late = [load for load in loads if load.age_seconds > age_limit_seconds]
    falling = [load for load in late if load.age_seconds <= _FALLING * load.earlier_age_seconds]
    return 2 * len(falling) >= len(late)


def _fewest(loads: Sequence[Load], pressure: float, lag_limit: float) -> int:
    by_age = len(loads) * pressure / _LOW
    by_lag = sum(load.lag for load in loads) / lag_limit
    by_cpu = sum(load.busy for load in loads) / _FULL
    return max(1, math.ceil(max(by_age, by_lag, by_cpu)))


class OldestAgePolicy:
    """An application-level autoscaling policy of Ray Serve, for applications that pull their work."""

    def __init__(self, age_limit_seconds: float, lag_limit: float) -> None:
        self._age_limit_seconds = age_limit_seconds
        self._lag_limit = lag_limit

    def __call__(self, contexts: Mapping[Any, Any]) -> tuple[dict[Any, int], dict[Any, dict[str, Any]]]:
        """Ray's contexts by deployment → replicas by deployment, and no state."""
        wanted = {
            deployment: wanted_replicas(
                context.target_num_replicas, loads_of(context.raw_metrics), self._age_limit_seconds, self._lag_limit
            )
            for deployment, context in contexts.items()
        }
        return wanted, {}


def loads_of(raw_metrics: Mapping[str, Mapping[Any, Sequence[Any]]]) -> list[Load]:
    """One load for every running replica that reported; a replica that gave only one of the two counts is left out.

    `raw_metrics` is by name, then by replica, points with a `value`, oldest first.
    """
    ages, lags, busy = (raw_metrics.get(name, {}) for name in (AGE_STAT, LAG_STAT, BUSY_STAT))
    return [
        Load(points[-1].value, points[0].value, _last(lags[replica]), _last(busy.get(replica, ())))
        for replica, points in ages.items()
        if points and lags.get(replica)
    ]


def _last(points: Sequence[Any]) -> float:
    return float(points[-1].value) if points else 0.0
