"""One camera: its tracks and the last seconds of its pictures, and every rule that looks at it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import NO_RULE, Decision, DecisionSink, Gate
from pipeline.contracts.forecast import ForecastSink
from pipeline.contracts.observation import Observation
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.events.key_frames import Glimpse, Lookback
from pipeline.events.learning import CameraLearning
from pipeline.events.outlook import CameraOutlook
from pipeline.events.predicates import predicate_for
from pipeline.events.reading import Predicate
from pipeline.events.scored import ScoredPredicate, Scorer
from pipeline.events.state_machine import Moment, RuleMachine
from pipeline.events.takeover import Takeover
from pipeline.events.tracks import TrackBook
from pipeline.events.watch import RuleWatch, Scene
from pipeline.events.zones import Shapes, shapes_of
from pipeline.settings import EventSettings

_HEARTBEATS = 2.5
"""Silence is longer than this many of a camera's own idle intervals: one frame may be late or lost."""


class CameraWatch:
    """Follows one camera. Its past ends with a long silence, a change of picture size or a clock set back."""

    def __init__(
        self,
        camera: Camera,
        rules: tuple[Rule, ...],
        settings: EventSettings,
        timezone: ZoneInfo,
        scorers: Mapping[str, Scorer],
        learning: CameraLearning,
        decisions: DecisionSink,
        forecasts: ForecastSink,
        *,
        last_alerts: Mapping[tuple[str, str], datetime],
        model_ids: Mapping[str, str],
        known: Iterable[Candidate],
        lately: Iterable[Candidate] = (),
    ) -> None:
        _check_places(camera, rules)
        self._camera, self._timezone, self._decisions, self._forecasts = camera, timezone, decisions, forecasts
        self._scorers, self._learning = scorers, learning
        self._max_gap_seconds = max(settings.max_gap, _HEARTBEATS / camera.sampling.idle_fps)
        self._memory_seconds = settings.track_memory
        self._disabled = tuple(rule for rule in rules if not rule.enabled)
        takeover = Takeover(camera, known, lately)
        self._watches = [
            self._rule_watch(rule, last_alerts, model_ids, settings.max_key_frames, takeover)
            for rule in rules
            if rule.enabled
        ]
        self._leftovers = takeover.leftovers([watch.rule_id for watch in self._watches])
        self._takeover: Takeover | None = takeover
        """Until the first observation that nobody had decided on."""
        self._past: _Past | None = None

    def _rule_watch(
        self,
        rule: Rule,
        last_alerts: Mapping[tuple[str, str], datetime],
        model_ids: Mapping[str, str],
        max_key_frames: int,
        takeover: Takeover,
    ) -> RuleWatch:
        calibration = self._learning.calibration(rule)
        last_alert_at = last_alerts.get((self._camera.id, rule.id))
        return RuleWatch(
            rule,
            RuleMachine(self._camera.id, rule, self._decisions, last_alert_at, calibration),
            max_key_frames=max_key_frames,
            model_ids=model_ids,
            heritage=takeover.of_rule(rule.id),
            calibration=calibration,
        )

    def see(self, observation: Observation, *, is_replay: bool) -> tuple[Candidate, ...]:
        """Take in one observation; what opened, changed or closed with it."""
        moment = Moment.of(observation.captured_at, self._timezone)
        is_decided = self._takeover is not None and self._takeover.holds(moment.at, is_replay=is_replay)
        if not is_decided:
            self._takeover = None
        elapsed = moment.seconds - self._past.scene.moment.seconds if self._past is not None else 0.0
        if self._past is not None and -self._max_gap_seconds <= elapsed <= 0:
            return () if is_decided else self._ignore(observation, -elapsed)
        told: tuple[Candidate, ...] = ()
        if abs(elapsed) > self._max_gap_seconds or self._has_new_size(observation):
            if is_decided:
                self._forget()
            else:
                told = self.finish()
        if self._past is None:
            self._past = self._begin(moment, observation)
        self._past.take_in(moment, observation, self._novelty(observation))
        return self._follow(self._past) if is_decided else (*told, *self._judge(self._past))

    def finish(self) -> tuple[Candidate, ...]:
        """Forget the past; what it closes."""
        past, self._past = self._past, None
        scene = past.scene if past is not None else None
        if past is not None:
            past.outlook.end()
        closed = [candidate for watch in self._watches for candidate in watch.restart(scene)]
        return (*self._take_leftovers(), *closed)

    def withdraw_alert(self, candidate: Candidate) -> None:
        """The candidate was never told. Safe from another thread."""
        for watch in self._watches:
            if watch.rule_id == candidate.rule_id:
                watch.withdraw_alert(candidate)

    def _judge(self, past: _Past) -> tuple[Candidate, ...]:
        for rule in self._disabled:
            self._decide(past.scene.observation, Gate.SCHEDULE, "rule disabled", rule.id)
        told = [
            past.outlook.expect(candidate, past.scene.book)
            for watch in self._watches
            for candidate in watch.see(past.scene, past.measures[watch.rule_id])
        ]
        self._learn_normal(past.scene.observation)
        return (*self._take_leftovers(), *told)

    def _learn_normal(self, observation: Observation) -> None:
        """A picture that no rule minds is normal, for all that is known."""
        normal = self._learning.normal
        if normal is None or observation.embedding is None:
            return
        if any(watch.is_grave for watch in self._watches):
            normal.hold(observation.captured_at)
        normal.offer(observation.embedding[np.newaxis], observation.captured_at)

    def _novelty(self, observation: Observation) -> float | None:
        """How unusual a picture is for the camera; None while that is not known."""
        normal = self._learning.normal
        if normal is None or normal.missing or observation.embedding is None:
            return None
        raw = float(normal.novelty(observation.embedding[np.newaxis], observation.captured_at)[0])
        return normal.rank(raw) if math.isfinite(raw) else None

    def _follow(self, past: _Past) -> tuple[Candidate, ...]:
        for watch in self._watches:
            watch.follow(past.scene, past.measures[watch.rule_id])
        return ()

    def _forget(self) -> None:
        """As `finish`, at a moment on which an earlier owner decided: what it closed was told."""
        self._past = None
        for watch in self._watches:
            watch.forget()

    def _take_leftovers(self) -> tuple[Candidate, ...]:
        leftovers, self._leftovers = self._leftovers, ()
        return leftovers

    def _has_new_size(self, observation: Observation) -> bool:
        return self._past is not None and self._past.size != (observation.width, observation.height)

    def _ignore(self, observation: Observation, behind_seconds: float) -> tuple[Candidate, ...]:
        """A frame seen twice, or overtaken by a later one: it would only confuse the tracks."""
        self._decide(observation, Gate.PERCEPTION, "not newer than the frame before", value=behind_seconds)
        return ()

    def _decide(
        self, observation: Observation, gate: Gate, reason: str, rule_id: str = NO_RULE, value: float | None = None
    ) -> None:
        self._decisions.record(Decision(self._camera.id, gate, False, reason, observation.captured_at, rule_id, value))

    def _begin(self, moment: Moment, observation: Observation) -> _Past:
        shapes = shapes_of(self._camera, observation.width, observation.height)
        measures = {watch.rule_id: self._measure(watch, shapes) for watch in self._watches}
        outlook = CameraOutlook(self._camera, shapes, (observation.width, observation.height), self._forecasts)
        return _Past(moment, observation, shapes, measures, outlook, self._memory_seconds)

    def _measure(self, watch: RuleWatch, shapes: Shapes) -> Predicate:
        rule = watch.rule
        if not rule.is_scored:
            return predicate_for(rule, shapes, watch.facts_told)
        return ScoredPredicate(rule, self._scorers[rule.id], shapes.areas[rule.zone] if rule.zone else None)


class _Past:
    """What is remembered of one camera since its last fresh start, for one size of picture."""

    def __init__(
        self,
        moment: Moment,
        observation: Observation,
        shapes: Shapes,
        measures: Mapping[str, Predicate],
        outlook: CameraOutlook,
        memory_seconds: float,
    ) -> None:
        self.size = (observation.width, observation.height)
        self.measures = measures
        self.outlook = outlook
        self.scene = Scene(moment, observation, TrackBook(memory_seconds), shapes.areas, Lookback())

    def take_in(self, moment: Moment, observation: Observation, novelty: float | None) -> None:
        """Bring tracks and lookback up to date."""
        self.scene = replace(self.scene, moment=moment, observation=observation, novelty=novelty)
        self.scene.book.update(observation, moment.seconds)
        self.outlook.see(self.scene.book)
        self.scene.lookback.add(Glimpse.of(observation, moment.seconds))


def _check_places(camera: Camera, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        for kind, field, name in rule.names_used:
            drawn = camera.zones if kind == "zone" else camera.lines
            if rule.enabled and name not in drawn:
                known = ", ".join(sorted(drawn)) or "none"
                raise ConfigError(
                    f"rule {rule.id}: expected {field} to name a {kind} of camera {camera.id} ({known}), got {name!r}"
                )
