"""Observations in, candidates out: every enabled rule on every camera it looks at.

Leaves to others which candidates are told, what a vision-language model makes of them and where they are
kept. A plain object without threads; only `withdraw_alert` may be called from another thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import DecisionSink
from pipeline.contracts.observation import Observation, TextEncoder
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError, StageFailed
from pipeline.events.camera_watch import CameraWatch
from pipeline.events.words import WordScorer
from pipeline.settings import EventSettings

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_ALERTS: Mapping[tuple[str, str], datetime] = MappingProxyType({})


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
    ) -> None:
        """`encoder` must be warm: the words of `when:` rules are encoded here, on the caller's thread.

        `last_alerts` gives (camera_id, rule_id) the opening of the last candidate that was told: cooldowns
        go on from there. `known` is what earlier owners of the cameras told, see `events.takeover`.
        `ConfigError` when a rule needs an encoder, a zone or a line that is not there.
        """
        self._settings = settings
        self._timezone = timezone
        self._encoder = encoder
        self._decisions = decisions
        self._model_ids = model_ids
        self._scorers: dict[str, WordScorer] = {}
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

    def _camera_watch(
        self,
        camera: Camera,
        rules: tuple[Rule, ...],
        last_alerts: Mapping[tuple[str, str], datetime],
        known: Sequence[Candidate],
    ) -> CameraWatch:
        for words in sorted(rule.when for rule in rules if rule.enabled and rule.when is not None):
            if words not in self._scorers:
                self._scorers[words] = _scorer(words, self._encoder)
        return CameraWatch(
            camera,
            rules,
            self._settings,
            self._timezone,
            self._scorers,
            self._decisions,
            last_alerts=last_alerts,
            model_ids=self._model_ids,
            known=known,
        )

    def _process(self, observation: Observation, is_replay: bool) -> tuple[Candidate, ...] | StageFailed:
        watch = self._watches.get(observation.camera_id)
        if watch is None:
            return StageFailed(f"expected an observation of a configured camera, got camera {observation.camera_id!r}")
        if observation.captured_at.tzinfo is None:
            return StageFailed(f"expected captured_at with a time zone, got {observation.captured_at.isoformat()}")
        return watch.see(observation, is_replay=is_replay)


def _scorer(words: str, encoder: TextEncoder | None) -> WordScorer:
    if encoder is None:
        raise ConfigError(f"the rule {words!r} is in words and needs an encoder; set models.encoder or use track:")
    return WordScorer(words, encoder)
