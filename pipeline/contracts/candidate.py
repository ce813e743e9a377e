"""A rule's state machine opened: what, where, when, and the pictures and facts that opened it."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pipeline.contracts.forecast import Course, Expected
from pipeline.contracts.health import Condition
from pipeline.contracts.observation import MOVING
from pipeline.contracts.values import Contract, Fraction, Severity, UtcDatetime, utc_text


class CandidateState(StrEnum):
    """The life of a candidate as the state machine tells it."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class SeenRegion(Contract):
    """A region as it is kept with a key frame; box as (left, top, right, bottom), absolute pixels."""

    box: tuple[float, float, float, float]
    label: str
    score: float
    track_id: int | None = None


class KeyFrame(Contract):
    """One picture that tells the story. `uri` is set once the picture is kept as evidence."""

    sequence: int
    captured_at: UtcDatetime
    role: Literal["peak", "different", "first", "last"]
    score: float
    regions: tuple[SeenRegion, ...] = ()
    uri: str = ""
    """Key of the plain JPEG in the evidence store; empty when the picture could not be kept."""


class Fact(Contract):
    """Something measured that made the rule fire, in numbers and in words."""

    kind: str
    """The predicate's verb: `enters`, `crosses`, `inside`, `count_above`, `left_behind`, `faster_than`; `when`,
    `examples`, `unusual`; of a health rule the condition: `offline`, `black`…"""
    text: str
    """For a person: `person 7 crossed kerb left_to_right`."""
    at: UtcDatetime
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    """`s`, `heights/s`, `objects`, `score`."""
    track_id: int | None = None
    position: tuple[float, float] | None = None
    """Where it happened: foot point, absolute pixels."""
    direction: str = ""


class Candidate(Contract):
    """A rule is met on a camera. Told when it opens, when it grows, and when it ends."""

    schema_version: Literal[1] = 1
    id: str
    camera_id: str
    rule_id: str
    rule_version: str
    """Fingerprint of the rule's text, so that a report says which version fired."""
    state: CandidateState
    severity: Severity
    started_at: UtcDatetime
    """When the rule was first met (before dwell); makes the id."""
    opened_at: UtcDatetime
    """When dwell was over and the candidate opened: captured_at of that frame."""
    ended_at: UtcDatetime | None = None
    """When the rule was last met; set on closing."""
    score: float
    """Of a `when:` rule, its smoothed score; of a `track:` rule, the share of its limit, at most 1."""
    peak_score: float
    threshold: float
    """What `score` had to reach; 1.0 for `track:` rules."""
    facts: tuple[Fact, ...] = ()
    key_frames: tuple[KeyFrame, ...] = ()
    track_notes: tuple[Fact, ...] = ()
    """What the tracks did between the key frames, in time order, for the model's prompt."""
    picture_size: tuple[int, int] = (0, 0)
    """(width, height) of the camera's frames, pixels."""
    models: dict[str, str] = {}
    """Role to model id: which encoder and detector saw it."""
    embedding: str = ""
    """Of the peak: what the rule's score was made from (`values.unpack_vector`), in the space of `models["encoder"]`;
    of a rule without a score the picture's. Empty without an encoder."""
    appearance: str = ""
    """What the thing it is about looks like (`values.unpack_vector`), for finding it again on other cameras; empty
    when it is about no single thing, or nobody has looked."""
    novelty: Fraction | None = None
    """How unusual the peak was for this camera: share of its normal that is less so. None while that is not known."""
    outlook: tuple[Expected, ...] = ()
    """What its tracks may do next, as of when it was last told; each thing for a few horizons."""
    courses: tuple[Course, ...] = ()
    """The ways its tracks are expected to take."""
    repeats: int = 0
    """How often it happened again while the cooldown held, and was merged into this."""
    repeated_at: UtcDatetime | None = None
    """When it was last met again so."""

    @property
    def labels(self) -> frozenset[str]:
        """What the things that its facts name are, by most of its pictures; without those of which only motion is
        known."""
        votes: dict[int, Counter[str]] = {f.track_id: Counter() for f in self.facts if f.track_id is not None}
        for region in (region for frame in self.key_frames for region in frame.regions):
            if region.track_id in votes:
                votes[region.track_id][region.label] += 1
        return frozenset(counter.most_common(1)[0][0] for counter in votes.values() if counter) - {MOVING}

    @property
    def condition(self) -> Condition | None:
        """What is wrong with the camera, if this is about the camera and not about what it sees."""
        kind = self.facts[0].kind if self.facts else ""
        return Condition(kind) if kind in set(Condition) else None


def candidate_id(camera_id: str, rule_id: str, started_at: datetime) -> str:
    """The same camera, rule and start give the same id, in every runtime and after every restart."""
    text = "\x1f".join((camera_id, rule_id, utc_text(started_at)))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
