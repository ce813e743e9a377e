"""A kept incident judged again: the same question, of the model and the site file as they are now.

What is kept is enough to ask again: the pictures, in the order in which they were sent, what was measured, and the
versions of model, rule, prompt and context. The prompt's own words are not kept, only their fingerprint; rule, zones
and policy are the site file's of today.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.app.lazy import Lazy
from pipeline.app.stores import Stores
from pipeline.clock import Clock
from pipeline.contracts.assessment import Assessment, VerificationRequest, VisionLanguageModel
from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import Incident
from pipeline.errors import ConfigError, SightlineError
from pipeline.events.watch import rule_version
from pipeline.reasoning.model import load_judge, load_model
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.context import ContextBook
from pipeline.settings import ReasoningSettings
from pipeline.site import Site


@dataclass(frozen=True, slots=True)
class Replay:
    """An incident judged twice."""

    incident: Incident
    now: Assessment
    rule_version: str
    """Of the rule in the site file."""
    missing: tuple[int, ...]
    """Sequences of pictures that were sent then and are no longer kept."""

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        """What the verdict rests on: then, now."""
        then = self.incident.assessment
        return {
            "model": (then.model_id if then else "", self.now.model_id),
            "rule version": (self.incident.candidate.rule_version, self.rule_version),
            "prompt version": (then.prompt_version if then else "", self.now.prompt_version),
            "context version": (then.context_version if then else "", self.now.context_version),
            "pictures": (_numbers(then.frames_sent if then else ()), _numbers(self.now.frames_sent)),
        }

    @property
    def changed(self) -> list[str]:
        """Which of these are not as they were."""
        return [name for name, (then, now) in self.versions.items() if then != now]

    def for_script(self) -> dict[str, Any]:
        """Both verdicts and what lies between them, as JSON."""
        then = self.incident.assessment
        return {
            "incident": self.incident.id,
            "changed": self.changed,
            "versions": {name: {"then": pair[0], "now": pair[1]} for name, pair in self.versions.items()},
            "missing_pictures": list(self.missing),
            "then": then.model_dump(mode="json") if then else None,
            "now": self.now.model_dump(mode="json"),
        }


def site_judge(site: Site, settings: ReasoningSettings, spec: str | None = None) -> Lazy[VisionLanguageModel]:
    """The model that judges for a site, warm once it is needed; `spec` names another, as `models.vlm` would.

    `ConfigError` when there is none or it cannot be had, `TransientError` when its server is away.
    """

    def load() -> VisionLanguageModel:
        key = site.models.vlm_api_key
        secret = key.get_secret_value() if key else None
        judge = load_model(spec, settings, api_key=secret) if spec else load_judge(site.models, settings)
        if judge is None:
            raise ConfigError("no model judges: name one in the site file (models.vlm) or with --model")
        judge.warm_up()
        return judge

    return Lazy(load)


def judge_again(
    stores: Stores,
    incident: Incident,
    site: Site,
    settings: ReasoningSettings,
    judge: Callable[[], VisionLanguageModel],
    clock: Clock,
) -> Replay:
    """Ask again; nothing is told to anybody, and the incident keeps the verdict it has.

    `judge` is called once the question is complete, and gives a warm model that its maker closes. `ConfigError` when
    the question cannot be put any more.
    """
    request, missing = _request(stores, incident, site, clock)
    as_many = settings.model_copy(update={"max_frames": max(len(request.frames), settings.max_frames)})
    now = VlmReasoner(judge(), as_many, clock).assess(request)
    return Replay(incident, now, rule_version(request.rule), missing)


def _request(
    stores: Stores, incident: Incident, site: Site, clock: Clock
) -> tuple[VerificationRequest, tuple[int, ...]]:
    """The question as the verifier would put it today, of the pictures that were sent then; and those now missing."""
    rule, camera = site.rule(incident.rule_id), site.camera(incident.camera_id)
    if incident.candidate.condition is not None:
        raise ConfigError(f"{incident.id} is about the camera itself, which is measured and not judged")
    if rule is None or camera is None:
        raise ConfigError(
            f"the site file has no rule {incident.rule_id!r} or no camera {incident.camera_id!r} any more"
        )
    sent = incident.assessment.frames_sent if incident.assessment else ()
    wanted = [key for key in incident.candidate.key_frames if not sent or key.sequence in sent]
    frames = {key.sequence: frame for key in wanted if (frame := _picture(stores, incident, key)) is not None}
    request = ContextBook(stores.incidents, site, clock).request(incident, rule, camera, list(frames.values()))
    needed = sent or [key.sequence for key in wanted]
    return request, tuple(sequence for sequence in needed if sequence not in frames)


def _picture(stores: Stores, incident: Incident, key: KeyFrame) -> EncodedFrame | None:
    """None when it was never kept, or is no longer."""
    if not key.uri:
        return None
    try:
        jpeg = stores.evidence.get(key.uri)
    except SightlineError:
        return None
    width, height = incident.candidate.picture_size
    return EncodedFrame(incident.camera_id, key.sequence, key.captured_at, 0.0, width, height, jpeg)


def _numbers(sequences: Sequence[int]) -> str:
    return ", ".join(map(str, sequences))
