"""What a gate measured beside what it takes, on one scale. Pure: a count of the ledger in, places and words out."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.console.models import GateCount
from pipeline.contracts.decision import Gate
from pipeline.contracts.rule import Rule

_ROOM = 1.15
"""Of a scale, beyond the larger of the two numbers."""
_SCORED = frozenset({Gate.PERCEPTION, Gate.THRESHOLD, Gate.VERIFICATION})
"""Gates that measure 0..1."""
_SECONDS = frozenset({Gate.DWELL, Gate.COOLDOWN})
_IN_WORDS = frozenset({Gate.CAMERA, Gate.INCIDENT, Gate.DELIVERY})
"""Gates whose numbers say nothing more than their words, or were compared another way round."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A measure beside what it takes: places in percent of the scale's length."""

    low: float
    high: float
    needed: float | None
    is_enough: bool
    measured_words: str
    """`3.2`, or `0.5–3.2` where it differed."""
    needed_words: str
    unit: str
    """`s`, `%`, `heights/s`, `` for a count or a score."""
    nearness: float
    """As measured at most, of what it takes; 0 where nothing is known to be taken."""
    is_more_than: bool = False
    """What it takes is more than the number."""


def scale_of(count: GateCount, rule: Rule | None) -> Scale | None:
    """Of a gate's numbers; None where it has none. `rule`: for what they measure."""
    low, high, needed = count.min_value, count.max_value, count.threshold
    if low is None or high is None or Gate(count.gate) in _IN_WORDS:
        return None
    unit, factor = _unit(count, rule)
    length = 1.0 if Gate(count.gate) in _SCORED else _ROOM * max(high, needed or 0.0) or 1.0
    return Scale(
        low=_place(low, length),
        high=_place(high, length),
        needed=None if needed is None else _place(needed, length),
        is_enough=count.passed,
        measured_words="\N{EN DASH}".join(dict.fromkeys((number(low * factor), number(high * factor)))),
        needed_words="" if needed is None else number(needed * factor),
        unit=unit,
        nearness=high / needed if needed else 0.0,
        is_more_than=_counts_things(count, rule),
    )


def _unit(count: GateCount, rule: Rule | None) -> tuple[str, float]:
    """Of its numbers, and what to show them times."""
    gate = Gate(count.gate)
    if gate is Gate.SAMPLING:
        return ("s", 1.0) if count.reason == "too late" else ("%", 100.0)
    track = rule.track if rule is not None and gate is Gate.PREDICATE else None
    is_lasting = track is not None and (track.longer_than is not None or track.left_behind is not None)
    if gate in _SECONDS or is_lasting:
        return "s", 1.0
    return ("heights/s", 1.0) if track is not None and track.faster_than is not None else ("", 1.0)


def _counts_things(count: GateCount, rule: Rule | None) -> bool:
    is_count = rule is not None and rule.track is not None and rule.track.count_above is not None
    return is_count and count.gate == Gate.PREDICATE


def _place(value: float, length: float) -> float:
    return round(100 * min(max(value / length, 0.0), 1.0), 2)


def number(value: float) -> str:
    """`3600`, `45`, `1.8`, `0.25`."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 1 else f"{value:.2g}"
