"""What a watcher keeps of one camera between the assignment of its partition and the loss of it.

Memory of one camera: its ring (`sampling.ring_max_bytes`), a background and a few tracks. A camera that comes back
after its partition was lost is a new object; frames that are still under way keep the old one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.decision import Decision, DecisionSink
from pipeline.contracts.forecast import ForecastSink
from pipeline.contracts.frame import EncodedFrame, SampledFrame
from pipeline.contracts.incident import Incident
from pipeline.contracts.learned import Learned
from pipeline.contracts.observation import Vision
from pipeline.events.rule_scorers import RuleScorers
from pipeline.events.scored import objects_of
from pipeline.events.stage import EventStage
from pipeline.perception.examples import embed_examples
from pipeline.perception.stage import PerceptionStage
from pipeline.runtime.learning import LearnedBook, ReviewDesk
from pipeline.runtime.skip_meter import SkipMeter
from pipeline.runtime.watcher.intake import Assignment
from pipeline.sampling.ring import FrameRing
from pipeline.sampling.sampler import CameraSampler
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Told:
    """What earlier owners told of a camera."""

    candidates: Sequence[Candidate] = ()
    """In any states, oldest first."""
    with_clip: Collection[str] = ()
    """Ids of those whose clip is written."""
    last_alerts: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """(camera, rule) to the opening of the last candidate that was told: where cooldowns go on from."""
    lately: Sequence[Candidate] = ()
    """Those candidates, of all cameras: what happens again is merged into them."""


class LiveDecisions:
    """A sink for one thread that passes on what is decided for the first time; a replay is in the ledger already."""

    def __init__(self, decisions: DecisionSink) -> None:
        self._decisions = decisions
        self.is_replay = False

    def record(self, decision: Decision) -> None:
        """Pass on, or forget."""
        if not self.is_replay:
            self._decisions.record(decision)


@dataclass(frozen=True, slots=True)
class Rules:
    """Tracks and rules of one camera, for one thread."""

    perception: PerceptionStage
    events: EventStage
    decisions: LiveDecisions
    """Of both."""


class WatchedCamera:
    """One camera in this process's care: `offer` is for the gate's thread, `rules` for the deciding one's."""

    def __init__(self, camera: Camera, assignment: Assignment, told: Told, makers: CameraMakers) -> None:
        self.id = camera.id
        self.assignment = assignment
        self.told = told
        """What was known of it when it came here."""
        self._camera = camera
        self._makers = makers
        self._decisions = LiveDecisions(makers.skips)
        self._sampler = CameraSampler(camera, makers.settings.sampling, self._decisions)
        self._sampler.crop_labels = objects_of(makers.site.rules_for(camera))
        self._rules: Rules | None = None

    @property
    def ring(self) -> FrameRing:
        """The last seconds as JPEG; any thread reads."""
        return self._sampler.ring

    def offer(self, frame: EncodedFrame, *, active_share: float, is_replay: bool) -> SampledFrame | None:
        """See `CameraSampler.offer`."""
        self._decisions.is_replay = is_replay
        return self._sampler.offer(frame, active_share=active_share)

    def rules(self) -> Rules:
        """Made when first needed; `TransientError` while the models that encode words are away."""
        if self._rules is None:
            self._rules = self._makers.rules(self._camera, self.told)
        return self._rules

    def review(self, incident: Incident) -> None:
        """See `EventStage.review`; rules that are made later ask for themselves."""
        if self._rules is not None:
            self._rules.events.review(incident)

    def learned(self, now: datetime, *, is_last: bool) -> list[Learned]:
        """See `EventStage.learned`."""
        return self._rules.events.learned(now, is_last=is_last) if self._rules is not None else []

    def withdraw_alert(self, candidate: Candidate) -> None:
        """See `EventStage.withdraw_alert`. Any thread, again and again: it may come before there are rules."""
        if self._rules is not None:
            self._rules.events.withdraw_alert(candidate)


class CameraMakers:
    """Makes cameras and their parts from site and settings."""

    def __init__(
        self,
        site: Site,
        settings: Settings,
        vision: Vision,
        learned: LearnedBook,
        reviews: ReviewDesk,
        decisions: DecisionSink,
        metrics: Metrics,
        forecasts: ForecastSink | None = None,
    ) -> None:
        self.settings = settings
        self._forecasts = forecasts
        self.skips = SkipMeter(decisions, metrics)
        self.site = site
        self._vision = vision
        self._learned = learned
        self._reviews = reviews
        self._scorers: RuleScorers | None = None
        self._decisions = decisions

    def camera(self, camera: Camera, assignment: Assignment, told: Told) -> WatchedCamera:
        """A camera that was not watched here until now."""
        return WatchedCamera(camera, assignment, told, self)

    def rules(self, camera: Camera, told: Told) -> Rules:
        """The vision must be warm. `TransientError` while it or the database is away."""
        decisions = LiveDecisions(self._decisions)
        events = EventStage(
            ((camera, self.site.rules_for(camera)),),
            self.settings.events,
            self.site.site.zone_info,
            self._vision.words,
            decisions,
            last_alerts=told.last_alerts,
            model_ids=self._vision.model_ids,
            # Those about the camera itself are the business of ingest.
            known=[candidate for candidate in told.candidates if candidate.condition is None],
            lately=told.lately,
            learned_of=self._learned.load,
            scorers=self._rule_scorers(),
            forecasts=self._forecasts,
        )
        for incident in self._reviews.known:
            events.review(incident)
        return Rules(PerceptionStage(self._vision, self.settings.perception, decisions), events, decisions)

    def _rule_scorers(self) -> RuleScorers:
        """Of all cameras: words are encoded once, and examples looked at once."""
        if self._scorers is None:
            encoder_id = self._vision.model_ids.get("encoder", "")
            self._scorers = RuleScorers(
                self._vision.words, encoder_id, lambda rule: embed_examples(rule, self._vision, Path())
            )
        return self._scorers
