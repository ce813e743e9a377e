"""The tools by name: what a model may call, checked, run, and answered. Nothing a caller writes raises."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipeline.contracts.chat import Tool
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, TransientError
from pipeline.search import arguments as given
from pipeline.search.archive import Archive, Changes
from pipeline.search.arguments import Arguments, expected_in_words, schema_of
from pipeline.search.changes import ReviewTools
from pipeline.search.events import EventTools
from pipeline.search.found import Found, refused
from pipeline.search.frames import FrameTools
from pipeline.search.moments import MomentTools
from pipeline.search.watching import WatchTools

MAX_ARGUMENT_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class _Entry:
    tool: Tool
    arguments: type[Arguments]
    run: Callable[[Any], Found]


class Toolbox:
    """Tools over one archive; those that change something only where `changes` is given. Thread-safe."""

    def __init__(self, archive: Archive, changes: Changes | None = None) -> None:
        events, frames, watching = EventTools(archive), FrameTools(archive), WatchTools(archive)
        entries = [
            _entry(
                "search_events", given.SearchEvents, events.search, "List incidents (events, alerts), newest first."
            ),
            _entry("get_incident", given.GetIncident, events.get, "Tell all that is known of one incident."),
            _entry(
                "search_frames",
                given.SearchFrames,
                frames.search,
                "Find kept pictures by what they show, or by likeness.",
            ),
            _entry("get_frames", given.GetFrames, frames.get, "Show the kept pictures of a camera nearest to a time."),
            _entry("count_tracks", given.CountTracks, events.count, "Count different things seen in kept incidents."),
            _entry("camera_status", given.CameraStatus, watching.status, "Tell whether cameras work now."),
            _entry("coverage", given.Coverage, watching.coverage, "Tell when a camera was not watched, and why."),
            _entry("why", given.Why, watching.why, "Say why there was an alert at a time, or why there was none."),
        ]
        if archive.moments is not None:
            seen = MomentTools(archive, archive.moments)
            entries.append(
                _entry("search_moments", given.SearchMoments, seen.search, "Find times by look, also without an alert.")
            )
        if changes is not None:
            reviews = ReviewTools(archive, changes)
            entries += [
                _entry("confirm_incident", given.Review, reviews.confirm, "Keep that an alert was right."),
                _entry("reject_incident", given.Review, reviews.reject, "Keep that an alert was a false alarm."),
                _entry("acknowledge_incident", given.Review, reviews.acknowledge, "Keep that a person has seen it."),
            ]
        self._entries: Mapping[str, _Entry] = {entry.tool.name: entry for entry in entries}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What may be called."""
        return tuple(entry.tool for entry in self._entries.values())

    def changes_something(self, name: str) -> bool:
        """Whether a tool does more than look."""
        entry = self._entries.get(name)
        return entry is not None and entry.arguments is given.Review

    def call(self, name: str, arguments: str) -> Found:
        """The answer to one call; of a wrong one, what was expected. `arguments` is JSON as a model wrote it."""
        entry = self._entries.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            return refused(f"there is no tool {name[:60]!r}; {hint}there are: {', '.join(self._entries)}")
        if len(arguments) > MAX_ARGUMENT_CHARACTERS:
            return refused(f"arguments of {name}: expected at most {MAX_ARGUMENT_CHARACTERS:,} characters of JSON")
        try:
            return entry.run(entry.arguments.model_validate_json(arguments.strip() or "{}"))
        except ValidationError as error:
            expected = ", ".join(entry.tool.parameters["properties"])
            return refused(f"arguments of {name}: {expected_in_words(error)}; it takes: {expected}")
        except (ConfigError, InvalidMessage) as error:
            return refused(str(error))
        except (TransientError, Overloaded) as error:
            return refused(f"{name} cannot be answered now, try again: {error}")


def _entry(name: str, arguments: type[Arguments], run: Callable[[Any], Found], description: str) -> _Entry:
    return _Entry(Tool(name, description, schema_of(arguments)), arguments, run)
