"""What the operator writes: rules, zones and lines. The names here are the site file's names."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.contracts.health import Condition
from pipeline.contracts.values import Contract, Fraction, Identifier, NormalisedPoint, Seconds, Severity

ANY_OBJECT = "any"
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Polygon = Annotated[tuple[NormalisedPoint, ...], Field(min_length=3, max_length=100)]
"""A closed area: at least three points, 0..1 of the picture."""
Line = tuple[NormalisedPoint, NormalisedPoint]
"""From a first to a second point, 0..1 of the picture. Its *left* and *right* are those of someone walking
along it from the first to the second point, seen on the picture."""


class Schedule(Contract):
    """When a rule is on: a daily span on some days, in the site's time zone."""

    start: time
    end: time
    """Half-open: [start, end). An end at or before the start means the next day."""
    days: frozenset[Day] = frozenset(DAYS)
    """The days on which a span *starts*."""

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read `22:00-06:00`, `mon-fri 08:00-18:00` or `sat,sun 00:00-24:00`."""
        *day_words, span = text.strip().lower().split()
        start, separator, end = span.partition("-")
        if not separator or len(day_words) > 1:
            raise ValueError(f"expected a schedule such as 22:00-06:00 or mon-fri 08:00-18:00, got {text!r}")
        days = _parse_days(day_words[0]) if day_words else frozenset(DAYS)
        return cls.model_validate({"start": _parse_time(start), "end": _parse_time(end), "days": days})


def _parse_time(text: str) -> time:
    if text == "24:00":
        return time(0, 0)
    try:
        return time.fromisoformat(text if len(text) > 4 else f"0{text}")
    except ValueError:
        raise ValueError(f"expected a time of day such as 06:30, got {text!r}") from None


def _parse_days(text: str) -> frozenset[str]:
    days: set[str] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"expected days such as mon-fri or sat,sun, got {text!r}")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.update(DAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))
    return frozenset(days)


class TrackPredicate(Contract):
    """A condition over tracked things; exactly one of the verbs, all durations in seconds."""

    object: tuple[str, ...] = (ANY_OBJECT,)
    """Labels that count (COCO names, `moving`), or `any`."""
    enters: Identifier | None = None
    """A zone: a track that was seen outside is now inside."""
    leaves: Identifier | None = None
    """A zone: a track that was seen inside is now outside."""
    inside: Identifier | None = None
    """A zone: alone, something is there; with `longer_than`, the same track stayed so long."""
    longer_than: Seconds | None = None
    crosses: Identifier | None = None
    """A line: a track's foot point passes from one side to the other within the line's ends."""
    direction: Literal["any", "left_to_right", "right_to_left"] = "any"
    """Which way over the line, by the line's own left and right."""
    count_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """More than so many at once, in the rule's zone or the whole picture."""
    left_behind: Seconds | None = None
    """A stationary thing whose bringer has been gone so long."""
    faster_than: Annotated[float, Field(gt=0, le=100)] | None = None
    """Speed in the thing's own heights a second: about 0.8 for a walk, above 1.8 for a run."""

    @field_validator("object", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_verb(self) -> Self:
        verbs = ("enters", "leaves", "inside", "crosses", "count_above", "left_behind", "faster_than")
        given = [verb for verb in verbs if getattr(self, verb) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(verbs)}; got {', '.join(given) or 'none'}")
        if self.longer_than is not None and self.inside is None:
            raise ValueError("longer_than goes with inside: ZONE")
        if self.direction != "any" and self.crosses is None:
            raise ValueError("direction goes with crosses: LINE")
        return self


class Timing(Contract):
    """How scores become events; every constant in seconds, so that a frame rate never changes meaning."""

    smoothing: Seconds = 1.0
    """Time constant of the causal average over scores of `when:` rules."""
    threshold: Fraction | None = None
    """Smoothed score at which the rule counts as met, fixed; without one it is learned, see `alerts_per_day`."""
    release: Fraction | None = None
    """Smoothed score under which it counts as no longer met; goes with a fixed `threshold`."""
    dwell: Seconds | None = None
    """How long it must stay met before a candidate opens; the rule kind's own default when not given."""
    gap: Seconds | None = None
    """Interruptions up to this long belong to the same candidate; the rule kind's own default when absent."""

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.release is not None and self.threshold is None:
            raise ValueError("release goes with a fixed threshold; without one both are learned")
        if self.release is not None and self.threshold is not None and self.release > self.threshold:
            raise ValueError(f"release ({self.release}) must not be above threshold ({self.threshold})")
        return self


class Examples(Contract):
    """Pictures or clips that show what a rule is about, and what it is not about.

    Paths or fsspec URLs; a relative path is taken from the site file's folder.
    """

    positive: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    """What should be told: three to five make a rule."""
    negative: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """What looks alike and should not be told."""


class Escalation(Contract):
    """When an incident becomes more serious than its rule."""

    after: Seconds | None = None
    """Once it has lasted so long."""
    repeats: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Once it has happened again so many times while the cooldown held."""
    to: Severity = Severity.CRITICAL

    @model_validator(mode="after")
    def _some_reason(self) -> Self:
        if self.after is None and self.repeats is None:
            raise ValueError("expected after: DURATION, repeats: NUMBER or both")
        return self


class Rule(Contract):
    """What the operator wants to hear about."""

    id: Identifier
    when: Annotated[str, Field(min_length=3, max_length=20_000)] | None = None
    """Words, scored by the encoder and judged by the vision-language model."""
    track: TrackPredicate | None = None
    """A condition over tracks and zones."""
    examples: Examples | None = None
    """What it looks like, in pictures; alone, or beside `when`. One path or a list is short for `positive`."""
    unusual: bool = False
    """What this camera does not normally see at this hour of the week; learned, see `docs/learning.md`."""
    object: tuple[str, ...] = ()
    """With `when` or `examples`: things of these labels are looked at one by one, each by itself, in `zone` if there
    is one; empty: the picture as a whole."""
    health: tuple[Condition, ...] | None = None
    """What is wrong with the camera itself: `offline`, `black` …, or `any`. Never judged by a model."""
    ask: Annotated[str, Field(max_length=20_000)] | None = None
    """The question put to the vision-language model; by default made from `when` or `track`."""
    cameras: tuple[str, ...] = ()
    """Camera ids or labels; empty means all."""
    zone: Identifier | None = None
    """Only what happens in this zone counts."""
    schedule: tuple[Schedule, ...] = ()
    """When the rule is on, in the site's time zone; empty means always."""
    severity: Severity = Severity.MEDIUM
    verify: Literal["vlm", "none"] = "vlm"
    """Whether a vision-language model judges a candidate before it counts as confirmed."""
    alert: Literal["at_once", "verified"] = "at_once"
    """`at_once`: a provisional alert goes out and the verdict follows with the same id; `verified`: nothing is
    told before the verdict, and a rejected candidate never is."""
    cooldown: Seconds = 60.0
    """No new alert of this rule on this camera so soon after the last one sent, unless it is clearly another event."""
    escalate: Escalation | None = None
    """When an incident of this rule becomes more severe than `severity`."""
    alerts_per_day: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Of `when`, `examples` and `unusual`: false alarms a day that each camera may give, from which its threshold is
    learned; `events.alerts_per_day` of the settings when not given."""
    notify: tuple[Identifier, ...] = ()
    """Channels; empty means all channels of the site."""
    enabled: bool = True
    timing: Timing = Timing()

    @field_validator("examples", mode="before")
    @classmethod
    def _positive_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"positive": (value,)}
        return {"positive": value} if isinstance(value, list | tuple) else value

    @field_validator("cameras", "notify", "object", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("health", mode="before")
    @classmethod
    def _any_condition(cls, value: Any) -> Any:
        if value == "any":
            return tuple(Condition)
        return (value,) if isinstance(value, str) else value

    @field_validator("schedule", mode="before")
    @classmethod
    def _schedules(cls, value: Any) -> Any:
        entries = value if isinstance(value, list | tuple) else (value,)
        return tuple(Schedule.parse(entry) if isinstance(entry, str) else entry for entry in entries)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = {"when": self.when, "track": self.track, "health": self.health, "examples": self.examples}
        given = [kind for kind, value in kinds.items() if value is not None] + ["unusual"] * self.unusual
        if len(given) != 1 and given != ["when", "examples"]:
            raise ValueError(
                f"expected exactly one of when, track, examples, unusual, health; got {' and '.join(given) or 'none'}"
            )
        if self.health is not None and self.zone is not None:
            raise ValueError("a health rule concerns the camera as a whole; take zone out")
        if self.object and self.when is None and self.examples is None:
            raise ValueError("object goes with when or examples; with track it stands inside it")
        if self.alerts_per_day is not None and not self.is_scored:
            raise ValueError("alerts_per_day goes with when, examples or unusual: a track rule has no score to learn")
        if self.alerts_per_day is not None and self.timing.threshold is not None:
            raise ValueError("give either alerts_per_day or timing.threshold: the one learns what the other fixes")
        if self.escalate is not None and self.escalate.to.rank <= self.severity.rank:
            raise ValueError(f"escalate.to ({self.escalate.to}) must be above severity ({self.severity})")
        return self

    @property
    def is_scored(self) -> bool:
        """It is met by a score of an embedding, and not by what tracks do or how the camera is."""
        return self.when is not None or self.examples is not None or self.unusual

    @property
    def names_used(self) -> tuple[tuple[str, str, str], ...]:
        """(kind, field, name) for each zone and line this rule refers to: `("zone", "track.enters", "door")`."""
        used = [("zone", "zone", self.zone)]
        if self.track is not None:
            used += [("zone", f"track.{verb}", getattr(self.track, verb)) for verb in ("enters", "leaves", "inside")]
            used.append(("line", "track.crosses", self.track.crosses))
        return tuple((kind, field, name) for kind, field, name in used if name is not None)
