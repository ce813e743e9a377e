"""Observations in, candidates out: every enabled rule on every camera it looks at.

Leaves to others which candidates are told, what a vision-language model makes of them and where they are
kept. A plain object without threads; only `withdraw_alert` may be called from another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.forecast import ForecastSink, NullForecastSink
from pipeline.contracts.incident import Incident
from pipeline.contracts.learned import Learned
from pipeline.contracts.observation import Observation, TextEncoder
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError, StageFailed
from pipeline.events.camera_watch import CameraWatch
from pipeline.events.learning import CameraLearning
from pipeline.events.rule_scorers import RuleScorers
from pipeline.events.scored import Scorer
from pipeline.events.unusual import UnusualScorer
from pipeline.settings import EventSettings

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_ALERTS: Mapping[tuple[str, str], datetime] = MappingProxyType({})


def _nothing_learned(_camera_id: str) -> Sequence[Learned]:
    return ()


class EventStage:
    """The stage. Observations of one camera must come in order of time; cameras may be mixed."""

    def __init__(
        self,
        cameras: Sequence[tuple[Camera, tuple[Rule, ...]]],
        settings: EventSettings,
        timezone: ZoneInfo,
        encoder: TextEncoder | None,
        decisions: DecisionSink,
        *,
        last_alerts: Mapping[tuple[str, str], datetime] = _NO_ALERTS,
        model_ids: Mapping[str, str] = _NOTHING,
        known: Sequence[Candidate] = (),
        lately: Sequence[Candidate] = (),
        learned_of: Callable[[str], Sequence[Learned]] = _nothing_learned,
        scorers: RuleScorers | None = None,
        forecasts: ForecastSink | None = None,
    ) -> None:
        """`encoder` must be warm: the words of `when:` rules are encoded here, on the caller's thread.

        `last_alerts` gives (camera_id, rule_id) the opening of the last candidate that was told: cooldowns
        go on from there. `known` is what earlier owners of the cameras told, see `events.takeover`.
        `lately`: the candidates of `last_alerts` whose cooldown may still hold; what happens again is merged into them.
        `learned_of` gives what was learned of a camera until now, and of rules whatever the camera; what it raises is
        raised. `scorers` may be shared by stages of one thread; rules with `examples` need some that can look at them.
        `forecasts` takes what is foretold of candidates, and later what became of it.
        `ConfigError` when a rule needs an encoder, a zone or a line that is not there.
        """
        self._settings = settings
        self._timezone = timezone
        self._encoder_id = model_ids.get("encoder", encoder.model_id if encoder is not None else "")
        self._decisions = decisions
        self._forecasts = forecasts or NullForecastSink()
        self._model_ids = model_ids
        self._learned_of = learned_of
        self._scorers = scorers or RuleScorers(encoder, self._encoder_id)
        self._learnings: dict[str, CameraLearning] = {}
        self._rules: dict[tuple[str, str], Rule] = {}
        """By camera and id."""
        self._lately = tuple(lately)
        self._watches = {camera.id: self._camera_watch(camera, rules, last_alerts, known) for camera, rules in cameras}

    def watch(
        self, camera: Camera, rules: tuple[Rule, ...], last_alerts: Mapping[tuple[str, str], datetime] = _NO_ALERTS
    ) -> None:
        """From now on watch a camera by these rules, whatever was watched of it before; `finish` that first.

        `ConfigError`, and all stays as it is, like when the stage is made.
        """
        self._watches[camera.id] = self._camera_watch(camera, rules, last_alerts, ())

    def process(
        self, observations: Sequence[Observation], *, is_replay: bool = False
    ) -> list[tuple[Candidate, ...] | StageFailed]:
        """What opened, changed or closed with each observation; same length, same order.

        Observations of a replay come first after the stage is made, and rebuild what it knows of a camera: an
        earlier owner decided on them, so they open, change and close nothing and leave no decisions. An
        observation that cannot be handled fails alone: a camera nobody configured, a time without a zone.
        """
        return [self._process(observation, is_replay) for observation in observations]

    def finish(self, camera_id: str) -> tuple[Candidate, ...]:
        """Close all that is open on a camera: its stream ended, or the program drains."""
        watch = self._watches.get(camera_id)
        return watch.finish() if watch is not None else ()

    def withdraw_alert(self, candidate: Candidate) -> None:
        """A rejected candidate that was never told gives its cooldown back. Safe from another thread."""
        watch = self._watches.get(candidate.camera_id)
        if watch is not None:
            watch.withdraw_alert(candidate)

    def review(self, incident: Incident) -> None:
        """A person has judged an incident, of whatever camera: its rule learns from it, and its camera, at once."""
        self._scorers.review(incident)
        learning = self._learnings.get(incident.camera_id)
        if learning is not None:
            learning.review(incident, self._rules.get((incident.camera_id, incident.rule_id)))

    def learned(self, now: datetime, *, is_last: bool = False) -> list[Learned]:
        """What is due to be kept at `now`, by the wall clock (aware); everything, when it is the last time."""
        return [one for learning in self._learnings.values() for one in learning.take(now, is_last=is_last)]

    def _camera_watch(
        self,
        camera: Camera,
        rules: tuple[Rule, ...],
        last_alerts: Mapping[tuple[str, str], datetime],
        known: Sequence[Candidate],
    ) -> CameraWatch:
        learning = self._learning(camera.id)
        scorers = {rule.id: self._scorer(rule, learning) for rule in rules if rule.enabled and rule.is_scored}
        self._rules |= {(camera.id, rule.id): rule for rule in rules}
        return CameraWatch(
            camera,
            rules,
            self._settings,
            self._timezone,
            scorers,
            learning,
            self._decisions,
            self._forecasts,
            last_alerts=last_alerts,
            model_ids=self._model_ids,
            known=known,
            lately=self._lately,
        )

    def _learning(self, camera_id: str) -> CameraLearning:
        learning = self._learnings.get(camera_id)
        if learning is None:
            known = self._learned_of(camera_id) if self._encoder_id else ()
            self._scorers.take_import(known)
            learning = CameraLearning(camera_id, self._settings, self._timezone, self._encoder_id, known)
            self._learnings[camera_id] = learning
        return learning

    def _scorer(self, rule: Rule, learning: CameraLearning) -> Scorer:
        if not rule.unusual:
            return self._scorers.of(rule)
        if learning.normal is None:
            raise ConfigError(
                f"the rule {rule.id} is about the unusual and needs an encoder, and events.learn_normal; set both"
            )
        return UnusualScorer(learning.normal, self._scorers.captions)

    def _process(self, observation: Observation, is_replay: bool) -> tuple[Candidate, ...] | StageFailed:
        watch = self._watches.get(observation.camera_id)
        if watch is None:
            return StageFailed(f"expected an observation of a configured camera, got camera {observation.camera_id!r}")
        if observation.captured_at.tzinfo is None:
            return StageFailed(f"expected captured_at with a time zone, got {observation.captured_at.isoformat()}")
        return watch.see(observation, is_replay=is_replay)
