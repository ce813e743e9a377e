"""The reasoning of `why`: what the gates counted in a while, to one sentence a rule that answers.

Pure: counts, incidents and rules in, words out. The answer is looked for at the furthest gate that anything
reached, for that is how close the rule came to an alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from pipeline.cli.coverage import gaps_in_words
from pipeline.cli.output import counted
from pipeline.cli.why_words import (
    DISABLED,
    ELSEWHERE,
    NOT_LONG,
    NOT_PASSING,
    ORDER,
    number,
    reached,
    refusal_in_words,
)
from pipeline.contracts.coverage import ENDED, STOPPED, Layer
from pipeline.contracts.decision import NO_RULE, DecisionCount, Gate
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.store.gaps import Stretch

_LATE = frozenset({"overloaded", "too late"})
"""Reasons of frames that were dropped for want of time."""
_SELDOM_FPS = 1.0
"""What is looked at less often may pass between two looks: a walk through a zone takes some seconds."""
_LEAST_MASKED = 0.01
"""Share of a zone: less is an edge that it shares with a mask."""
_BLIND_SHARE = 0.9
"""Of the time asked for: from there on what the rule said of the rest is no answer."""
_MEASURED = frozenset({Gate.PREDICATE, Gate.THRESHOLD, Gate.DWELL})
"""Gates whose numbers say how near a rule was."""
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
    masked: Mapping[str, float] = field(default_factory=dict)
    """How much of each zone lies under privacy masks, 0..1."""

    @property
    def at(self) -> str:
        """The time asked for, on the site's clock."""
        first = self.start.astimezone(self.zone)
        if (self.end - self.start).total_seconds() <= 60:
            return f"at {first:%H:%M}"
        return f"between {first:%H:%M} and {self.end.astimezone(self.zone):%H:%M}"


def answers(question: Question) -> list[str]:
    """One sentence for each rule asked for; one for the camera when no rule is known."""
    return [_answer(question, rule_id) for rule_id in rules_asked(question)]


def rules_asked(question: Question) -> list[str]:
    """Whom each of `answers` is about; `NO_RULE` for the camera."""
    if question.rule_id is not None:
        return [question.rule_id]
    seen = {c.rule_id for c in question.counts} | {i.rule_id for i in question.incidents} | set(question.rules)
    return sorted(seen - {NO_RULE}) or [NO_RULE]


def chain(counts: Iterable[DecisionCount], rule_id: str | None = None) -> list[DecisionCount]:
    """The minutes' counts added up, in the order of the gates; with a rule, its own and the camera's."""
    added: dict[tuple[str, Gate, bool, str], DecisionCount] = {}
    for count in counts:
        if rule_id is not None and count.rule_id not in (rule_id, NO_RULE):
            continue
        key = (count.rule_id, count.gate, count.passed, count.reason)
        added[key] = _add(added[key], count) if key in added else count
    return sorted(added.values(), key=lambda c: (ORDER.index(c.gate), c.rule_id, not c.passed, -c.count, c.reason))


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


def _answer(question: Question, rule_id: str) -> str:
    incidents = sorted((i for i in question.incidents if i.rule_id == rule_id), key=lambda i: i.opened_at)
    rule = question.rules.get(rule_id)
    about = f"No alert for {rule_id} {question.at}" if rule_id else f"No alert {question.at}"
    if incidents and _is_untold(incidents, rule):
        return f"{about}: {_rejected(question, incidents[0])}."
    if incidents:
        return _alerted(question, incidents)
    if rule is not None and not rule.enabled and not _was_judged(question, rule_id):
        return f"{about}: the rule is switched off (enabled: false)."
    if rule is not None and rule.health is not None:
        return f"{about}: nothing that the rule names lasted long enough.{_unwatched(question)}"
    links = chain(question.counts, rule_id)
    if links:
        return f"{about}: {_told(question, links, rule)}"
    if question.blind:
        gaps = gaps_in_words(question.blind, question.zone)
        return f"{about}: {question.camera_id} was not watched {gaps}."
    return f"{about}: nothing is known of {question.camera_id} then; Sightline was not watching it."


def _told(question: Question, links: Sequence[DecisionCount], rule: Rule | None) -> str:
    """What held up whatever came closest, and what could not be seen."""
    judged = [link for link in links if link.reason not in _LATE] or links
    furthest = max(map(reached, judged))
    there = [link for link in judged if reached(link) == furthest]
    closest = max((link for link in there if not link.passed), key=_closeness, default=None)
    hindrance = _passed(there) if closest is None else refusal_in_words(closest, rule)
    if furthest > ORDER.index(Gate.DWELL) or there[0].gate is Gate.SCHEDULE:
        return f"{hindrance}.{_unwatched(question)}"
    is_near = closest is not None and _is_near(closest)
    if not is_near and _was_blind(question):
        return f"{question.camera_id} was not watched {gaps_in_words(question.blind, question.zone)}."
    missed = _overload(links) or _seldom(links)
    if not missed and not is_near and not (closest and _presence(closest)) and there[0].gate is Gate.PREDICATE:
        missed = _mostly_still(links)
    if missed:  # the rule speaks of the other frames, where there are any
        has_looked = furthest >= ORDER.index(Gate.PERCEPTION)
        hindrance = f"{missed}; in those looked at, {hindrance}" if has_looked else missed
    return f"{hindrance}{_masked(question, rule)}.{_unwatched(question)}"


def _was_blind(question: Question) -> bool:
    """Whether there were next to no pictures worth looking at, though the camera was to be watched."""
    blind_seconds = sum(
        gap.seconds for gap in question.blind if gap.layer is Layer.PICTURES and gap.reason not in (STOPPED, ENDED)
    )
    return blind_seconds >= _BLIND_SHARE * (question.end - question.start).total_seconds()


def _masked(question: Question, rule: Rule | None) -> str:
    """That nothing is ever seen in some of the rule's zones, for a mask lies over them."""
    zones = dict.fromkeys(name for kind, _, name in (rule.names_used if rule else ()) if kind == "zone")
    shares = [(name, question.masked.get(name, 0.0)) for name in zones]
    return "".join(
        f"; but {share:.0%} of {name} lies under a privacy mask, where nothing is seen"
        for name, share in shares
        if share >= _LEAST_MASKED
    )


def _unwatched(question: Question) -> str:
    """What must be added where part of the time was not watched."""
    if not question.blind:
        return ""
    return f" But {question.camera_id} was not watched {gaps_in_words(question.blind, question.zone)}."


def _was_judged(question: Question, rule_id: str) -> bool:
    """Whether the rule was on then, whatever the site file says now."""
    return any(count.rule_id == rule_id and count.reason != DISABLED for count in question.counts)


def _is_untold(incidents: Sequence[Incident], rule: Rule | None) -> bool:
    """Whether nobody was told of them: a rule that waits for the model, which said no."""
    is_patient = rule is not None and rule.alert == "verified"
    return is_patient and all(incident.status is IncidentStatus.REJECTED for incident in incidents)


def _rejected(question: Question, incident: Incident) -> str:
    opened = f"{incident.opened_at.astimezone(question.zone):%H:%M:%S}"
    what = incident.candidate.facts[0].text if incident.candidate.facts else "its condition was met"
    reason = f": {incident.assessment.reason.rstrip('.')}" if incident.assessment is not None else ""
    return f"{what} at {opened}, but it was rejected{reason}"


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


def _passed(links: Sequence[DecisionCount]) -> str:
    total = sum(link.count for link in links)
    return f"the {links[0].gate.value} gate was passed {counted(total, 'time')}, and nothing followed in that time"


def _num_perceived(links: Iterable[DecisionCount]) -> int:
    """Frames that the models looked at."""
    return sum(link.count for link in links if link.gate is Gate.PERCEPTION and link.reason not in _LATE)


def _overload(links: Sequence[DecisionCount]) -> str:
    """That frames were dropped because the machine was late; empty when none were."""
    num_dropped = sum(link.count for link in links if link.reason in _LATE)
    if not num_dropped:
        return ""
    num_looked_at = _num_perceived(links)
    share = f"{num_dropped} of {counted(num_dropped + num_looked_at, 'frame')}"
    return f"the machine was overloaded and dropped {share if num_looked_at else counted(num_dropped, 'frame')}"


def _seldom(links: Sequence[DecisionCount]) -> str:
    """That frames were passed over while something moved, since the camera is to be looked at now and then only."""
    passed_over = [link for link in links if link.reason == "over camera rate"]
    rate_fps = min((link.threshold for link in passed_over if link.threshold), default=_SELDOM_FPS)
    if rate_fps >= _SELDOM_FPS:
        return ""
    num_passed_over = sum(link.count for link in passed_over)
    return (
        f"at one frame in {number(1 / rate_fps)} s (active_fps {rate_fps:g}) sampling looked at the camera "
        f"{counted(_num_perceived(links), 'time')} and passed over {counted(num_passed_over, 'frame')} "
        "while something moved"
    )


def _mostly_still(links: Sequence[DecisionCount]) -> str:
    """When most frames were never looked at because nothing moved: the rule speaks of the rest."""
    gate = [link for link in links if link.gate is Gate.SAMPLING]
    num_still = sum(link.count for link in gate if link.reason == "no motion")
    num_frames = sum(link.count for link in gate)
    return f"nothing moved in {num_still} of {counted(num_frames, 'frame')}" if 2 * num_still > num_frames else ""


def _closeness(link: DecisionCount) -> tuple[float, int, int]:
    """How near a refusal was to its threshold, then whether anything was there, then how common."""
    return _share(link), _presence(link), link.count


def _share(link: DecisionCount) -> float:
    return link.max_value / link.threshold if link.max_value is not None and link.threshold else 0.0


def _is_near(link: DecisionCount) -> bool:
    """Whether what counts was there, or a measure above nothing: then this refusal is the answer."""
    return _presence(link) == 2 or (link.gate in _MEASURED and _share(link) > 0)


def _presence(link: DecisionCount) -> int:
    """2 where what counts was in the rule's place, 1 where it was seen elsewhere, 0 where it was not seen."""
    return {NOT_LONG: 2, NOT_PASSING: 2, ELSEWHERE: 1}.get(link.reason, 0)
