"""Names and times as typed → cameras that exist and a while that is one; `ConfigError` says what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime

from pipeline.errors import ConfigError
from pipeline.search.archive import Archive
from pipeline.search.arguments import Span
from pipeline.search.found import Asked

_MAX_LISTED = 30


def cameras_named(archive: Archive, camera_id: str) -> tuple[str, ...]:
    """The camera of that id, or all for an empty one."""
    if not camera_id:
        return tuple(archive.cameras)
    if camera_id not in archive.cameras:
        raise ConfigError(no_such("camera", camera_id, archive.cameras))
    return (camera_id,)


def check_rule(archive: Archive, rule_id: str) -> str | None:
    """The rule's id, None for an empty one. Without a site file any name may be right."""
    if rule_id and archive.rules and rule_id not in archive.rules:
        raise ConfigError(no_such("rule", rule_id, archive.rules))
    return rule_id or None


def asked_while(archive: Archive, span: Span, camera_ids: tuple[str, ...]) -> Asked:
    """The while that was asked about; `ConfigError` for one that is empty or no time at all."""
    start, end = archive.read_time(span.since), archive.read_time(span.until)
    if start >= end:
        raise ConfigError(f"from ({archive.local(start)}) must be before to ({archive.local(end)})")
    return Asked(camera_ids, start, end)


def span_json(archive: Archive, start: datetime, end: datetime) -> dict[str, str]:
    """The while at the site's time."""
    return {"from": archive.local(start), "to": archive.local(end)}


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """What there is instead."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    there = ", ".join(names[:_MAX_LISTED]) or "none"
    return f"there is no {kind} {name!r} ({f'did you mean {near[0]}?' if near else f'there are: {there}'})"
