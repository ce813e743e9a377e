"""Everything that an incident claims, each claim with the pictures that are its evidence.

Claims are of two kinds: what was measured (facts) and what the model says it sees (its report). Each has an id, by
which the marks on the pictures name the claims that they bear out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.contracts.assessment import Report
from pipeline.contracts.candidate import Fact, KeyFrame
from pipeline.contracts.incident import Incident
from pipeline.search.found import numbered_frames


@dataclass(frozen=True, slots=True)
class Measured:
    """A fact, and the picture that shows it best."""

    id: str
    fact: Fact
    picture: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that the model says it sees."""

    id: str
    text: str
    pictures: tuple[int, ...]
    """By number, in order; none when it cites none that there is."""
    names: tuple[str, ...]
    """The things that it is about."""

    @property
    def numbers(self) -> str:
        """`1–4, 6`."""
        spans: list[list[int]] = []
        for number in self.pictures:
            if spans and number == spans[-1][-1] + 1:
                spans[-1].append(number)
            else:
                spans.append([number])
        return ", ".join(f"{span[0]}–{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)


def measured(incident: Incident) -> list[Measured]:
    """Its facts, in the order in which they were found; told twice, once."""
    pictures = numbered_frames(incident)
    facts = {fact.text: fact for fact in incident.candidate.facts}.values()
    return [Measured(f"f{number}", fact, _picture_of(fact, pictures)) for number, fact in enumerate(facts, 1)]


def claims(incident: Incident) -> list[Claim]:
    """What the report says that is in the pictures, the same of several pictures once; none without a report."""
    report = incident.assessment.report if incident.assessment else None
    found: dict[tuple[str, tuple[str, ...]], set[int]] = {}
    pictures = numbered_frames(incident)
    for text, names, first, last in _told(report) if report else ():
        found.setdefault((text, names), set()).update(each for each in pictures if first <= each <= last)
    return [
        Claim(f"c{number}", text, tuple(sorted(seen)), names)
        for number, ((text, names), seen) in enumerate(found.items(), 1)
    ]


def _told(report: Report) -> Iterator[tuple[str, tuple[str, ...], int, int]]:
    """Text, names, first and last picture."""
    yield from ((each.name, (each.name,), each.frame, each.frame) for each in report.elements)
    for each in report.relations:
        text = f"{each.subject} {each.relation} {each.object}"
        yield text, (each.subject, each.object), each.frame, each.frame
    for act in report.actions:
        yield f"{act.who}: {act.what}", (act.who,), act.first_frame, act.last_frame


def _picture_of(fact: Fact, pictures: dict[int, KeyFrame]) -> int | None:
    """The closest in time of those that show its track, or of all."""
    tracks = {number: key for number, key in pictures.items() if _shows(key, fact.track_id)}
    return min(tracks or pictures, key=lambda number: _apart(pictures[number], fact.at), default=None)


def _shows(key: KeyFrame, track_id: int | None) -> bool:
    return track_id is not None and any(region.track_id == track_id for region in key.regions)


def _apart(key: KeyFrame, at: datetime) -> float:
    return abs((key.captured_at - at).total_seconds())


def claims_about(name: str, number: int, told: Sequence[Claim]) -> list[str]:
    """The ids of the claims that a thing of this name in that picture bears out."""
    wanted = name.casefold()
    return [
        claim.id
        for claim in told
        if number in claim.pictures and any(wanted == each.casefold() for each in claim.names)
    ]
