"""The vision-language model's part: what it is asked, what it answers, and the protocol of a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, field_validator

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Polygon, Rule
from pipeline.contracts.values import Contract, Fraction, Severity, UtcDatetime


class Verdict(StrEnum):
    """What the reasoning made of a candidate."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"
    """Nobody could tell: no model, no answer in time, an answer that does not hold. Never dropped."""


class Element(Contract):
    """A thing the report names, with where it was seen."""

    name: Annotated[str, Field(max_length=80)]
    frame: int
    """Index of the key frame, from 1, as the prompt numbered them."""
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    """(left, top, right, bottom) as fractions of the picture."""


class RelationKind(StrEnum):
    """How two things can stand to each other: in space, as cause and effect, in what they do."""

    LEFT_OF = "left of"
    RIGHT_OF = "right of"
    ABOVE = "above"
    BELOW = "below"
    IN_FRONT_OF = "in front of"
    BEHIND = "behind"
    INSIDE = "inside"
    OUTSIDE = "outside"
    ON = "on"
    NEXT_TO = "next to"
    FAR_FROM = "far from"
    TOWARDS = "towards"
    AWAY_FROM = "away from"
    CAUSES = "causes"
    PREVENTS = "prevents"
    HOLDS = "holds"
    CARRIES = "carries"
    PUTS_DOWN = "puts down"
    PICKS_UP = "picks up"
    PUSHES = "pushes"
    PULLS = "pulls"
    HITS = "hits"
    TOUCHES = "touches"
    FOLLOWS = "follows"
    LOOKS_AT = "looks at"
    TALKS_TO = "talks to"
    GIVES_TO = "gives to"
    TAKES_FROM = "takes from"
    RIDES = "rides"
    DRIVES = "drives"
    ENTERS = "enters"
    LEAVES = "leaves"
    CLIMBS = "climbs"
    USES = "uses"
    OTHER = "other"


class Relation(Contract):
    """How two things stand to each other."""

    subject: Annotated[str, Field(max_length=80)]
    kind: RelationKind = RelationKind.OTHER
    relation: Annotated[str, Field(max_length=80)]
    """In the model's own words."""
    object: Annotated[str, Field(max_length=80)]
    frame: int


class Action(Contract):
    """What somebody does, from one key frame to another."""

    who: Annotated[str, Field(max_length=80)]
    what: Annotated[str, Field(max_length=120)]
    first_frame: int
    last_frame: int


class Forecast(Contract):
    """Something that may happen next; whether it did is looked up later."""

    what: Annotated[str, Field(max_length=200)]
    within_seconds: Annotated[int, Field(ge=1, le=600)]
    """From the last frame."""
    probability: Fraction


class Report(Contract):
    """What the model says it sees; every claim cites key frames by their number in the prompt."""

    title: Annotated[str, Field(max_length=120)]
    explanation: Annotated[str, Field(max_length=600)]
    frames: Annotated[tuple[int, ...], Field(max_length=16)]
    """The key frames (from 1) that support the explanation."""
    elements: Annotated[tuple[Element, ...], Field(max_length=8)] = ()
    relations: Annotated[tuple[Relation, ...], Field(max_length=8)] = ()
    actions: Annotated[tuple[Action, ...], Field(max_length=8)] = ()
    severity: Severity | None = None
    """As the model would have it; the incident's is the rule's."""
    severity_reason: Annotated[str, Field(max_length=200)] = ""
    forecast: Annotated[str, Field(max_length=300)] = ""
    forecasts: Annotated[tuple[Forecast, ...], Field(max_length=3)] = ()
    advice: Annotated[str, Field(max_length=300)] = ""


class RemovedClaim(Contract):
    """What a report said and its evidence does not bear out."""

    claim: Annotated[str, Field(max_length=300)]
    reason: Annotated[str, Field(max_length=200)]


class Grounding(Contract):
    """What became of a report's claims when they were checked against the evidence."""

    num_checked: int
    num_supported: int
    removed: Annotated[tuple[RemovedClaim, ...], Field(max_length=40)] = ()


class Usage(Contract):
    """What one assessment took."""

    calls: int = 0
    """Requests to models, those that failed too."""
    pictures: int = 0
    input_tokens: int = 0
    """As the backend counts them; where it does not, estimated."""
    output_tokens: int = 0
    is_estimated: bool = False
    seconds: float = 0.0
    """Spent waiting for models."""
    cost: float | None = None
    """In the currency of `reasoning.price_…`; None without prices."""


class Assessment(Contract):
    """The answer to one verification. Always made, whatever the model did."""

    schema_version: Literal[1] = 1
    candidate_id: str
    verdict: Verdict
    probability: Fraction | None = None
    """Of `yes`, among yes / no / cannot tell; None when no model gave one."""
    reason: str
    """Why this verdict, for a person: the report's explanation, or what went wrong."""
    report: Report | None = None
    model_id: str = "none"
    prompt_version: str = ""
    started_at: UtcDatetime
    finished_at: UtcDatetime
    frames_sent: tuple[int, ...] = ()
    """Sequences of the key frames that were sent, in the order by which the report's frame numbers count (from 1)."""
    attempts: int = 0
    raw_answer: str = ""
    """What the model wrote, cut at 20,000 characters: kept for replay, never trusted."""
    raw_probability: Fraction | None = None
    """Of `yes` as the model gave it, before this rule's calibration; None where there is none, or no model."""
    grounding: Grounding | None = None
    """Of the report; None without one."""
    usage: Usage | None = None
    degraded: str = ""
    """How it was made cheaper than asked for, and why: `4 of 8 pictures: the models are behind`; empty when not."""
    safety: str = ""
    """What was done because words in the scene may have driven the answer; empty when nothing was."""
    context_version: str = ""
    """Fingerprint of scene card, policy and precedents that were in the prompt."""


class SceneCard(Contract):
    """What a camera looks at, in words: made once by a model or by hand, in the site file or beside it."""

    place: Annotated[str, Field(max_length=300)] = ""
    """`loading dock of a depot, seen from above the gate`."""
    normal: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=20)] = ()
    """What belongs there: `lorries back in between 06:00 and 10:00`."""
    hazards: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=20)] = ()

    @field_validator("normal", "hazards", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Precedent:
    """An earlier incident like this one, and what became of it."""

    incident_id: str
    at: datetime
    rule_id: str
    words: str
    """What it was, in a line."""
    outcome: str
    """`confirmed`, `rejected`, `unverified` by the model; what a person said of it."""
    is_false_alarm: bool | None
    """What a person said; None when nobody did."""
    likeness: float | None
    """Of what was seen, 0..1; None where it goes by time alone."""


@dataclass(frozen=True, slots=True)
class ReviewedVerdict:
    """What a model once said of an incident of the same rule, and what a person said of it: calibration's food."""

    model_id: str
    prompt_version: str
    raw_probability: float
    """Of `yes`, before calibration."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a model is told beside pictures and rule; each part may be empty."""

    scene: SceneCard = field(default_factory=SceneCard)
    policy: str = ""
    """The site's words on what matters and what does not."""
    precedents: tuple[Precedent, ...] = ()
    questions: tuple[str, ...] = ()
    """The site's checklist, to go through before judging."""
    reviewed: tuple[ReviewedVerdict, ...] = ()
    """Of the same rule, newest first, by all models: not told to the model, its probability is calibrated by them."""


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """All a reasoner needs; nothing is fetched behind its back."""

    candidate: Candidate
    rule: Rule
    frames: tuple[EncodedFrame, ...]
    """The key frames' pictures in time order; may be fewer than `candidate.key_frames`, may be none."""
    queued_at: datetime | None = None
    """Since when this verdict has been owed (wall clock, aware UTC): deadlines count from here."""
    site_name: str = ""
    camera_labels: tuple[str, ...] = ()
    zones: Mapping[str, Polygon] = field(default_factory=dict)
    timezone: str = "UTC"
    language: str = "en"
    context: RequestContext = field(default_factory=RequestContext)
    max_frames: int | None = None
    """Pictures to look at, fewer than the settings say, when the models are behind; None for the settings'."""
    wants_report: bool = True
    """False when a verdict alone must do."""


class Reasoner(Protocol):
    """Turns a request into an assessment. May block for seconds; never raises for what a model or a server
    does, never loses a candidate. Thread-safe."""

    def warm_up(self) -> None:
        """Load what must be loaded; `ConfigError` when it cannot be."""
        ...

    def assess(self, request: VerificationRequest) -> Assessment:
        """Judge one candidate."""
        ...

    def close(self) -> None:
        """Free the model; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words in a prompt."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a prompt, JPEG."""

    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a backend is given: instructions, then words and pictures in order."""

    system: str
    parts: tuple[TextPart | ImagePart, ...]
    version: str
    """Fingerprint of the template, so that a verdict can be traced to its wording."""
    severity: Severity = Severity.MEDIUM
    """Of what is judged: a ladder of models asks a stronger one sooner for what is graver."""
    request: VerificationRequest | None = None
    """What it was made from, for backends that read pictures, boxes and facts themselves: its frames are those the
    prompt shows, in the prompt's order, so that number 1 is the first. None for prompts about something else."""
    looks_for: str = ""
    """Of a second look: what is asked for, in the model's words; empty for any other prompt."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a backend gave back for a verdict."""

    yes: float
    no: float
    cannot_tell: float
    """Probabilities that add up to 1; a backend without probabilities gives 1.0 to the word it chose."""
    text: str = ""
    note: str = ""
    """What the backend had to do otherwise than it should, such as asking a smaller model; empty when nothing."""
    model_id: str = ""
    """Which model of a backend that has several gave it; empty where there is but one."""


class VisionLanguageModel(Protocol):
    """A backend. Thread-safe; may block up to its own timeout.

    Raises `TransientError` (timeout, refused, 5xx, cut stream), `Overloaded` (429, circuit open),
    `InvalidMessage` (the model answered, but not in the form asked for, or the prompt can never fit) and
    `ConfigError` from `warm_up` alone.
    """

    @property
    def model_id(self) -> str:
        """Its name in verdicts."""
        ...

    def warm_up(self) -> None:
        """Load weights, or ask the server whether it knows the model; `TransientError` when it does not answer."""
        ...

    def verdict(self, prompt: Prompt) -> Answer:
        """Yes, no or cannot tell, by first-token probabilities where the backend has them."""
        ...

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """JSON text that follows `schema`, constrained while it is generated wherever the backend can."""
        ...

    def close(self) -> None:
        """Free the model; may be called twice."""
        ...


def sum_to_one(weights: Sequence[float]) -> tuple[float, ...]:
    """Scale non-negative weights to probabilities; equal shares when all are zero."""
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else (1 / len(weights),) * len(weights)
