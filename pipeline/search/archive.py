"""All that may be looked up, handed in: stores, the site's names, and how times, gaps and gates are put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol

from pipeline.clock import Clock
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.incident import IncidentChange, IncidentStore
from pipeline.contracts.observation import TextEncoder
from pipeline.contracts.rule import Rule
from pipeline.search.query import MomentSearch


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end), aware UTC, in which a camera was not watched."""

    start: datetime
    end: datetime
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """How one camera was watched in a while."""

    seconds: float
    """Of the while, as far as it can be known by now."""
    watched_seconds: float
    gaps: tuple[Gap, ...]
    last_watched: datetime | None
    """The last moment in the while at which it was; None when it never was."""


class Accounts(Protocol):
    """What the coverage and the ledger say. Errors as those of their stores."""

    def watched(self, camera_id: str, start: datetime, end: datetime) -> Watched:
        """One camera in [start, end)."""
        ...

    def unwatched(self, camera_ids: Sequence[str], start: datetime, end: datetime) -> list[str]:
        """A sentence for each of these cameras that was not watched all the time from `start` to `end`."""
        ...

    def why(self, camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        """`answers` (sentences) and `gates` of the ledger; `ConfigError` for names the site does not have."""
        ...


class Changes(Protocol):
    """What a person may say of an incident. `ConfigError` when it cannot be said of this one."""

    def acknowledge(
        self, incident_id: str, by: str, note: str = "", *, after_change: int | None = None
    ) -> IncidentChange:
        """A person has seen it; `Conflict` when its last change is not `after_change`, where that is given."""
        ...

    def review(
        self, incident_id: str, *, is_right: bool, by: str, note: str = "", after_change: int | None = None
    ) -> IncidentChange:
        """Whether it was right to tell it; `Conflict` as above."""
        ...


@dataclass(frozen=True, slots=True)
class Archive:
    """Everything the tools read. They change none of it."""

    site_name: str
    zone: tzinfo
    cameras: Mapping[str, tuple[str, ...]]
    """Id to labels."""
    rules: Mapping[str, Rule]
    """Those of the site file; empty without one."""
    incidents: IncidentStore
    evidence: EvidenceStore
    accounts: Accounts
    read_time: Callable[[str], datetime]
    """Aware UTC of `22:14`, `2 hours ago`, ISO 8601; `ConfigError` shows the forms."""
    words: Callable[[], TextEncoder | None]
    """The site's encoder, loaded when first wanted; None where there is none that reads words."""
    clock: Clock
    moments: MomentSearch | None = None
    """What cameras saw, kept second by second; None where it is not."""

    def local(self, moment: datetime) -> str:
        """A moment at the site's time: `2026-03-01T22:14:05`."""
        return moment.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="seconds")
