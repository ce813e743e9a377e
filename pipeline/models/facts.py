"""What tracks measured, as the clip model reads it.

In: the facts of a candidate and the notes between its key frames. Out: `ClipFact`s of a closed list of kinds, and
their numbers as the network takes them. Where a note says more than its kind, its words are read: they are this
project's own (`<thing> entered <zone>`, `<thing> stood at the <place> for <time>`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.candidate import Fact
from pipeline.models.clip import ClipFact

FACT_KINDS = (
    "enters", "leaves", "inside", "stays", "left_to_right", "right_to_left", "count_above", "left_behind",
    "faster_than", "when", "examples", "unusual",
    "appeared", "moved", "stood", "entered_zone", "left_zone", "last_seen", "other",
)  # fmt: skip
"""What can be measured: a predicate's verb (a stay apart from mere presence, crossings by their direction), then
what a track's notes say."""
NUM_FACT_NUMBERS = 6
_LONGEST_LOG = math.log1p(3600.0)
_RATIO_BOUND = 3.0
"""Of the logarithm of value over threshold: e^3 is twenty times as much."""
_SECONDS = r"(?:(?P<minutes>\d+) min )?(?P<seconds>\d+) s"
_NOTES = (
    ("appeared", re.compile(r"appeared at the ")),
    ("moved", re.compile(rf"moved (?:from|about) .* in {_SECONDS}$")),
    ("stood", re.compile(rf"stood at .* for {_SECONDS}$")),
    ("last_seen", re.compile(r"was last seen ")),
    ("entered_zone", re.compile(r"\bentered (?P<place>\S+)$")),
    ("left_zone", re.compile(r"\bleft (?P<place>\S+)$")),
)
_PLACES = {
    "enters": re.compile(r"entered (\S+)"),
    "leaves": re.compile(r"left (\S+)"),
    "inside": re.compile(r"(?:was|stayed) in (\S+)"),
    "crosses": re.compile(r"crossed (\S+)"),
    "count_above": re.compile(r"at once in (\S+) \("),
}


_PASSAGES = frozenset({
    "enters", "leaves", "left_to_right", "right_to_left", "appeared", "entered_zone", "left_zone", "last_seen",
})  # fmt: skip
_TELLING = {
    kind: rank for rank, kind in enumerate(("entered_zone", "left_zone", "stood", "moved", "last_seen", "appeared"))
}


def clip_facts(facts: Iterable[Fact], notes: Iterable[Fact], end: datetime) -> tuple[ClipFact, ...]:
    """The facts first, then the notes, of these the telling ones first.

    A passage (into a zone, over a line, into or out of sight) has no value of its own: here it is how long before
    `end`, the last picture, it was.
    """
    read = [_dated(_of_fact(fact), fact, end) for fact in facts]
    noted = [_dated(_of_note(note), note, end) for note in notes]
    return (*read, *sorted(noted, key=lambda note: _TELLING.get(note.kind, len(_TELLING))))


def fact_numbers(fact: ClipFact, zone_name: str) -> list[float]:
    """`NUM_FACT_NUMBERS` numbers, each about -1..1: value and threshold with their presence, their ratio, and
    whether it is about the rule's own zone."""
    value, threshold = _usable(fact.value), _usable(fact.threshold)
    ratio = 0.0
    if value is not None and threshold is not None:
        ratio = math.log((value + 0.01) / (threshold + 0.01))
    return [
        float(value is not None),
        math.log1p(value or 0.0) / _LONGEST_LOG,
        float(threshold is not None),
        math.log1p(threshold or 0.0) / _LONGEST_LOG,
        min(max(ratio, -_RATIO_BOUND), _RATIO_BOUND) / _RATIO_BOUND,
        float(bool(zone_name) and fact.place == zone_name),
    ]


def fact_kind_index(kind: str) -> int:
    """Position in `FACT_KINDS`; that of `other` for what is not in the list."""
    return FACT_KINDS.index(kind) if kind in FACT_KINDS else FACT_KINDS.index("other")


def numbers_of(facts: Sequence[ClipFact], zone_name: str) -> NDArray[np.float32]:
    """(N, NUM_FACT_NUMBERS) float32."""
    rows = [fact_numbers(fact, zone_name) for fact in facts]
    return np.array(rows, dtype=np.float32).reshape(len(facts), NUM_FACT_NUMBERS)


def _dated(read: ClipFact, fact: Fact, end: datetime) -> ClipFact:
    if read.kind not in _PASSAGES:
        return read
    return replace(read, value=max((end - fact.at).total_seconds(), 0.0), unit="s")


def _usable(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else max(number, 0.0)


def _of_fact(fact: Fact) -> ClipFact:
    kind = fact.kind
    if kind == "crosses":
        kind = fact.direction if fact.direction in FACT_KINDS else "other"
    elif kind == "inside" and fact.value is not None:
        kind = "stays"
    named = _PLACES[fact.kind].search(fact.text) if fact.kind in _PLACES else None
    return ClipFact(
        kind if kind in FACT_KINDS else "other",
        fact.value,
        fact.threshold,
        fact.unit,
        fact.track_id,
        named[1] if named else "",
        fact.text,
    )


def _of_note(note: Fact) -> ClipFact:
    for kind, words in _NOTES:
        if match := words.search(note.text):
            said = match.groupdict()
            seconds = None if said.get("seconds") is None else int(said["minutes"] or 0) * 60.0 + int(said["seconds"])
            unit = "" if seconds is None else "s"
            return ClipFact(kind, seconds, None, unit, note.track_id, said.get("place") or "", note.text)
    return ClipFact("other", track_id=note.track_id, text=note.text)
