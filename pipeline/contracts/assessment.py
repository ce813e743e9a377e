"""The vision-language model's part: what it is asked, what it answers, and the protocol of a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Polygon, Rule
from pipeline.contracts.values import Contract, Fraction, UtcDatetime


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


class Relation(Contract):
    """How two things stand to each other."""

    subject: Annotated[str, Field(max_length=80)]
    relation: Annotated[str, Field(max_length=80)]
    object: Annotated[str, Field(max_length=80)]
    frame: int


class Report(Contract):
    """What the model says it sees; every claim cites key frames by their number in the prompt."""

    title: Annotated[str, Field(max_length=120)]
    explanation: Annotated[str, Field(max_length=600)]
    frames: Annotated[tuple[int, ...], Field(max_length=16)]
    """The key frames (from 1) that support the explanation."""
    elements: Annotated[tuple[Element, ...], Field(max_length=8)] = ()
    relations: Annotated[tuple[Relation, ...], Field(max_length=8)] = ()
    forecast: Annotated[str, Field(max_length=300)] = ""
    advice: Annotated[str, Field(max_length=300)] = ""


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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a backend gave back for a verdict."""

    yes: float
    no: float
    cannot_tell: float
    """Probabilities that add up to 1; a backend without probabilities gives 1.0 to the word it chose."""
    text: str = ""


class VisionLanguageModel(Protocol):
    """A backend. Thread-safe; may block up to its own timeout.

    Raises `TransientError` (timeout, refused, 5xx, cut stream), `Overloaded` (429, circuit open),
    `InvalidMessage` (the model answered, but not in the form asked for, or the prompt can never fit) and
    `ConfigError` from `warm_up` alone.
    """

    model_id: str

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
