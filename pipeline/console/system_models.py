"""What the API answers with and takes about the whole: health, deliveries, what models took, rules, questions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, model_validator

from pipeline.console.host import ShapeKind
from pipeline.console.models import Answer, Changed, Request
from pipeline.console.problems import Wrong
from pipeline.contracts.alert import Delivery, DeliveryState
from pipeline.contracts.rule import Rule
from pipeline.contracts.values import Identifier, NormalisedPoint

_NAME: TypeAdapter[str] = TypeAdapter(Identifier)


class OwedView(Answer):
    """Work that is owed now."""

    number: int
    oldest_age_seconds: float
    """0 for no work."""


class HealthView(Answer):
    """How the whole is doing."""

    version: str
    verdicts: OwedView
    deliveries: OwedView
    """That are due."""
    deliveries_by_state: dict[DeliveryState, int]
    cameras: int
    """That you may know of."""
    cameras_wrong: tuple[str, ...]
    """Those of them with something wrong now."""


class DeadDelivery(Answer):
    """A message to a receiver that was given up, and what it tells."""

    delivery: Delivery
    change: Changed


class DeadDeliveries(Answer):
    """Newest first."""

    items: tuple[DeadDelivery, ...]


class Again(Request):
    """Which to send again: these, or, in so many words, all."""

    ids: Annotated[tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=1_000)] = ()
    everything: bool = False

    @model_validator(mode="after")
    def _which(self) -> Self:
        if bool(self.ids) == self.everything:
            raise ValueError("say which: ids, or everything: true")
        return self


class SentAgain(Answer):
    """How many will be tried again."""

    number: int


class Letter(Answer):
    """A record of the bus that no stage could use."""

    id: str
    at: datetime
    reason: str
    stage: str
    topic: str
    origin: str
    published_at: str
    key: str
    num_bytes: int
    headers: dict[str, str]
    cut: str
    left_out: int
    redriven: int
    is_settled: bool


class LetterList(Answer):
    """Oldest first."""

    items: tuple[Letter, ...]


class LetterSent(Answer):
    """What came of sending one again."""

    id: str
    problem: str
    """Why it cannot be; `""` when it was."""


class LettersSent(Answer):
    """One for each."""

    items: tuple[LetterSent, ...]


class SpentView(Answer):
    """What the verdicts of one rule or camera took of models."""

    name: str
    verdicts: int
    calls: int
    pictures: int
    input_tokens: int
    output_tokens: int
    is_estimated: bool
    seconds: float
    cost: float | None
    degraded: int


class Budgets(Answer):
    """The most seconds first."""

    items: tuple[SpentView, ...]
    searches: SpentView
    """What looking at the results of searches took of models since this console began."""


class RuleView(Answer):
    """A rule of the site file as it is in force."""

    rule: Rule
    cameras: tuple[str, ...]
    """Those that it looks at and that you may know of."""


class RuleList(Answer):
    """In the order of the site file."""

    items: tuple[RuleView, ...]


class SiteDraft(Request):
    """The text of a site file, secrets as `${NAME}`."""

    text: Annotated[str, Field(max_length=500_000)]


class SiteView(Answer):
    """The site file as it stands; its ETag is its version."""

    text: str
    version: str


class DrawnView(Answer):
    """A camera of a draft, and what is drawn on its picture there: as typed, so it may be wrong."""

    id: str
    zones: dict[str, tuple[tuple[float, float], ...]]
    lines: dict[str, tuple[tuple[float, float], ...]]
    masks: tuple[tuple[tuple[float, float], ...], ...]


class SiteVerdict(Answer):
    """What is wrong with a draft; nothing when it could be saved."""

    problems: tuple[Wrong, ...]
    remarks: tuple[Wrong, ...]
    """On the words of rules that are right and may not do what is meant; `where` is the rule."""
    cameras: tuple[DrawnView, ...]
    """None while the draft cannot be read at all."""


class Drawing(SiteDraft):
    """What is to be drawn in a draft."""

    camera: Annotated[str, Field(max_length=63)]
    kind: ShapeKind
    name: Annotated[str, Field(max_length=63)]
    """Of a mask its number, from 1; the next makes a new one."""
    points: Annotated[tuple[NormalisedPoint, ...], Field(max_length=100)] = ()
    """Of a zone or mask at least three, of a line two; none takes the shape out."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        is_line = self.kind == "lines"
        if self.points and (len(self.points) != 2 if is_line else len(self.points) < 3):
            raise ValueError(f"expected {'two points' if is_line else 'three points or more'}, got {len(self.points)}")
        _NAME.validate_python(self.name)
        return self


class DrawnDraft(Answer):
    """The draft with that drawn, all else as it was; nothing is written."""

    text: str


class VersionView(Answer):
    """What the site file was once."""

    version: str
    at: datetime
    by: str
    """`""`: it was written by other hands, at the latest then."""


class VersionList(Answer):
    """Newest first; the first is what the file says now."""

    items: tuple[VersionView, ...]


class Switch(Request):
    """A rule on or off."""

    enabled: bool


class Trial(SiteDraft):
    """Rules of a draft to be tried on kept incidents."""

    rules: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=100)] = ()
    """All, for none."""
    since: Annotated[str, Field(max_length=40)] = "30 days ago"
    until: Annotated[str, Field(max_length=40)] = "now"


class Question(Request):
    """What somebody wants to know of what was seen."""

    question: Annotated[str, Field(min_length=1, max_length=2_000)]
    conversation: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,40}$")] = ""
    """The same text again for a question that refers to the answer before; yours alone."""
