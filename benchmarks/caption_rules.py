"""Alerts from sentences by rules of a camera's own: induced from its normal sentences, each with a learned threshold.

What `captions.py` calls `rules`, `induced` and `calibrated`. All parts are the product's: the lexicon and the vote of
`learn-rules`, the state machine (one a rule, as for rules of a site file), and `Calibration` as its levels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.rule import Rule
from pipeline.evaluation.spans import Prediction
from pipeline.events.calibration import Calibration
from pipeline.events.reading import Reading
from pipeline.events.state_machine import Levels, Moment, RuleMachine, Transition, fixed_levels
from pipeline.reasoning.induction import LexicalInducer, Sentence, induce
from pipeline.reasoning.lexicon import ENTRIES, Entry

DOUBTED = 0.5
"""Score of what a sentence says with doubt: of the tune half's hits 44 % of those in normal frames are doubted
(`possibly running`), and 12 % of those in events."""
_DOUBT = re.compile(
    r"\b(possibly|perhaps|maybe|might|may|could|seems?|seemingly|appears?|appearing|apparently|likely|probably|as if"
    r"|or|either)\b[^.,;]{0,60}$"
)
MIN_SENTENCES = 20
"""Of a camera's normal footage, read at 2 fps: with fewer, one in 20 cannot be told."""
MAX_BATCHES = 5
AFTER_SECONDS = 120.0
"""Of history until the calibration may speak; it needs 20 blocks of ten seconds besides. In a run it is six hours:
the cameras here have four minutes at most."""
GENERAL = tuple(entry for entry in ENTRIES if not entry.is_ordinary and not entry.is_thing)
"""For cameras without a history: what somebody does, never a thing."""
_NEXT_DAY_SECONDS = 86_400.0
_GAP_SECONDS = 120.0
"""Between two videos of a history: nothing is smoothed or timed across."""
_START = datetime(2026, 1, 1, tzinfo=UTC)
_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sentences one after another, with their times."""

    sentences: tuple[str, ...]
    fps: float


@dataclass(slots=True)
class CameraRules:
    """The rules of one camera, and what its history has taught their thresholds."""

    entries: tuple[Entry, ...]
    is_induced: bool
    states: Mapping[str, bytes] = field(default_factory=dict)
    """Entry's name to its calibration after the history."""


@lru_cache(maxsize=200_000)
def score_of(sentence: str, entry: Entry) -> float:
    """1 when the sentence says it, half when it says so with doubt, else 0."""
    lower, best = sentence.lower(), 0.0
    for found in entry.pattern.finditer(lower):
        if not _DOUBT.search(lower[: found.start()]):
            return 1.0
        best = DOUBTED
    return best


def induced(history: Sequence[Stretch]) -> CameraRules:
    """By the vote over batches of the history; the general rules when that is too short.

    `history` is read at 2 fps, as `learn-rules` would be given it.
    """
    sentences = [Sentence(text, "") for one in history for text in one.sentences[:: max(round(one.fps / 2), 1)]]
    num_batches = min(MAX_BATCHES, len(sentences) // MIN_SENTENCES)
    if not num_batches:
        return CameraRules(GENERAL, is_induced=False)
    found = induce(sentences, LexicalInducer(), num_batches)
    words = {one.words for one in found.anomalies}
    return CameraRules(tuple(entry for entry in ENTRIES if entry.words in words), is_induced=True)


@dataclass(frozen=True, slots=True)
class Machines:
    """Rules as state machines over a stretch of sentences."""

    timing: Mapping[str, float]
    cooldown_seconds: float
    alarms_an_hour: float

    def alerts(self, camera: str, rules: CameraRules, stretch: Stretch) -> list[Prediction]:
        """Of all rules. A rule whose words nobody says has none, whatever its threshold: its score is 0 throughout."""
        told = []
        for entry in rules.entries:
            scores = [score_of(sentence, entry) for sentence in stretch.sentences]
            if any(scores):
                told += self._run(camera, scores, stretch.fps, self._calibration(rules, entry))
        return told

    def calibrated(self, rules: CameraRules, history: Sequence[Stretch]) -> CameraRules:
        """With thresholds from the history: of the rules that speak in it, which share the camera's budget.

        The others have no score but 0 to learn from, and keep the threshold they have.
        """
        all_scores = {entry.name: _scores(history, entry) for entry in rules.entries}
        spoken = {name: scores for name, scores in all_scores.items() if any(map(any, scores))}
        states = {}
        for name, scores in spoken.items():
            calibration = self._fresh(len(spoken))
            at_seconds = 0.0
            for one, stretch in zip(scores, history, strict=True):
                self._run("", one, stretch.fps, calibration, at_seconds)
                at_seconds += len(one) / stretch.fps + _GAP_SECONDS
            states[name] = calibration.dump()
        return CameraRules(rules.entries, rules.is_induced, states)

    def _fresh(self, num_rules: int) -> Calibration:
        rule = self._rule
        return Calibration(
            fixed_levels(rule),
            alerts_per_day=self.alarms_an_hour * 24 / num_rules,
            after_seconds=AFTER_SECONDS,
            dwell_seconds=rule.timing.dwell or 0.0,
            smoothing_seconds=rule.timing.smoothing,
        )

    def _calibration(self, rules: CameraRules, entry: Entry) -> Calibration | None:
        if entry.name not in rules.states:
            return None
        calibration = self._fresh(len(rules.states))
        calibration.load(rules.states[entry.name])
        return calibration

    @property
    def _rule(self) -> Rule:
        given = {"id": "rule", "when": "words", "timing": dict(self.timing), "cooldown": self.cooldown_seconds}
        return Rule.model_validate(given)

    def _run(
        self,
        camera: str,
        scores: Sequence[float],
        fps: float,
        calibration: Calibration | None,
        begun_seconds: float = _NEXT_DAY_SECONDS,
    ) -> list[Prediction]:
        """One rule over one stretch; what is decided on is noted afterwards, as in a run."""
        levels: Levels | None = calibration
        machine = RuleMachine(camera, self._rule, NullDecisionSink(), levels=levels)
        changes: list[Transition] = []
        smoothed: dict[datetime, float] = {}
        begun = _START + timedelta(seconds=begun_seconds)
        for index, score in enumerate(scores):
            moment = Moment.of(begun + timedelta(seconds=index / fps), _ZONE)
            changes += machine.update(moment, Reading(score))
            smoothed[moment.at] = machine.score or 0.0
            if calibration is not None:
                calibration.note(moment.seconds, machine.score)
        ended = [one for one in (*changes, *machine.reset()) if one.ended_at is not None]
        return [alert(camera, one, smoothed, begun) for one in ended]


def _scores(history: Sequence[Stretch], entry: Entry) -> list[list[float]]:
    return [[score_of(sentence, entry) for sentence in stretch.sentences] for stretch in history]


def alert(camera: str, closed: Transition, scores: Mapping[datetime, float], begun: datetime) -> Prediction:
    """With the highest smoothed score it had; seconds since `begun`."""
    end = closed.ended_at or closed.opened_at
    peak = max(score for at, score in scores.items() if closed.started_at <= at <= end)
    start, until, told = ((at - begun).total_seconds() for at in (closed.started_at, end, closed.opened_at))
    return Prediction(camera, start, until, score=peak, alert_seconds=told)
