"""Words for what a gate said: a line of the ledger and the rule in, a clause of a sentence out."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.cli.output import counted
from pipeline.contracts.decision import DecisionCount, Gate
from pipeline.contracts.rule import ANY_OBJECT, DAYS, Rule, Schedule

ORDER = list(Gate)
DISABLED = "rule disabled"
LEARNING = "learning what is normal"
ELSEWHERE = "only elsewhere"
NOT_PASSING = "inside, not passing"
NOT_LONG = "not long enough"


def reached(link: DecisionCount) -> float:
    """How far it came, as a place among the gates. What was met while the rule was off came past the predicates."""
    is_met = link.max_value is not None and link.threshold is not None and link.max_value >= link.threshold
    if link.gate is Gate.SCHEDULE and not link.passed and is_met:
        return ORDER.index(Gate.THRESHOLD) + 0.5
    return ORDER.index(link.gate)


def refusal_in_words(link: DecisionCount, rule: Rule | None) -> str:
    """Why it did not pass."""
    words = _BY_REASON.get(link.reason) or _BY_GATE.get(link.gate)
    return words(link, rule) if words else _plainly(link, rule)


def _plainly(link: DecisionCount, _rule: Rule | None) -> str:
    """Any reason, with its numbers."""
    detail = f" ({link.detail})" if link.detail else ""
    numbers = f", {number(link.max_value)} at most{_needs(link)}" if link.max_value is not None else ""
    return f"{link.reason}{numbers}{detail}"


def _needs(link: DecisionCount, unit: str = "") -> str:
    return f" (needs {number(link.threshold)}{unit})" if link.threshold is not None else ""


def number(value: float | None) -> str:
    """`45`, `1.8`, `0.25`."""
    return "?" if value is None else f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.2g}"


def _place(rule: Rule | None) -> str:
    """The zone or line that a rule is about."""
    track = rule.track if rule else None
    name = (track.enters or track.leaves or track.inside or track.crosses) if track else None
    return name or (rule.zone if rule else None) or ""


def _in_place(rule: Rule | None) -> str:
    return f" in {_place(rule)}" if _place(rule) else ""


def _nothing_did(link: DecisionCount, rule: Rule | None) -> str:
    """`nothing entered door`."""
    return f"{link.reason} {_place(rule)}".rstrip()


def _camera(link: DecisionCount, _rule: Rule | None) -> str:
    return f"the camera was not to be read: {link.detail or link.reason}"


def _verification(link: DecisionCount, _rule: Rule | None) -> str:
    return f"it was met, but the model rejected it: {link.detail or link.reason}"


def _delivery(link: DecisionCount, _rule: Rule | None) -> str:
    return f"it was met, but could not be delivered: {link.detail or link.reason}"


def _schedule(link: DecisionCount, rule: Rule | None) -> str:
    hours = ", ".join(_hours(schedule) for schedule in rule.schedule) if rule else ""
    met = "it was met, but " if reached(link) > ORDER.index(Gate.SCHEDULE) else ""
    return f"{met}the rule is off at that time, by its schedule{f' (on {hours})' if hours else ''}"


def _hours(schedule: Schedule) -> str:
    """As the site file has it: `sat,sun 22:00-06:00`."""
    days = "" if schedule.days == frozenset(DAYS) else ",".join(day for day in DAYS if day in schedule.days) + " "
    return f"{days}{schedule.start:%H:%M}-{schedule.end:%H:%M}"


def _what(rule: Rule | None) -> str:
    """The things that count for a rule."""
    track = rule.track if rule else None
    return "something that counts" if track is None or ANY_OBJECT in track.object else " or ".join(track.object)


def _elsewhere(link: DecisionCount, rule: Rule | None) -> str:
    return f"{_what(rule)} was seen in {counted(link.count, 'frame')}, but never in {_place(rule) or 'its zone'}"


def _not_passing(link: DecisionCount, rule: Rule | None) -> str:
    leaves = rule is not None and rule.track is not None and rule.track.leaves is not None
    passing = "leaving" if leaves else "entering"
    place = _place(rule) or "its zone"
    return f"{_what(rule)} was in {place} in {counted(link.count, 'frame')}, but was not seen {passing} it"


def _threshold(link: DecisionCount, _rule: Rule | None) -> str:
    if link.max_value is None:
        return _plainly(link, _rule)
    source = f", {link.detail}" if link.detail else ""
    return f"the score was {link.max_value:.2f} at most (needs {link.threshold or 0:.2f}{source})"


def _dwell(link: DecisionCount, _rule: Rule | None) -> str:
    return f"it was met, but for {number(link.max_value)} s at most{_needs(link, ' s')}"


def _cooldown(link: DecisionCount, _rule: Rule | None) -> str:
    since = f" {number(link.max_value)} s before at most" if link.max_value is not None else " shortly before"
    return f"it was met, but the last alert had gone out{since} (cooldown {number(link.threshold)} s)"


Words = Callable[[DecisionCount, Rule | None], str]
_BY_REASON: dict[str, Words] = {
    "no motion": lambda link, _rule: f"nothing moved in {counted(link.count, 'frame')} looked at",
    "overloaded": lambda link, _rule: f"the machine was overloaded and dropped {counted(link.count, 'frame')}",
    "nothing found": lambda link, _rule: f"the detector found nothing in {counted(link.count, 'frame')}",
    DISABLED: lambda _link, _rule: "the rule is switched off (enabled: false)",
    LEARNING: lambda link, _rule: f"what is normal for the camera was still being learned ({link.detail or 'begun'})",
    "nothing entered": _nothing_did,
    "nothing left": _nothing_did,
    "nothing crossed": _nothing_did,
    ELSEWHERE: _elsewhere,
    NOT_PASSING: _not_passing,
    "nothing inside": lambda _link, rule: f"nothing that counts was{_in_place(rule) or ' inside'}",
    NOT_LONG: lambda link, rule: (
        f"nothing stayed{_in_place(rule)} longer than {number(link.max_value)} s{_needs(link, ' s')}"
    ),
    "nothing left alone for so long": lambda link, _rule: (
        f"nothing was left alone longer than {number(link.max_value)} s{_needs(link, ' s')}"
    ),
    "too few": lambda link, rule: (
        f"at most {number(link.max_value)} at once{_in_place(rule)} (needs more than {number(link.threshold)})"
    ),
    "nothing fast enough": lambda link, _rule: (
        f"nothing moved faster than {number(link.max_value)} of its own heights a second{_needs(link)}"
    ),
}
_BY_GATE: dict[Gate, Words] = {
    Gate.CAMERA: _camera,
    Gate.SCHEDULE: _schedule,
    Gate.THRESHOLD: _threshold,
    Gate.DWELL: _dwell,
    Gate.COOLDOWN: _cooldown,
    Gate.VERIFICATION: _verification,
    Gate.DELIVERY: _delivery,
}
