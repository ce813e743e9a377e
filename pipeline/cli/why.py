"""The reasoning of `why`: what the gates counted in a while, to one sentence a rule that answers.

Pure: counts, incidents and rules in, words out. The answer is looked for at the furthest gate that anything
reached, for that is how close the rule came to an alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from pipeline.cli.coverage import gaps_in_words
from pipeline.cli.output import counted
from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.store.gaps import Stretch

_ORDER = list(Gate)
_TOLD = {
    IncidentStatus.PROVISIONAL: "still being verified",
    IncidentStatus.CONFIRMED: "confirmed",
    IncidentStatus.REJECTED: "rejected",
    IncidentStatus.UNVERIFIED: "unverified",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and everything known of that time."""

    camera_id: str
    start: datetime
    end: datetime
    """Half-open, aware."""
    zone: tzinfo
    counts: Sequence[DecisionCount]
    incidents: Sequence[Incident]
    """Those of the camera that opened or were open in that time."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Rules that look at the camera, as far as they are known."""
    rule_id: str | None = None
    """Asked for one rule only."""
    blind: Sequence[Stretch] = ()
    """When the camera was not watched in that time, as far as that is known."""

    @property
    def at(self) -> str:
        """The time asked for, on the site's clock."""
        first = self.start.astimezone(self.zone)
        if (self.end - self.start).total_seconds() <= 60:
            return f"at {first:%H:%M}"
        return f"between {first:%H:%M} and {self.end.astimezone(self.zone):%H:%M}"


def answers(question: Question) -> list[str]:
    """One sentence for each rule asked for; one for the camera when no rule is known."""
    return [_answer(question, rule_id) for rule_id in _rules_asked(question)]


def chain(counts: Iterable[DecisionCount], rule_id: str | None = None) -> list[DecisionCount]:
    """The minutes' counts added up, in the order of the gates; with a rule, its own and the camera's."""
    added: dict[tuple[str, Gate, bool, str], DecisionCount] = {}
    for count in counts:
        if rule_id is not None and count.rule_id not in (rule_id, NO_RULE):
            continue
        key = (count.rule_id, count.gate, count.passed, count.reason)
        added[key] = _add(added[key], count) if key in added else count
    return sorted(added.values(), key=lambda c: (_ORDER.index(c.gate), c.rule_id, not c.passed, -c.count, c.reason))


def _add(one: DecisionCount, later: DecisionCount) -> DecisionCount:
    smallest = [value for value in (one.min_value, later.min_value) if value is not None]
    largest = [value for value in (one.max_value, later.max_value) if value is not None]
    return DecisionCount(
        camera_id=one.camera_id,
        rule_id=one.rule_id,
        minute=one.minute,
        gate=one.gate,
        passed=one.passed,
        reason=one.reason,
        count=one.count + later.count,
        min_value=min(smallest, default=None),
        max_value=max(largest, default=None),
        threshold=one.threshold if later.threshold is None else later.threshold,
        detail=later.detail or one.detail,
    )


def _rules_asked(question: Question) -> list[str]:
    if question.rule_id is not None:
        return [question.rule_id]
    seen = {c.rule_id for c in question.counts} | {i.rule_id for i in question.incidents} | set(question.rules)
    return sorted(seen - {NO_RULE}) or [NO_RULE]


def _answer(question: Question, rule_id: str) -> str:
    incidents = sorted((i for i in question.incidents if i.rule_id == rule_id), key=lambda i: i.opened_at)
    if incidents:
        return _alerted(question, incidents)
    rule = question.rules.get(rule_id)
    about = f"No alert for {rule_id} {question.at}" if rule_id else f"No alert {question.at}"
    if rule is not None and not rule.enabled:
        return f"{about}: the rule is switched off (enabled: false)."
    if rule is not None and rule.health is not None:
        return f"{about}: nothing that the rule names lasted long enough.{_unwatched(question)}"
    links = chain(question.counts, rule_id)
    if links:
        return f"{about}: {_hindrance(links, rule)}.{_unwatched(question)}"
    if question.blind:
        gaps = gaps_in_words(question.blind, question.zone)
        return f"{about}: {question.camera_id} was not watched {gaps}."
    return f"{about}: nothing is known of {question.camera_id} then; Sightline was not watching it."


def _unwatched(question: Question) -> str:
    """What must be added where part of the time was not watched."""
    if not question.blind:
        return ""
    return f" But {question.camera_id} was not watched {gaps_in_words(question.blind, question.zone)}."


def _alerted(question: Question, incidents: Sequence[Incident]) -> str:
    first = incidents[0]
    opened = f"{first.opened_at.astimezone(question.zone):%H:%M:%S}"
    what = first.candidate.facts[0].text if first.candidate.facts else "its condition was met"
    if first.opened_at < question.start:
        return f"{first.rule_id} had opened an incident at {opened} already, which was still open: {what}."
    more = f", and {len(incidents) - 1} more" if len(incidents) > 1 else ""
    verdict = _TOLD[first.status]
    if first.status is IncidentStatus.REJECTED and first.assessment is not None:
        verdict += f": {first.assessment.reason}"
    return f"{first.rule_id} opened an incident at {opened}{more}: {what} ({verdict})."


def _hindrance(links: Sequence[DecisionCount], rule: Rule | None) -> str:
    """What the furthest gate that was reached had to say."""
    furthest = max(links, key=lambda link: _ORDER.index(link.gate)).gate
    there = [link for link in links if link.gate is furthest]
    refused = [link for link in there if not link.passed]
    if not refused:
        total = sum(link.count for link in there)
        return f"the {furthest.value} gate was passed {counted(total, 'time')}, and nothing followed in that time"
    ahead = _mostly_still(links) if furthest is Gate.PREDICATE else ""
    return ahead + _refusal(max(refused, key=_closeness), rule)


def _mostly_still(links: Sequence[DecisionCount]) -> str:
    """A word ahead when most frames were never looked at because nothing moved: the rule speaks of the rest."""
    gate = [link for link in links if link.gate is Gate.SAMPLING]
    num_still = sum(link.count for link in gate if link.reason == "no motion")
    num_frames = sum(link.count for link in gate)
    if 2 * num_still <= num_frames:
        return ""
    return f"nothing moved in {num_still} of {counted(num_frames, 'frame')}; in those looked at, "


def _closeness(link: DecisionCount) -> tuple[float, int]:
    """How near a refusal was to its threshold, then how common."""
    if link.max_value is None or not link.threshold:
        return 0.0, link.count
    return link.max_value / link.threshold, link.count


def _refusal(link: DecisionCount, rule: Rule | None) -> str:
    words = _BY_REASON.get(link.reason) or _BY_GATE.get(link.gate)
    return words(link, rule) if words else _plainly(link, rule)


def _plainly(link: DecisionCount, _rule: Rule | None) -> str:
    """Any reason, with its numbers."""
    detail = f" ({link.detail})" if link.detail else ""
    numbers = f", {_number(link.max_value)} at most{_needs(link)}" if link.max_value is not None else ""
    return f"{link.reason}{numbers}{detail}"


def _needs(link: DecisionCount, unit: str = "") -> str:
    return f" (needs {_number(link.threshold)}{unit})" if link.threshold is not None else ""


def _number(value: float | None) -> str:
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


def _schedule(link: DecisionCount, _rule: Rule | None) -> str:
    return f"the rule is off at that time, by its schedule{f' ({link.detail})' if link.detail else ''}"


def _threshold(link: DecisionCount, _rule: Rule | None) -> str:
    if link.max_value is None:
        return _plainly(link, _rule)
    return f"the score was {link.max_value:.2f} at most (needs {link.threshold or 0:.2f})"


def _dwell(link: DecisionCount, _rule: Rule | None) -> str:
    return f"it was met, but for {_number(link.max_value)} s at most{_needs(link, ' s')}"


def _cooldown(link: DecisionCount, _rule: Rule | None) -> str:
    since = f" {_number(link.max_value)} s before at most" if link.max_value is not None else " shortly before"
    return f"it was met, but the last alert had gone out{since} (cooldown {_number(link.threshold)} s)"


Words = Callable[[DecisionCount, Rule | None], str]
_BY_REASON: dict[str, Words] = {
    "no motion": lambda link, _rule: f"nothing moved in {counted(link.count, 'frame')} looked at",
    "overloaded": lambda link, _rule: f"the machine was overloaded and dropped {counted(link.count, 'frame')}",
    "nothing found": lambda link, _rule: f"the detector found nothing in {counted(link.count, 'frame')}",
    "rule disabled": lambda _link, _rule: "the rule is switched off (enabled: false)",
    "nothing entered": _nothing_did,
    "nothing left": _nothing_did,
    "nothing crossed": _nothing_did,
    "nothing inside": lambda _link, rule: f"nothing that counts was{_in_place(rule) or ' inside'}",
    "not long enough": lambda link, rule: (
        f"nothing stayed{_in_place(rule)} longer than {_number(link.max_value)} s{_needs(link, ' s')}"
    ),
    "nothing left alone for so long": lambda link, _rule: (
        f"nothing was left alone longer than {_number(link.max_value)} s{_needs(link, ' s')}"
    ),
    "too few": lambda link, rule: (
        f"at most {_number(link.max_value)} at once{_in_place(rule)} (needs more than {_number(link.threshold)})"
    ),
    "nothing fast enough": lambda link, _rule: (
        f"nothing moved faster than {_number(link.max_value)} of its own heights a second{_needs(link)}"
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
