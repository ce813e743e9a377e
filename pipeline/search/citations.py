"""What an answer cites, checked: only incidents that were looked up in this dialogue, and frames that they have.

Pure: words in, words without wrong citations out. `[3f2a91c0]` is an incident, `[3f2a91c0#2]` its second frame; several
may stand in one pair of brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.contracts.incident import Incident
from pipeline.search.found import cite, numbered_frames

_BRACKETS = re.compile(r"[ \t]*[\[【]([^\[\]【】\n]{1,300})[\]】]")
_ITEM = re.compile(r"([A-Za-z0-9_-]{1,64})(?:#(\d{1,4}))?")
_HEXADECIMAL = re.compile(r"[0-9a-f]{4,40}")
_MIN_ID = 4


@dataclass(frozen=True, slots=True)
class Citation:
    """What a statement rests on."""

    incident_id: str
    frame: int | None
    """A number of `numbered_frames`; None for the incident as a whole."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer that cites nothing but what was looked up."""

    text: str
    citations: tuple[Citation, ...]
    """Each once, in the order of the text."""
    removed: tuple[str, ...]
    """As they stood there."""


def check(text: str, known: Mapping[str, Incident]) -> Checked:
    """`known`: id to incident, of all that was looked up. What stands in brackets and is no citation stays."""
    good: dict[Citation, None] = {}
    wrong: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        items = [item.strip() for item in re.split(r"[,;，、]", match.group(1)) if item.strip()]
        if not items or not all(map(_is_citation, items)):
            return match.group(0)
        kept = []
        for item in items:
            found = _resolve(item, known)
            if found is None:
                wrong.append(item)
            else:
                good[found] = None
                kept.append(cite(known[found.incident_id], found.frame))
        return f" {''.join(kept)}" if kept else ""

    return Checked(_BRACKETS.sub(replaced, text).strip(), tuple(good), tuple(wrong))


def _is_citation(item: str) -> bool:
    """Whether it is meant as one: hexadecimal, or a word with a digit or a frame number."""
    match = _ITEM.fullmatch(item)
    if match is None:
        return False
    is_name = any(char.isdigit() for char in item) and any(char.isalpha() for char in item)
    return bool(_HEXADECIMAL.fullmatch(item)) or match.group(2) is not None or is_name


def _resolve(item: str, known: Mapping[str, Incident]) -> Citation | None:
    match = _ITEM.fullmatch(item)
    if match is None or len(match.group(1)) < _MIN_ID:
        return None
    name = match.group(1).lower()
    matches = [incident for incident_id, incident in known.items() if incident_id.startswith(name)]
    if len(matches) != 1:
        return None
    frame = int(match.group(2)) if match.group(2) else None
    if frame is not None and frame not in numbered_frames(matches[0]):
        return None
    return Citation(matches[0].id, frame)
