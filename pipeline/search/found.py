"""What a tool answers: small JSON with the ids by which incidents (`[3f2a91c0]`) and their frames (`[3f2a91c0#2]`)
can be cited, and beside it what the dialogue must know: which incidents these were, and which while was asked about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStore
from pipeline.errors import ConfigError
from pipeline.search.archive import Archive

MAX_CHARACTERS = 6_000
"""Of one answer: some 2,000 tokens."""
MAX_TEXT = 300
_SHORT_ID = 8
"""Of 20 hexadecimal digits: among 1,000 incidents two begin alike once in 8,000 sites."""
_LATEST = 1000
"""Among so many incidents the beginning of an id is looked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A while that somebody asked about, [start, end), of these cameras."""

    camera_ids: tuple[str, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture in an answer."""

    cite: str
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """One tool's answer."""

    data: Mapping[str, Any]
    summary: str
    """For a person who watches, in a few words."""
    incidents: tuple[Incident, ...] = ()
    """Those that it tells of, which may be cited from now on."""
    asked: tuple[Asked, ...] = ()
    pictures: tuple[Shown, ...] = ()
    is_error: bool = False

    @property
    def text(self) -> str:
        """The data as JSON of at most some 6,000 characters: the last rows of its longest list give way."""
        data = dict(self.data)
        lists = {key: list(value) for key, value in data.items() if isinstance(value, list | tuple)}
        text = _as_json(data)
        while len(text) > MAX_CHARACTERS and any(lists.values()):
            longest = max(lists, key=lambda key: len(_as_json(lists[key])))
            lists[longest].pop()
            data |= {longest: lists[longest], "left_out_for_length": data.get("left_out_for_length", 0) + 1}
            text = _as_json(data)
        return text[:MAX_CHARACTERS]


def refused(message: str) -> Found:
    """An answer that says what was wrong with the call."""
    return Found({"error": message[:1000]}, f"refused: {message[:120]}", is_error=True)


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """In one line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def short_id(incident: Incident) -> str:
    """The beginning by which it is cited."""
    return incident.id[:_SHORT_ID]


def cite(incident: Incident, frame: int | None = None) -> str:
    """`[3f2a91c0]`, `[3f2a91c0#2]`."""
    return f"[{short_id(incident)}]" if frame is None else f"[{short_id(incident)}#{frame}]"


def numbered_frames(incident: Incident) -> dict[int, KeyFrame]:
    """Its key frames by the numbers its report cites them by; those no model was sent follow, in time order."""
    of_report = incident.frame_numbers
    in_time = sorted(incident.candidate.key_frames, key=lambda key: key.captured_at)
    numbers = {key.sequence: of_report[key.sequence] for key in in_time if key.sequence in of_report}
    following = max(of_report.values(), default=0) + 1
    for key in in_time:
        if key.sequence not in numbers:
            numbers[key.sequence] = following
            following += 1
    return {number: key for key in in_time for number in [numbers[key.sequence]]}


def headline(incident: Incident) -> str:
    """What happened, in a line: the report's title, or the facts."""
    if incident.assessment and incident.assessment.report:
        return cut(incident.assessment.report.title)
    facts = list(dict.fromkeys(fact.text for fact in incident.candidate.facts))
    return cut("; ".join(facts[:2]) or f"{incident.rule_id} was met")


def row(incident: Incident, archive: Archive) -> dict[str, Any]:
    """An incident in a list."""
    told = {
        "cite": cite(incident),
        "camera": incident.camera_id,
        "rule": incident.rule_id,
        "status": incident.status.value,
        "severity": incident.severity.value,
        "opened": archive.local(incident.opened_at),
        "closed": archive.local(incident.closed_at) if incident.closed_at else "still open",
        "what": headline(incident),
        "frames": len(incident.candidate.key_frames),
    }
    if incident.review is not None:
        told["people_say"] = "a right alert" if incident.review.is_right else "a false alarm"
    return told


def find_incident(store: IncidentStore, wanted: str) -> Incident:
    """The incident of that id, or the only recent one whose id begins so; `ConfigError` otherwise."""
    name = wanted.strip().strip("[]").split("#")[0]
    exact = store.get(name)
    if exact is not None:
        return exact
    matches = [each for each in store.find(IncidentFilter(limit=_LATEST)) if name and each.id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(f"{len(matches)} incidents begin with {name!r}: give more of the id")
    raise ConfigError(f"there is no incident {name!r}; find ids with search_events")


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
