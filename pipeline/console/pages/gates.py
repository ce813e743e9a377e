"""The answer to `why` as a chain of gates, each with what was measured beside what it takes. Pure.

In: what the API's `/why` answers. Out: per rule, the closest to an alert first, how far it came and what stopped it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.console.models import GapView, GateCount, IncidentRow, WhyView
from pipeline.console.pages.scales import Scale, scale_of
from pipeline.contracts.decision import NO_RULE, Gate
from pipeline.contracts.incident import IncidentStatus
from pipeline.contracts.rule import Rule

COMMON = (Gate.CAMERA, Gate.SAMPLING, Gate.PERCEPTION)
"""Gates that all rules of a camera share."""
MET = "met"
"""The condition held, as is known from a gate behind it."""
OTHER_EVENT = "another event"
"""Told in spite of a cooldown; the detail says what was different."""
_CONDITION = (Gate.PREDICATE, Gate.THRESHOLD)
_ORDER = list(Gate)
_MOST_BLIND = 0.9
"""Of the time asked about: then what the gates said of the rest is no answer."""
_HAPPENINGS = frozenset({Gate.CAMERA, Gate.COOLDOWN, Gate.INCIDENT, Gate.VERIFICATION, Gate.DELIVERY})
"""Gates whose every line tells of something that happened."""
_EACH_COUNTS = frozenset({Gate.CAMERA, Gate.VERIFICATION, Gate.DELIVERY})
"""Gates at which one refusal matters, whatever else passed."""
_SEEN = frozenset({"not long enough", "inside, not passing", "only elsewhere"})
"""Reasons that say that something was there."""
_NO_NUMBERS: Mapping[str, None] = {"min_value": None, "max_value": None, "threshold": None}


class State(StrEnum):
    """What became of a step, or of a rule."""

    PASSED = "passed"
    PARTLY = "partly"
    STOPPED = "stopped"
    NOT_REACHED = "not reached"
    ALERT = "alert"
    REJECTED = "rejected"
    BLIND = "not watched"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Link:
    """One reason at one gate, added up over the time asked about."""

    passed: bool
    reason: str
    count: int
    detail: str
    scale: Scale | None
    incident_id: str = ""
    """The incident that it was taken for a repetition of."""


@dataclass(frozen=True, slots=True)
class Step:
    """One gate."""

    gate: Gate
    state: State
    links: tuple[Link, ...]

    @property
    def shown(self) -> tuple[Link, ...]:
        """The reason that answers for the gate; all of them where each is a happening of its own."""
        if self.gate in _HAPPENINGS:
            return self.links
        wanted = [link for link in self.links if link.passed is (self.state is not State.STOPPED)]
        return (max(wanted, key=_telling),) if wanted else ()

    @property
    def is_mixed(self) -> bool:
        """Both happened, and both matter."""
        return self.state is State.PARTLY and self.gate in _EACH_COUNTS

    @property
    def rest(self) -> tuple[Link, ...]:
        """The other reasons."""
        shown = self.shown
        return tuple(link for link in self.links if link not in shown)


@dataclass(frozen=True, slots=True)
class Chain:
    """One rule's way through the gates."""

    rule_id: str
    answer: str
    state: State
    stopped_at: Gate | None
    steps: tuple[Step, ...]
    incidents: tuple[IncidentRow, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The whole answer."""

    common: tuple[Step, ...]
    chains: tuple[Chain, ...]
    """The closest to an alert first."""
    gaps: tuple[GapView, ...]


def told_by(view: WhyView, rules: Mapping[str, Rule]) -> Told:
    """What the page shows of an answer; `rules` are those known, for the units of what they measure."""
    counts = _added(view.gates)
    common = tuple(_common_steps(view, [c for c in counts if c.rule_id == NO_RULE]))
    chains = [
        _chain(view, rule_id, answer, rules.get(rule_id), common, [c for c in counts if c.rule_id == rule_id])
        for rule_id, answer in zip(view.rules, view.answers, strict=True)
    ]
    nearest = sorted(chains, key=lambda chain: (_farness(chain), chain.rule_id))
    return Told(common, tuple(nearest), view.unwatched)


def _telling(link: Link) -> tuple[bool, float, int]:
    """How much it says of its gate: something seen in the place before nothing seen, then nearness, then frequency."""
    was_there = link.reason in _SEEN
    return was_there, link.scale.nearness if link.scale else 0.0, link.count


def _added(counts: Iterable[GateCount]) -> list[GateCount]:
    """The minutes' counts added up."""
    sums: dict[tuple[str, str, bool, str], GateCount] = {}
    for count in counts:
        key = count.rule_id, count.gate, count.passed, count.reason
        sums[key] = _sum(sums[key], count) if key in sums else count
    return sorted(sums.values(), key=lambda c: (_ORDER.index(Gate(c.gate)), c.passed, -c.count, c.reason))


def _sum(one: GateCount, later: GateCount) -> GateCount:
    lows = [value for value in (one.min_value, later.min_value) if value is not None]
    highs = [value for value in (one.max_value, later.max_value) if value is not None]
    changed = {
        "count": one.count + later.count,
        "min_value": min(lows, default=None),
        "max_value": max(highs, default=None),
        "threshold": one.threshold if later.threshold is None else later.threshold,
        "detail": later.detail or one.detail,
    }
    return one.model_copy(update=changed)


def _common_steps(view: WhyView, counts: Sequence[GateCount]) -> Iterable[Step]:
    for gate in COMMON:
        mine = [_link(count, None) for count in counts if count.gate == gate]
        is_reached = any(_ORDER.index(Gate(count.gate)) > _ORDER.index(gate) for count in view.gates)
        state = _state(mine, is_passed=is_reached and gate is Gate.CAMERA)
        if gate is Gate.CAMERA and view.unwatched:
            state = State.STOPPED if is_blind(view) else State.PARTLY
        yield Step(gate, state, tuple(mine))


def is_blind(view: WhyView) -> bool:
    """Whether next to nothing of the time asked about was watched, or nothing of it was judged and some not watched."""
    if view.unwatched and not view.gates:
        return True
    return sum(gap.seconds for gap in view.unwatched) >= _MOST_BLIND * (view.end - view.start).total_seconds()


def _chain(
    view: WhyView,
    rule_id: str,
    answer: str,
    rule: Rule | None,
    common: Sequence[Step],
    counts: Sequence[GateCount],
) -> Chain:
    counts = _with_condition(counts or _switched_off(view, rule), rule)
    steps = tuple(_steps(counts, rule))
    incidents = tuple(row for row in view.incidents if row.rule_id == rule_id)
    stopped_at = _stopped_at(common, steps)
    if incidents:
        is_untold = rule is not None and rule.alert == "verified"
        are_rejected = all(row.status is IncidentStatus.REJECTED for row in incidents)
        state, stopped_at = (State.REJECTED if is_untold and are_rejected else State.ALERT), None
    elif is_blind(view):
        state, stopped_at = State.BLIND, Gate.CAMERA
    else:
        is_known = view.gates or view.unwatched or (rule is not None and not rule.enabled)
        state = State.STOPPED if is_known else State.UNKNOWN
    return Chain(rule_id, answer, state, stopped_at, steps if any(step.links for step in steps) else (), incidents)


def _switched_off(view: WhyView, rule: Rule | None) -> list[GateCount]:
    """What a rule that is off leaves no line about."""
    if rule is None or rule.enabled:
        return []
    off = {"gate": Gate.SCHEDULE, "passed": False, "reason": "rule disabled", "count": 1, "threshold": None}
    about = {"camera_id": view.camera, "rule_id": rule.id, "minute": view.start, "detail": ""}
    return [GateCount.model_validate({**about, **off, "min_value": None, "max_value": None})]


def _with_condition(counts: Sequence[GateCount], rule: Rule | None) -> list[GateCount]:
    """The condition's numbers at the condition: an opening and a schedule carry them, and behind it, it was met."""
    condition = Gate.PREDICATE if rule is None or rule.track is not None else Gate.THRESHOLD
    moved: list[GateCount] = []
    plain: list[GateCount] = []
    for count in counts:
        is_opening = count.gate == Gate.COOLDOWN and count.passed
        if is_opening or _was_met_off_hours(count):
            moved.append(
                _in_its_unit(count, rule).model_copy(update={"gate": condition, "passed": True, "reason": MET})
            )
        if is_opening or count.gate == Gate.SCHEDULE:
            detail = count.detail if count.reason == OTHER_EVENT else ""  # else it is of the condition's numbers
            count = count.model_copy(update={**_NO_NUMBERS, "detail": detail})
        plain.append(count)
    return _added([*plain, *moved])


def _was_met_off_hours(count: GateCount) -> bool:
    has_numbers = count.max_value is not None and count.threshold is not None
    return count.gate == Gate.SCHEDULE and has_numbers and (count.max_value or 0.0) >= (count.threshold or 0.0)


def _in_its_unit(count: GateCount, rule: Rule | None) -> GateCount:
    """A schedule has the score alone: of tracks the share of what they need."""
    if count.gate != Gate.SCHEDULE or rule is None or rule.track is None:
        return count
    limit = rule.track.longer_than or rule.track.left_behind or rule.track.faster_than
    if limit is None or count.min_value is None or count.max_value is None:
        return count.model_copy(update=_NO_NUMBERS)
    numbers = {"min_value": count.min_value * limit, "max_value": count.max_value * limit, "threshold": limit}
    return count.model_copy(update=numbers)


def _steps(counts: Sequence[GateCount], rule: Rule | None) -> Iterable[Step]:
    """Those of the rule alone, in the order of the gates."""
    furthest = max((_ORDER.index(Gate(count.gate)) for count in counts), default=-1)
    has_scored = any(count.gate == Gate.THRESHOLD for count in counts) or (rule is not None and rule.track is None)
    for gate in _ORDER[len(COMMON) :]:
        mine = [_link(count, rule) for count in counts if count.gate == gate]
        if gate in _CONDITION and not mine and (gate is Gate.THRESHOLD) is not has_scored:
            continue
        if rule is not None and rule.verify == "none" and gate is Gate.VERIFICATION and not mine:
            continue
        yield Step(gate, _state(mine, is_passed=_ORDER.index(gate) < furthest), tuple(mine))


def _state(links: Sequence[Link], *, is_passed: bool) -> State:
    """`is_passed`: as is known from gates behind it."""
    if not links:
        return State.PASSED if is_passed else State.NOT_REACHED
    verdicts = {link.passed for link in links} | ({True} if is_passed else set())
    return State.PARTLY if len(verdicts) == 2 else State.PASSED if verdicts == {True} else State.STOPPED


def _stopped_at(common: Sequence[Step], steps: Sequence[Step]) -> Gate | None:
    """The gate that answers: the furthest that stopped anything, unless nothing was there to be measured at all."""
    stopped = [step for step in steps if any(not link.passed for link in step.links)]
    reached = [step for step in steps if step.links]
    early = next((step.gate for step in common if step.state is State.STOPPED), None)
    if not stopped:
        return early
    if reached[-1].state is State.PASSED and reached[-1].gate not in _CONDITION:
        return None
    last = stopped[-1]
    schedule = next((step for step in stopped if step.gate is Gate.SCHEDULE and step.state is State.STOPPED), None)
    if schedule is not None and last.gate in _CONDITION:
        return Gate.SCHEDULE
    was_there = any(link.scale is not None and link.scale.high > 0 for link in last.links)
    return last.gate if was_there or last.gate not in _CONDITION or early is None else early


def _link(count: GateCount, rule: Rule | None) -> Link:
    names_incident = count.gate == Gate.INCIDENT or (count.gate == Gate.COOLDOWN and not count.passed)
    detail, incident_id = ("", count.detail) if names_incident else (count.detail, "")
    return Link(count.passed, count.reason, count.count, detail, scale_of(count, rule), incident_id)


def _farness(chain: Chain) -> tuple[int, int, float]:
    """Least for what was told, then for what came furthest, and nearest there."""
    if chain.state in (State.ALERT, State.REJECTED):
        return (0 if chain.state is State.ALERT else 1), 0, 0.0
    reached = [step for step in chain.steps if step.links]
    share = max((link.scale.nearness for link in reached[-1].links if link.scale), default=0.0) if reached else 0.0
    return 2, -_ORDER.index(reached[-1].gate) if reached else 0, -share
