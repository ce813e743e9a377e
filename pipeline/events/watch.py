"""One rule on one camera: measure, state machine and story put together into candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.contracts.candidate import Candidate, CandidateState, Fact, candidate_id
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.events.key_frames import Album, Glimpse, Lookback
from pipeline.events.reading import Predicate, Reading
from pipeline.events.state_machine import Moment, RuleMachine, Transition
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


_FactKey = tuple[str, int | None, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """One camera as its rules see it with one observation."""

    moment: Moment
    observation: Observation
    book: TrackBook
    areas: Mapping[str, Area]
    lookback: Lookback


class _Story:
    """What is gathered between a rule's being met and its candidate's end."""

    def __init__(self, before: Lookback, told: Candidate | None = None) -> None:
        """`told`: the candidate as an earlier owner of the camera left it open."""
        self.album = Album(before)
        self.facts: dict[_FactKey, Fact] = {_key(fact): fact for fact in told.facts} if told is not None else {}
        """The latest of each kind, track and direction; those that came first stand first."""
        self.peak = told.peak_score if told is not None else 0.0
        self.opening = _opening(told) if told is not None else None
        """Set once the candidate is open."""
        self._told_seconds = 0.0
        self._told_peak = 0.0
        self._told_facts: frozenset[_FactKey] = frozenset()

    def add(self, glimpse: Glimpse, facts: tuple[Fact, ...], score: float) -> None:
        """Take in one observation."""
        self.album.add(glimpse)
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
    ) -> None:
        self.rule = rule
        self.machine = machine
        self._heritage: Heritage | None = heritage
        self._told = heritage.open
        """What an earlier owner left open, until it ends."""
        machine.resume(_opening(self._told) if self._told is not None else None, heritage.opened_at)
        self._rule_version = rule_version(rule)
        self._max_key_frames = max_key_frames
        self._models = dict(model_ids)
        self._story: _Story | None = None

    @property
    def rule_id(self) -> str:
        """The rule's id."""
        return self.rule.id

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
        might_begin = self.machine.follow(scene.moment, reading)
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
        told: list[Candidate] = []
        transitions = self.machine.update(scene.moment, reading)
        for transition in transitions:
            if transition.state is CandidateState.CLOSED:
                told += self._end(transition, scene)
        self._gather(scene, reading)
        for transition in transitions:
            if transition.state is CandidateState.OPENED:
                told += self._begin(transition, scene)
        return told or self._update(scene)

    def restart(self, scene: Scene | None) -> list[Candidate]:
        """Forget the past; `scene` is the last that was seen, None when there was none since a takeover."""
        told: list[Candidate] = []
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
        facts = reading.facts if self.rule.track is not None else self._fact_in_words(scene, score)
        glimpse = Glimpse.of(scene.observation, scene.moment.seconds, reading.score or 0.0)
        self._story.add(glimpse, facts, score)

    def _fact_in_words(self, scene: Scene, score: float) -> tuple[Fact, ...]:
        if not self.machine.is_met:
            return ()
        text = f"“{self.rule.when}” scored {score:.2f} (threshold {self.machine.threshold:.2f})"
        at = scene.moment.at
        return (Fact(kind="when", text=text, at=at, value=score, threshold=self.machine.threshold, unit="score"),)

    def _begin(self, opening: Transition, scene: Scene) -> list[Candidate]:
        if self._story is None:
            return []
        self._story.opening = opening
        return [self._candidate(self._story, opening, scene)]

    def _update(self, scene: Scene) -> list[Candidate]:
        story = self._story
        if story is None or story.opening is None or not story.is_news(scene.moment.seconds):
            return []
        return [self._candidate(story, replace(story.opening, state=CandidateState.UPDATED), scene)]

    def _end(self, ending: Transition, scene: Scene | None) -> list[Candidate]:
        story, self._story = self._story, None
        told, self._told = self._told, None
        if story is not None and scene is not None:
            return [self._candidate(story, ending, scene)]
        return [ended(told, ending.ended_at or ending.opened_at)] if told is not None else []

    def _candidate(self, story: _Story, transition: Transition, scene: Scene) -> Candidate:
        observation = scene.observation
        story.note_told(scene.moment.seconds)
        size = (observation.width, observation.height)
        track_ids = {fact.track_id for fact in story.facts.values() if fact.track_id is not None}
        return Candidate(
            id=candidate_id(observation.camera_id, self.rule.id, transition.started_at),
            camera_id=observation.camera_id,
            rule_id=self.rule.id,
            rule_version=self._rule_version,
            state=transition.state,
            severity=self.rule.severity,
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
        )


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
