"""One rule on one camera: measure, state machine and story put together into candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Candidate, CandidateState, Fact, candidate_id
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Severity, pack_vector, unpack_vector
from pipeline.events.calibration import Calibration
from pipeline.events.key_frames import Album, Glimpse, Lookback
from pipeline.events.reading import Predicate, Reading
from pipeline.events.sameness import ToldLately, severity_of
from pipeline.events.state_machine import UNKNOWN_LIKENESS, Likeness, Moment, RuleMachine, Transition
from pipeline.events.takeover import Heritage, ended
from pipeline.events.track_notes import track_notes
from pipeline.events.tracks import TrackBook
from pipeline.events.zones import Area

_MAX_FACTS = 20
_UPDATE_EVERY_SECONDS = 5.0
_UPDATE_SHARE = 0.25
"""An open candidate is told again at most this often, and ever more seldom: not before it has lasted so much
longer, so that a day in a busy yard is some forty updates and not thousands."""
_GROWTH = 1.25
"""A peak this many times as high as the one last told is news."""


Vector = NDArray[np.float32]
_FactKey = tuple[str, int | None, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """One camera as its rules see it with one observation."""

    moment: Moment
    observation: Observation
    book: TrackBook
    areas: Mapping[str, Area]
    lookback: Lookback
    novelty: float | None = None
    """How unusual the picture is for this camera: share of its normal that is less so."""


class _Story:
    """What is gathered between a rule's being met and its candidate's end."""

    def __init__(self, before: Lookback, told: Candidate | None = None) -> None:
        """`told`: the candidate as an earlier owner of the camera left it open."""
        self.album = Album(before)
        self.facts: dict[_FactKey, Fact] = {_key(fact): fact for fact in told.facts} if told is not None else {}
        """The latest of each kind, track and direction; those that came first stand first."""
        self.peak = told.peak_score if told is not None else 0.0
        self.vector = unpack_vector(told.embedding) if told is not None else None
        """(D,), of the peak."""
        self.novelty = told.novelty if told is not None else None
        self.opening = _opening(told) if told is not None else None
        """Set once the candidate is open."""
        self._told_seconds = 0.0
        self._told_peak = 0.0
        self._told_facts: frozenset[_FactKey] = frozenset()

    def add(
        self, glimpse: Glimpse, facts: tuple[Fact, ...], score: float, vector: Vector | None, novelty: float | None
    ) -> None:
        """Take in one observation."""
        if novelty is not None:
            self.novelty = max(self.novelty or 0.0, novelty)
        self.album.add(glimpse)
        if vector is not None and (score > self.peak or self.vector is None):
            self.vector = vector
        self.peak = max(self.peak, score)
        self._note_facts({_key(fact): fact for fact in facts})

    def _note_facts(self, now: dict[_FactKey, Fact]) -> None:
        """Keep the latest of each; when there are too many, those that no longer hold make room."""
        past = [key for key in self.facts if key not in now]
        self.facts |= now
        for key in [*past, *reversed(now)][: max(len(self.facts) - _MAX_FACTS, 0)]:
            del self.facts[key]

    @property
    def starts_seconds(self) -> float:
        """Time of the first picture or of the first fact, whichever is earlier."""
        return min([self.album.starts_seconds, *(fact.at.timestamp() for fact in self.facts.values())])

    def is_news(self, seconds: float) -> bool:
        """Whether it grew so much since it was last told that it should be told again."""
        if self.opening is None:
            return False
        lasted_seconds = self._told_seconds - self.opening.opened_at.timestamp()
        wait_seconds = max(_UPDATE_EVERY_SECONDS, _UPDATE_SHARE * lasted_seconds)
        has_grown = self.peak >= self._told_peak * _GROWTH or not self._told_facts.issuperset(self.facts)
        return has_grown and seconds - self._told_seconds >= wait_seconds

    def note_told(self, seconds: float) -> None:
        """It is told as it stands now."""
        self._told_seconds, self._told_peak, self._told_facts = seconds, self.peak, frozenset(self.facts)


def _key(fact: Fact) -> _FactKey:
    return fact.kind, fact.track_id, fact.direction


def _opening(told: Candidate) -> Transition:
    return Transition(CandidateState.OPENED, told.started_at, told.opened_at)


class RuleWatch:
    """Follows one enabled rule on one camera."""

    def __init__(
        self,
        rule: Rule,
        machine: RuleMachine,
        *,
        max_key_frames: int,
        model_ids: Mapping[str, str],
        heritage: Heritage,
        calibration: Calibration | None = None,
    ) -> None:
        """`calibration`: the machine's levels, to learn from its scores; None where they are fixed."""
        self.rule = rule
        self._calibration = calibration
        self.machine = machine
        self._heritage: Heritage | None = heritage
        self._told = heritage.open
        """What an earlier owner left open, until it ends."""
        self._severity_told = self._told.severity if self._told is not None else rule.severity
        """Of what is open, as it was last told."""
        machine.resume(_opening(self._told) if self._told is not None else None, heritage.opened_at)
        self._rule_version = rule_version(rule)
        self._max_key_frames = max_key_frames
        self._models = dict(model_ids)
        self._story: _Story | None = None
        self._lately = ToldLately(rule, machine.gap_seconds, before=heritage.closed)

    @property
    def rule_id(self) -> str:
        """The rule's id."""
        return self.rule.id

    @property
    def is_grave(self) -> bool:
        """Something goes on that is not to be taken for normal: it lasts, and is of more than low severity."""
        is_minded = not self.machine.is_instant and self.rule.severity is not Severity.LOW
        return is_minded and self.machine.is_active

    @property
    def facts_told(self) -> tuple[Fact, ...]:
        """Of what an earlier owner left open."""
        return self._told.facts if self._told is not None else ()

    def see(self, scene: Scene, predicate: Predicate) -> list[Candidate]:
        """Take in one observation, measured by `predicate`."""
        if self._heritage is None:
            return self._decide(scene, predicate.measure(scene.observation, scene.book))
        if not self.machine.is_instant and self._heritage.holds(scene.moment.at):
            self.follow(scene, predicate)
            return []
        if self._told is not None and self._told.opened_at > scene.moment.at:
            self._heritage = None  # the camera's clock was set back since
            return [*self.restart(None), *self.see(scene, predicate)]
        reading = predicate.measure(scene.observation, scene.book)
        if self.machine.is_instant:
            untold = (*self._heritage.take_late(), *self._untold(scene, reading))
            if not self.machine.would_join(scene.moment):
                reading = replace(reading, score=float(bool(untold)), facts=untold)
        if self._heritage.is_over(scene.moment.seconds):
            self._heritage = None
        return self._decide(scene, reading)

    def follow(self, scene: Scene, predicate: Predicate) -> None:
        """Take in one observation on which an earlier owner of the camera decided."""
        reading = predicate.measure(scene.observation, scene.book)
        might_begin = self.machine.follow(scene.moment, reading, self._likeness(scene, reading))
        self._gather(scene, reading)
        if self._story is not None:
            self._story.note_told(scene.moment.seconds)
        if self._heritage is None:
            return
        if self.machine.is_instant:
            untold = self._untold(scene, reading)
            self._heritage.set_aside(scene.moment.seconds, untold if might_begin else ())
        self._heritage.decided(scene.moment.seconds)

    def _untold(self, scene: Scene, reading: Reading) -> tuple[Fact, ...]:
        size = (scene.observation.width, scene.observation.height)
        return self._heritage.untold(reading.facts, size) if self._heritage is not None else reading.facts

    def _decide(self, scene: Scene, reading: Reading) -> list[Candidate]:
        told = self._lately.over(scene.moment) if self._lately else []
        likeness = self._likeness(scene, reading)
        transitions = self.machine.update(scene.moment, reading, likeness)
        if self._calibration is not None:
            score = self.machine.score if reading.score is not None else None
            self._calibration.note(scene.moment.seconds, score, learns=self.machine.is_scheduled)
        for transition in transitions:
            if transition.state is CandidateState.CLOSED:
                told += self._end(transition, scene)
        self._gather(scene, reading)
        for transition in transitions:
            if transition.state is CandidateState.OPENED:
                told += self._begin(transition, scene)
        if self.machine.held_back is scene.moment:
            told += self._lately.repeat(scene.moment, likeness)
        return told or self._update(scene)

    def _likeness(self, scene: Scene, reading: Reading) -> Likeness:
        """Of what meets the rule now to what it told lately."""
        if self.rule.is_scored and not self.machine.is_met:
            self._lately.ordinary.note(scene.moment.seconds, reading.vector)
        if not self._lately or not reading.facts:
            return UNKNOWN_LIKENESS
        labels = {track.track_id: track.label for track in scene.book.present}
        return self._lately.compare(scene.moment, reading, labels)

    def withdraw_alert(self, candidate: Candidate) -> None:
        """The candidate was never told. Safe from another thread."""
        self.machine.withdraw_alert(candidate.opened_at)
        self._lately.withdraw(candidate)

    def restart(self, scene: Scene | None) -> list[Candidate]:
        """Forget the past; `scene` is the last that was seen, None when there was none since a takeover."""
        told = self._lately.rest()
        late = self._heritage.take_late() if self._heritage is not None else ()
        if scene is not None and late:
            self._story = None
            told += self._decide(scene, Reading(1.0, facts=late))
        told += [candidate for transition in self.machine.reset() for candidate in self._end(transition, scene)]
        self._story = None
        return told

    def forget(self) -> None:
        """Forget the past on which an earlier owner decided; what is open stays open."""
        self.machine.forget()
        self._story = None

    def _gather(self, scene: Scene, reading: Reading) -> None:
        if not self.machine.is_active:
            self._story = None
            return
        if self._story is None:
            self._story = _Story(scene.lookback, self._told)
        score = self.machine.score or 0.0
        facts = reading.facts if not self.rule.is_scored else self._scored_facts(reading, score)
        glimpse = Glimpse.of(scene.observation, scene.moment.seconds, reading.score or 0.0)
        vector = reading.vector if reading.vector is not None else scene.observation.embedding
        self._story.add(glimpse, facts, score, vector, scene.novelty)

    def _scored_facts(self, reading: Reading, score: float) -> tuple[Fact, ...]:
        """With the smoothed score, which is what the rule went by."""
        if not self.machine.is_met:
            return ()
        threshold = self.machine.threshold
        return tuple(
            fact.model_copy(
                update={
                    "text": f"{fact.text}; {score:.2f} on average (threshold {threshold:.2f})",
                    "value": score,
                    "threshold": threshold,
                }
            )
            for fact in reading.facts
        )

    def _begin(self, opening: Transition, scene: Scene) -> list[Candidate]:
        if self._story is None:
            return []
        self._story.opening = opening
        return [self._candidate(self._story, opening, scene)]

    def _update(self, scene: Scene) -> list[Candidate]:
        story = self._story
        if story is None or story.opening is None:
            return []
        if not story.is_news(scene.moment.seconds) and not self._rises(story, scene.moment):
            return []
        return [self._candidate(story, replace(story.opening, state=CandidateState.UPDATED), scene)]

    def _rises(self, story: _Story, moment: Moment) -> bool:
        """Whether it has become more severe than it was told."""
        if self.rule.escalate is None or story.opening is None or not self.machine.is_met:
            return False
        return self._severity(story.opening, moment.at).rank > self._severity_told.rank

    def _severity(self, opening: Transition, until: datetime) -> Severity:
        """Of what has lasted until then; what rose stays so."""
        severity = severity_of(self.rule, (until - opening.started_at).total_seconds(), 0)
        return max(severity, self._severity_told, key=lambda each: each.rank)

    def _end(self, ending: Transition, scene: Scene | None) -> list[Candidate]:
        story, self._story = self._story, None
        told, self._told = self._told, None
        if story is not None and scene is not None:
            return [self._candidate(story, ending, scene)]
        if told is None:
            return []
        over = ended(told, ending.ended_at or ending.opened_at)
        self._lately.note(over)
        return [over]

    def _candidate(self, story: _Story, transition: Transition, scene: Scene) -> Candidate:
        observation = scene.observation
        story.note_told(scene.moment.seconds)
        if transition.state is CandidateState.OPENED:
            self._severity_told = self.rule.severity
        self._severity_told = self._severity(transition, transition.ended_at or scene.moment.at)
        size = (observation.width, observation.height)
        track_ids = {fact.track_id for fact in story.facts.values() if fact.track_id is not None}
        candidate = Candidate(
            id=candidate_id(observation.camera_id, self.rule.id, transition.started_at),
            camera_id=observation.camera_id,
            rule_id=self.rule.id,
            rule_version=self._rule_version,
            state=transition.state,
            severity=self._severity_told,
            started_at=transition.started_at,
            opened_at=transition.opened_at,
            ended_at=transition.ended_at,
            score=min(self.machine.score or 0.0, 1.0),
            peak_score=min(story.peak, 1.0),
            threshold=self.machine.threshold,
            facts=tuple(story.facts.values()),
            key_frames=story.album.key_frames(self._max_key_frames),
            track_notes=track_notes(scene.book, scene.areas, size, story.starts_seconds, track_ids),
            picture_size=size,
            models=self._models,
            embedding=pack_vector(story.vector),
            novelty=story.novelty,
        )
        self._lately.note(candidate)
        return candidate


def rule_version(rule: Rule) -> str:
    """Fingerprint of all that the rule says: equal rules give the same one in every process."""
    text = json.dumps(_in_order(rule.model_dump(mode="python")), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _in_order(value: Any) -> Any:
    """Sets as sorted lists, at any depth: their own order differs from one process to the next."""
    if isinstance(value, dict):
        return {key: _in_order(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_order(inner) for inner in value]
    return sorted(value) if isinstance(value, set | frozenset) else value
