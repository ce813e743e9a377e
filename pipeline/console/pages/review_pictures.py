"""The pictures of an incident with what is drawn over them: what was found, what is claimed, zones, lines, ways ahead.

Everything is in pixels of the camera's picture; a template makes SVG of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.console.models import API
from pipeline.console.pages.review_claims import Claim, Measured, claims_about
from pipeline.contracts.candidate import KeyFrame, SeenRegion
from pipeline.contracts.forecast import most_telling
from pipeline.contracts.incident import Incident
from pipeline.search.found import numbered_frames
from pipeline.site import Site

_UNKNOWN_SIZE = (1600, 900)
_MAX_WAYS = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """A box."""

    label: str
    left: float
    top: float
    width: float
    height: float
    is_claimed: bool
    """Drawn by the model; False of what the detector found."""
    claims: tuple[str, ...]
    """Ids of what it bears out."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A zone, a line, or the way that a track is expected to take."""

    kind: str
    """`zone`, `line`, `way`."""
    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """As SVG writes points."""
        return " ".join(f"{x:.0f},{y:.0f}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Picture:
    """One key frame."""

    number: int
    """By which reports cite it."""
    key: KeyFrame
    url: str
    """Empty when it is not kept."""
    marks: tuple[Mark, ...]
    ways: tuple[Shape, ...]


def size_of(incident: Incident) -> tuple[int, int]:
    """(width, height) of its pictures in pixels."""
    return incident.candidate.picture_size if all(incident.candidate.picture_size) else _UNKNOWN_SIZE


def pictures(incident: Incident, told: Sequence[Claim], facts: Sequence[Measured]) -> list[Picture]:
    """In time order."""
    return [
        Picture(
            number=number,
            key=key,
            url=f"{API}/incidents/{incident.id}/evidence/picture-{number}" if key.uri else "",
            marks=(*_found(number, key, told, facts), *_claimed(incident, number, told)),
            ways=tuple(_ways(incident)) if key.role == "peak" else (),
        )
        for number, key in numbered_frames(incident).items()
    ]


def shapes(incident: Incident, site: Site | None) -> list[Shape]:
    """The zones and lines that its rule names, as the site file draws them now."""
    camera = site.camera(incident.camera_id) if site else None
    rule = site.rule(incident.rule_id) if site else None
    if camera is None or rule is None:
        return []
    drawn = {("zone", name): zone for name, zone in camera.zones.items()}
    drawn |= {("line", name): line for name, line in camera.lines.items()}
    used = dict.fromkeys((kind, name) for kind, _, name in rule.names_used)
    width, height = size_of(incident)
    return [
        Shape(kind, name, tuple((x * width, y * height) for x, y in drawn[kind, name]))
        for kind, name in used
        if (kind, name) in drawn
    ]


def _found(number: int, key: KeyFrame, told: Sequence[Claim], facts: Sequence[Measured]) -> Iterator[Mark]:
    for region in key.regions:
        borne = claims_about(region.label, number, told) + _facts_about(region, facts)
        name = region.label if region.track_id is None else f"{region.label} {region.track_id}"
        yield _mark(name, region.box, is_claimed=False, borne=borne)


def _facts_about(region: SeenRegion, facts: Sequence[Measured]) -> list[str]:
    return [each.id for each in facts if each.fact.track_id is not None and each.fact.track_id == region.track_id]


def _claimed(incident: Incident, number: int, told: Sequence[Claim]) -> Iterator[Mark]:
    report = incident.assessment.report if incident.assessment else None
    width, height = size_of(incident)
    for each in report.elements if report else ():
        if each.box is not None and each.frame == number:
            left, top, right, bottom = each.box
            box = left * width, top * height, right * width, bottom * height
            yield _mark(each.name, box, is_claimed=True, borne=claims_about(each.name, number, told))


def _mark(label: str, box: tuple[float, float, float, float], *, is_claimed: bool, borne: Iterable[str]) -> Mark:
    left, top, right, bottom = box
    return Mark(label, left, top, max(right - left, 0.0), max(bottom - top, 0.0), is_claimed, tuple(borne))


def _ways(incident: Incident) -> Iterator[Shape]:
    for course in incident.candidate.courses[:_MAX_WAYS]:
        told = most_telling([one for one in incident.candidate.outlook if one.track_id == course.track_id])
        yield Shape("way", told.words if told else "", tuple((point.x, point.y) for point in course.points))
