"""One rule on one camera through time: readings in, openings and closings out.

    idle ──met──► pending ──dwell over, in schedule, no cooldown──► open ──unmet for longer than gap──► idle

Every constant is in seconds of event time, so that 25 and 2 frames a second tell the same story. What the
rule measures, and what a candidate looks like, is left to others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.rule import Rule
from pipeline.events.reading import Reading
from pipeline.events.schedule import is_scheduled

_TICK_SECONDS = 2e-3
"""Durations this close are equal: frame times are rounded to milliseconds on their way."""
TIME_CONSTANTS = 5
"""Of the smoothing until an average has forgotten how it began: that counts e^-5, less than 1 %."""


class Pace(NamedTuple):
    """Defaults of one kind of rule, for a `timing` without `dwell` or `gap`."""

    dwell_seconds: float
    gap_seconds: float


INSTANT, LASTING, TIMED, SCORED = "instant", "lasting", "timed", "scored"
PACES = {
    INSTANT: Pace(0.0, 0.0),  # an occurrence is whole in itself, and the next one is another
    LASTING: Pace(0.5, 2.0),
    TIMED: Pace(0.0, 2.0),  # `longer_than` and `left_behind` have waited already
    SCORED: Pace(1.0, 3.0),
}


def kind_of(rule: Rule) -> str:
    """Which of `PACES` a rule follows."""
    track = rule.track
    if track is None:
        return SCORED
    if track.enters is not None or track.leaves is not None or track.crosses is not None:
        return INSTANT
    return TIMED if track.longer_than is not None or track.left_behind is not None else LASTING


class Moment(NamedTuple):
    """One observation's time, reckoned once for all rules."""

    at: datetime
    seconds: float
    """The same, as seconds since 1970."""
    local: datetime
    """The same, on the site's wall clock."""

    @classmethod
    def of(cls, at: datetime, zone: ZoneInfo) -> Moment:
        """`at` must be aware."""
        return cls(at, at.timestamp(), at.astimezone(zone))


@dataclass(frozen=True, slots=True)
class Transition:
    """A candidate begins or ends."""

    state: CandidateState
    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None = None


class Likeness(NamedTuple):
    """What is met now, beside what was told while the cooldown holds."""

    difference: str
    """Why it is another event, for a person: `car, not person`. Empty when it is none, or nobody can say."""
    same_as: str
    """Id of the candidate that it is again; empty when none is known."""


UNKNOWN_LIKENESS = Likeness("", "")


class Levels(Protocol):
    """Where a rule is met, and where no longer. May move, slowly, as more is learned."""

    @property
    def threshold(self) -> float:
        """Smoothed score at which it is met."""
        ...

    @property
    def release(self) -> float:
        """Smoothed score under which it is no longer met; at most `threshold`."""
        ...

    @property
    def words(self) -> str:
        """For a person, where these come from: `1 alert a day by 31 h of this camera`. Stable for a minute."""
        ...


@dataclass(frozen=True, slots=True)
class FixedLevels:
    """Levels that stay."""

    threshold: float
    release: float
    words: str = ""


SHARE_LEVELS = FixedLevels(1.0, 1.0)
"""Of `track` rules, whose score is the share of the limit."""
DEFAULT_THRESHOLD, DEFAULT_RELEASE = 0.6, 0.4
_RELEASE_SHARE = DEFAULT_RELEASE / DEFAULT_THRESHOLD


def fixed_levels(rule: Rule) -> FixedLevels:
    """As the rule says them, or the defaults: what holds where nothing is learned."""
    if not rule.is_scored:
        return SHARE_LEVELS
    if rule.timing.threshold is None:
        return FixedLevels(DEFAULT_THRESHOLD, DEFAULT_RELEASE)
    given, threshold = rule.timing.release, rule.timing.threshold
    return FixedLevels(threshold, threshold * _RELEASE_SHARE if given is None else given)


class RuleMachine:
    """The state of one enabled rule on one camera. Records one decision an update."""

    def __init__(
        self,
        camera_id: str,
        rule: Rule,
        decisions: DecisionSink,
        last_alert_at: datetime | None = None,
        levels: Levels | None = None,
    ) -> None:
        kind, timing = kind_of(rule), rule.timing
        self._camera_id, self._rule_id, self._decisions = camera_id, rule.id, decisions
        self._schedule, self._cooldown_seconds = rule.schedule, rule.cooldown
        self.is_instant = kind == INSTANT
        """Whether it waits for occurrences, which are whole in themselves, and not for something that lasts."""
        self._gate = Gate.THRESHOLD if kind == SCORED else Gate.PREDICATE
        self._smoothing_seconds = timing.smoothing if kind == SCORED else 0.0
        self._levels = levels or fixed_levels(rule)
        self._dwell_seconds = PACES[kind].dwell_seconds if timing.dwell is None else timing.dwell
        self.gap_seconds = PACES[kind].gap_seconds if timing.gap is None else timing.gap
        self._alerts: tuple[datetime, ...] = (last_alert_at,) if last_alert_at is not None else ()
        """When the last two candidates opened, oldest first: where the cooldown counts from."""
        self.score: float | None = None
        """Smoothed score, 0..1 (`when`), or share of the limit (`track`)."""
        self._scored: tuple[float, float] | None = None
        """Time and raw score of the last observation that had one."""
        self.is_met = False
        self._met_since: Moment | None = None
        self._met_last: Moment | None = None
        self._scheduled_since: Moment | None = None
        self._follows_since: Moment | None = None
        self._open: Transition | None = None
        self.held_back: Moment | None = None
        """When the cooldown last kept it from opening."""

    @property
    def threshold(self) -> float:
        """Smoothed score at which the rule counts as met."""
        return self._levels.threshold

    @property
    def is_scheduled(self) -> bool:
        """The rule's schedule held with the last observation."""
        return self._scheduled_since is not None

    @property
    def is_active(self) -> bool:
        """A candidate is open, or may be as soon as dwell or cooldown are over."""
        return self._open is not None or self._met_since is not None

    def update(self, moment: Moment, reading: Reading, likeness: Likeness = UNKNOWN_LIKENESS) -> list[Transition]:
        """Take in one observation's reading; what ends and what begins with it.

        `likeness` counts while the cooldown holds: another event breaks through it.
        """
        self._note(moment, reading)
        self._note_schedule(moment)
        transitions = []
        if self._open is not None and self._is_over(moment):
            transitions.append(self._close(self._open))
        if self._open is None:
            opening = self._try_to_open(moment, reading, likeness)
            return [*transitions, opening] if opening is not None else transitions
        if self.is_met:
            self._met_last = moment
        reason = "still met" if self.is_met else reading.reason
        self._decisions.record(self._decision(moment, reading, self._gate, self.is_met, reason))
        return transitions

    def resume(self, opening: Transition | None, opened_at: Iterable[datetime]) -> None:
        """Before the first update: go on from what an earlier owner of the camera told."""
        if opening is not None:
            # Between `threshold` and `release` it depends on the past whether a rule is met: it was.
            self._open, self.is_met = opening, True
            self._met_last = Moment(opening.opened_at, opening.opened_at.timestamp(), opening.opened_at)
        self._alerts = tuple(sorted({*self._alerts, *opened_at}))[-2:]

    def follow(self, moment: Moment, reading: Reading, likeness: Likeness = UNKNOWN_LIKENESS) -> bool:
        """Take in a moment that an earlier owner decided on: nothing begins or ends, and no decision is left.

        Whether it holds something that was to be told, going by what is known here.
        """
        self._note(moment, reading)
        self._note_schedule(moment)
        self._follows_since = self._follows_since or moment
        settled_seconds = TIME_CONSTANTS * self._smoothing_seconds
        if self._open is None and moment.seconds - self._follows_since.seconds < settled_seconds:
            # An average of few scores may be over the threshold, and stay over `release`, where the true one never was.
            self.is_met, self._met_since = False, None
        if self.is_met and self.would_join(moment):
            self._met_last = moment
            return False
        return self.is_met and self._held_up(moment, reading, likeness) is None

    def would_join(self, moment: Moment) -> bool:
        """Whether an occurrence now belongs to what is open."""
        is_later = self._met_last is not None and moment.seconds > self._met_last.seconds
        return self._open is not None and is_later and not self._is_over(moment)

    def reset(self) -> list[Transition]:
        """Forget the past (a long silence, the end of a stream), cooldowns aside; closes what is open."""
        closed = [self._close(self._open)] if self._open is not None else []
        self.forget()
        self._met_last = None
        return closed

    def forget(self) -> None:
        """Forget what was measured; what is open stays open."""
        self.score, self._scored, self.is_met = None, None, False
        self._met_since = self._scheduled_since = self._follows_since = None

    def withdraw_alert(self, opened_at: datetime) -> None:
        """The candidate that opened then was never told: it starts no cooldown. Safe from another thread."""
        self._alerts = tuple(alert for alert in self._alerts if alert != opened_at)

    def _note(self, moment: Moment, reading: Reading) -> None:
        """Take in the score; an observation without one is neither met nor does it touch the average."""
        if reading.score is None:
            self.is_met = False
        else:
            self.score = self._smoothed(moment, reading.score)
            self.is_met = self.score >= (self._levels.release if self.is_met else self._levels.threshold)
        if not self.is_met:
            self._met_since = None
        elif self._met_since is None or self.is_instant:
            self._met_since = moment

    def _smoothed(self, moment: Moment, score: float) -> float:
        """Causal exponential average over time, not over frames.

        Between two observations the score is taken to go in a straight line, which keeps the average the same
        at 25 and at 2 frames a second (Eckner, "Algorithms for unevenly spaced time series", 2019: EMA_lin).
        """
        before, self._scored = self._scored, (moment.seconds, score)
        if self.score is None or before is None or self._smoothing_seconds <= 0:
            return score
        elapsed = moment.seconds - before[0]
        lag = (score - before[1]) * self._smoothing_seconds / elapsed
        return score - lag + (self.score - before[1] + lag) * math.exp(-elapsed / self._smoothing_seconds)

    def _note_schedule(self, moment: Moment) -> None:
        if not is_scheduled(self._schedule, moment.local):
            self._scheduled_since = None
        elif self._scheduled_since is None:
            self._scheduled_since = moment

    def _is_over(self, moment: Moment) -> bool:
        """Out of schedule, or unmet for longer than the gap; between two occurrences an instant rule is unmet."""
        if self._scheduled_since is None:
            return True
        if self._met_last is None or (self.is_met and not self.is_instant):
            return False
        return moment.seconds - self._met_last.seconds > self.gap_seconds + _TICK_SECONDS

    def _try_to_open(self, moment: Moment, reading: Reading, likeness: Likeness) -> Transition | None:
        """Through the gates in their order; the first that holds it up says so."""
        held_up = self._held_up(moment, reading, likeness)
        self._decisions.record(held_up or self._passage(moment, reading, likeness))
        if held_up is not None and held_up.gate is Gate.COOLDOWN:
            self.held_back = moment
        if held_up is not None or self._met_since is None or self._scheduled_since is None:
            return None
        started_at = max(self._met_since.at, self._scheduled_since.at)
        self._open = Transition(CandidateState.OPENED, started_at, moment.at)
        self._met_last = moment
        self._alerts = (*self._alerts[-1:], moment.at)
        return self._open

    def _held_up(self, moment: Moment, reading: Reading, likeness: Likeness) -> Decision | None:
        if self._scheduled_since is None:
            # With the score, so that the ledger knows whether it was met all the same.
            score = self.score if reading.score is not None else None
            return self._refusal(moment, Gate.SCHEDULE, "out of schedule", score, self.threshold)
        if self._met_since is None:
            return self._decision(moment, reading, self._gate, False, reading.reason)
        met_seconds = moment.seconds - self._met_since.seconds
        if met_seconds < self._dwell_seconds - _TICK_SECONDS:
            return self._refusal(moment, Gate.DWELL, "dwell", met_seconds, self._dwell_seconds)
        quiet_seconds = self._quiet_seconds(moment)
        if quiet_seconds is not None and not likeness.difference:
            cooldown = self._refusal(moment, Gate.COOLDOWN, "cooldown", quiet_seconds, self._cooldown_seconds)
            return replace(cooldown, detail=likeness.same_as)
        return None

    def _quiet_seconds(self, moment: Moment) -> float | None:
        """Since the last alert, while its cooldown holds.

        Either way: a clock set back must not silence a rule until it has caught up again. Equal means the same opening
        seen again after a restart; its id is the same, so it is told once.
        """
        if not self._alerts:
            return None
        quiet_seconds = abs((moment.at - self._alerts[-1]).total_seconds())
        is_quiet = _TICK_SECONDS < quiet_seconds < self._cooldown_seconds - _TICK_SECONDS
        return quiet_seconds if is_quiet else None

    def _passage(self, moment: Moment, reading: Reading, likeness: Likeness) -> Decision:
        """It opens; through a cooldown when it is another event."""
        if likeness.difference and self._quiet_seconds(moment) is not None:
            other = self._decision(moment, reading, Gate.COOLDOWN, True, "another event")
            return replace(other, detail=likeness.difference)
        return self._decision(moment, reading, Gate.COOLDOWN, True, "opened")

    def _close(self, opening: Transition) -> Transition:
        self._open = None
        ended_at = self._met_last.at if self._met_last is not None else opening.opened_at
        return Transition(CandidateState.CLOSED, opening.started_at, opening.opened_at, ended_at)

    def _refusal(
        self, moment: Moment, gate: Gate, reason: str, value: float | None = None, threshold: float | None = None
    ) -> Decision:
        return Decision(self._camera_id, gate, False, reason, moment.at, self._rule_id, value, threshold)

    def _decision(self, moment: Moment, reading: Reading, gate: Gate, passed: bool, reason: str) -> Decision:
        value, threshold = (self.score, self.threshold) if reading.limit is None else (reading.value, reading.limit)
        words = reading.detail or self._levels.words
        return Decision(self._camera_id, gate, passed, reason, moment.at, self._rule_id, value, threshold, words)
