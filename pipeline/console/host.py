"""All that the console needs of the program around it, handed in: stores, names, and what only a running part can do.

What is None is not to be had here, and its routes say so with 501: the console beside a data folder has no live
pictures, a site without a model answers no questions, a run without a bus has no dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pipeline.contracts.alert import Outbox
from pipeline.contracts.chat import ChatModel
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.forecast import ForecastStore
from pipeline.contracts.incident import Incident
from pipeline.contracts.ledger import NearMisses
from pipeline.contracts.picture_check import PictureChecks
from pipeline.contracts.vectors import Alike, Among
from pipeline.errors import SiteProblem
from pipeline.search.archive import Archive, Changes
from pipeline.site import Site


@dataclass(frozen=True, slots=True)
class LiveBox:
    """A thing that was found in a picture."""

    label: str
    score: float
    """0 to 1."""
    track_id: int | None
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, as fractions of the picture's sides."""


@dataclass(frozen=True, slots=True)
class LatestFrame:
    """The newest picture of a camera, masks burnt in, and what was found last."""

    jpeg: bytes
    captured_at: datetime
    boxes: tuple[LiveBox, ...] = ()
    """Of the newest picture that models have looked at: some fractions of a second older, or minutes on a still
    camera."""
    boxes_at: datetime | None = None
    """When that picture was taken; None where nobody tells, as in a cluster."""


class LiveCameras(Protocol):
    """What is being read now. Thread-safe."""

    def latest(self, camera_id: str) -> LatestFrame | None:
        """The newest picture; None while there is none. At once on one machine; in a cluster it may be fetched from
        the bus first, once a second and camera at most (`TransientError` when that is away)."""
        ...

    def taken_at(self, camera_id: str) -> datetime | None:
        """When the newest picture that is at hand was taken, never waiting for one; None without any."""
        ...


@dataclass(frozen=True, slots=True)
class SiteText:
    """The site file as it stands, secrets as `${NAME}`."""

    text: str
    version: str
    """Changes with every change of the text."""


ShapeKind = Literal["zones", "lines", "masks"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Something drawn on a camera's picture."""

    kind: ShapeKind
    name: str
    """Of a mask, which has none, its number from 1."""
    points: tuple[tuple[float, float], ...]
    """0..1 of the picture; none: there is to be no such shape."""


@dataclass(frozen=True, slots=True)
class DrawnCamera:
    """A camera of a text, and what the text draws on its picture."""

    id: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """What the site file was once."""

    version: str
    at: datetime
    by: str
    """`""`: it was written by other hands, at the latest then."""


class SiteDesk(Protocol):
    """The site file: looked at, checked, written. Thread-safe."""

    def read(self) -> SiteText:
        """As it stands; `TransientError` when it cannot be read now."""
        ...

    def unwritable(self) -> str:
        """Why it cannot be written here, for a person; `""` where it can, as far as can be told before."""
        ...

    def problems(self, text: str) -> Sequence[SiteProblem]:
        """What is wrong with this text; none when it could be used. Touches neither network nor models."""
        ...

    def remarks(self, text: str) -> Sequence[SiteProblem]:
        """Which words of its rules an encoder cannot score, with what to write instead; of a text that is right."""
        ...

    def save(self, text: str, version: str, by: str) -> SiteText:
        """Write it whole in the place of `version`, which is kept; a run follows it.

        Raises:
            SiteFileError: it is wrong; nothing was written.
            Conflict: somebody else has written since `version`; nothing was written.
        """
        ...

    def switch(self, rule_id: str, by: str, *, is_on: bool) -> SiteText:
        """Switch a rule on or off, everything else as it stands; raises as `save`, `ConfigError` for no such rule."""
        ...

    def drawn(self, text: str) -> Sequence[DrawnCamera]:
        """What this text draws, as far as it can be read; raises nothing."""
        ...

    def draw(self, text: str, camera_id: str, shape: Shape) -> str:
        """This text with a shape put, moved or taken out, all else as it was; nothing is written. `ConfigError` when
        the text is not one in which that can be done."""
        ...

    def versions(self) -> Sequence[KeptVersion]:
        """What the file was and is, newest first; the first is what it says now."""
        ...

    def version(self, version: str) -> SiteText:
        """One of them; `InvalidMessage` when it is not kept."""
        ...

    def backtest(self, text: str, rule_ids: Sequence[str], since: str, until: str) -> Iterator[Mapping[str, Any]]:
        """Try these rules (all, for none) of this text on the kept incidents of that while: what `sightline backtest
        --history --json` tells, last, and before it steps `{"done": 3, "of": 40}`, one a second at least, 0 of 0
        while it begins. Closed early, it is stopped. `ConfigError` as the command."""
        ...


class Letters(Protocol):
    """Dead letters of the bus. Raises as its transport does."""

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        """Those set aside then or later (all, for None), as `sightline dead-letters list --json` tells them."""
        ...

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        """Send them, or all that were not yet (None), again: `id` and `problem` of each; `ConfigError` for one that
        is not there."""
        ...


class Moments(Protocol):
    """Moments found by likeness (`pipeline.search.query.MomentSearch`). `ConfigError` says what was expected."""

    def by_words(self, text: str, among: Among, limit: int) -> Alike:
        """That look as these words say."""
        ...

    def by_picture(
        self, picture: bytes, among: Among, limit: int, *, part: tuple[float, float, float, float] | None = None
    ) -> Alike:
        """That look like this JPEG, or like a part of it."""
        ...


class Why(Protocol):
    """What `sightline why --json` tells."""

    def __call__(self, camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        """`ConfigError` for names that the site does not have."""
        ...


class Replays(Protocol):
    """A kept incident judged again, as `sightline incidents replay --json` tells it; the incident stays as it is."""

    def __call__(self, incident: Incident) -> Mapping[str, Any]:
        """`ConfigError` when it cannot be judged again; raises what the model raises."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """Where a scored rule's threshold stands on one camera, and what moved it."""

    threshold: float
    """0 to 1."""
    is_learned: bool
    """From the camera's own scores and people's words; False while the rule's fixed one holds."""
    words: str
    """Why it stands there."""
    num_right: int
    num_wrong: int
    """People's words that count in it."""
    updated_at: datetime
    """When it was saved: a run saves once a minute."""


@dataclass(frozen=True, slots=True)
class Record:
    """What people said of one rule's alerts in a week."""

    rule_id: str
    start: datetime
    """The week's first day, aware, at the site's midnight."""
    num_right: int
    num_wrong: int
    interval: tuple[float, float]
    """95 % of the share that is right, 0 to 1."""


class Lessons(Protocol):
    """What people's words on alerts have changed. `TransientError` when it cannot be looked up now."""

    def threshold(self, camera_id: str, rule_id: str) -> Lesson | None:
        """None of a rule without a score, and before anything was learned."""
        ...

    def records(self, since: datetime, camera_ids: Sequence[str] | None = None, rule_id: str = "") -> Sequence[Record]:
        """By rule and week, of what opened since; of these cameras alone, or of all (None)."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model that the site names."""

    use: str
    """Its key below `models` in the site file."""
    name: str
    """As it stands there, without credentials."""
    version: str
    """Of its weights; `""` where they are not at hand."""
    text: str
    """What it is for and how good it is, as it came with it (Markdown); `""` without one."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where the console stands."""

    site: Callable[[], Site | None]
    """As it is now; None where only a data folder is known."""
    archive: Callable[[], Archive]
    """Of the site as it is now."""
    outbox: Outbox
    coverage: CoverageStore
    decisions: NearMisses
    changes: Changes
    why: Why
    version: str
    """Of the program."""
    live: LiveCameras | None = None
    desk: SiteDesk | None = None
    letters: Letters | None = None
    replays: Replays | None = None
    moments: Moments | None = None
    chat: ChatModel | None = None
    """Shared by all conversations."""
    checks: PictureChecks | None = None
    """Looks at what searches find."""
    forecasts: ForecastStore | None = None
    lessons: Lessons | None = None
    cards: Callable[[], Sequence[ModelCard]] | None = None
    """Of the site as it is now."""
