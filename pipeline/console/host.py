"""All that the console needs of the program around it, handed in: stores, names, and what only a running part can do.

What is None is not to be had here, and its routes say so with 501: the console beside a data folder has no live
pictures, a site without a model answers no questions, a run without a bus has no dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pipeline.contracts.alert import Outbox
from pipeline.contracts.chat import ChatModel
from pipeline.contracts.coverage import CoverageStore
from pipeline.contracts.incident import Incident
from pipeline.contracts.vectors import Among, Neighbour
from pipeline.errors import SiteProblem
from pipeline.search.archive import Archive, Changes
from pipeline.site import Site


@dataclass(frozen=True, slots=True)
class LatestFrame:
    """The newest picture of a camera, masks burnt in."""

    jpeg: bytes
    captured_at: datetime


class LiveCameras(Protocol):
    """What is being read now. Thread-safe; never blocks."""

    def latest(self, camera_id: str) -> LatestFrame | None:
        """The newest picture; None while there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SiteText:
    """The site file as it stands, secrets as `${NAME}`."""

    text: str
    version: str
    """Changes with every change of the text."""


class SiteDesk(Protocol):
    """The site file: looked at, checked, written. Thread-safe."""

    def read(self) -> SiteText:
        """As it stands; `TransientError` when it cannot be read now."""
        ...

    def problems(self, text: str) -> Sequence[SiteProblem]:
        """What is wrong with this text; none when it could be used. Touches neither network nor models."""
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

    def backtest(self, text: str, rule_ids: Sequence[str], since: str, until: str) -> Iterator[Mapping[str, Any]]:
        """Try these rules (all, for none) of this text on the kept incidents of that while: what `sightline backtest
        --history --json` tells, last, and before it steps `{"done": 3, "of": 40}`. `ConfigError` as the command."""
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

    def by_words(self, text: str, among: Among, limit: int) -> list[Neighbour]:
        """That look as these words say."""
        ...

    def by_picture(
        self, picture: bytes, among: Among, limit: int, *, part: tuple[float, float, float, float] | None = None
    ) -> list[Neighbour]:
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
class Host:
    """Where the console stands."""

    site: Callable[[], Site | None]
    """As it is now; None where only a data folder is known."""
    archive: Callable[[], Archive]
    """Of the site as it is now."""
    outbox: Outbox
    coverage: CoverageStore
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
