"""A run as one HTML file that stands on its own: no scripts, no links out, pictures inside.

In: incidents and their pictures. Out: text of an HTML page. Everything is escaped, for words in it come from
models, cameras and file names; a content security policy in the page forbids the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.cli.output import TellTime, headline, plain
from pipeline.cli.pictures import data_uri, shrink
from pipeline.cli.report_words import removed_lines
from pipeline.cli.rule_words import rule_in_words
from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.evidence import EvidenceStore
from pipeline.contracts.incident import Incident, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.errors import InvalidMessage, TransientError

_SNAPSHOT_SIDE_PX = 960
_KEY_FRAME_SIDE_PX = 420
_TICKS = 5
_MIN_MARK_PERCENT = 0.6
"""A moment must be visible on the bar: about 6 px of a wide window."""


@dataclass(frozen=True, slots=True)
class ReportHead:
    """What the report is about."""

    source: str
    started_at: datetime
    """Time of the source's first frame, aware."""
    duration_seconds: float
    frames_read: int
    rules: Sequence[Rule]
    models: dict[str, str]
    version: str
    zone: tzinfo
    warnings: Sequence[str] = ()


def render_report(head: ReportHead, incidents: Iterable[Incident], evidence: EvidenceStore) -> str:
    """The page."""
    ordered = sorted(incidents, key=lambda incident: (incident.opened_at, incident.id))
    cards = [incident_card(number, incident, head, evidence) for number, incident in enumerate(ordered, 1)]
    return render_page(
        "report.html.j2",
        head=head,
        source=head.source,
        duration=clock(round(head.duration_seconds)),
        day=head.started_at.astimezone(head.zone).strftime("%Y-%m-%d %H:%M:%S %Z"),
        cards=cards,
        tallies=_tallies(ordered),
        ticks=[clock(round(head.duration_seconds * step / _TICKS)) for step in range(_TICKS + 1)],
        rules=[(rule.id, rule_in_words(rule), rule.severity.value) for rule in head.rules],
    )


def render_page(template: str, **values: object) -> str:
    """A page of this package's templates, with everything in it escaped and cleaned."""
    environment = Environment(
        loader=PackageLoader("pipeline.cli"),
        autoescape=True,
        finalize=_cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def clock(seconds: float) -> str:
    """`1:05` or `1:02:05`: a place in a recording."""
    minutes, whole = divmod(int(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"


def place_in(started_at: datetime) -> TellTime:
    """Moments as places in a recording whose first frame is from `started_at`."""
    return lambda moment: clock((moment - started_at).total_seconds())


def _cleaned(value: object) -> object:
    """What a template writes, without control characters; jinja escapes it afterwards."""
    return plain(value) if isinstance(value, str) else value


def _tallies(incidents: Sequence[Incident]) -> list[tuple[str, int]]:
    """Each status that occurs, with how often."""
    counts = [(status.value, sum(i.status is status for i in incidents)) for status in IncidentStatus]
    return [(name, count) for name, count in counts if count]


def incident_card(number: int, incident: Incident, head: ReportHead, evidence: EvidenceStore) -> dict[str, Any]:
    """What `incident_card.html.j2` shows; of `head` the start and the duration count."""
    candidate, assessment = incident.candidate, incident.assessment
    start = (candidate.started_at - head.started_at).total_seconds()
    end = ((candidate.ended_at or candidate.opened_at) - head.started_at).total_seconds()
    frames = sorted(candidate.key_frames, key=lambda key: key.captured_at)
    report = assessment.report if assessment else None
    numbers = incident.frame_numbers
    return {
        "number": number,
        "id": incident.id,
        "title": headline(incident),
        "status": incident.status.value,
        "severity": incident.severity.value,
        "camera": incident.camera_id,
        "rule": incident.rule_id,
        "at": clock((incident.opened_at - head.started_at).total_seconds()),
        "span": f"{clock(start)}–{clock(end)}" if clock(end) != clock(start) else "",
        "mark": _mark(start, end, head.duration_seconds),
        "facts": [(clock((fact.at - head.started_at).total_seconds()), fact.text) for fact in candidate.facts],
        "reason": assessment.reason if assessment else "",
        "probability": assessment.probability if assessment else None,
        "model": assessment.model_id if assessment else "",
        "report": report,
        "removed": removed_lines(assessment) if assessment else [],
        "snapshot": _picture(incident.snapshot_uri, evidence, _SNAPSHOT_SIDE_PX),
        "frames": [_key_frame(numbers.get(key.sequence), key, incident, head, evidence) for key in frames],
    }


def _mark(start: float, end: float, duration: float) -> tuple[float, float]:
    """(left, width) of an incident on the bar, percent."""
    if duration <= 0:
        return 0.0, 100.0
    left = min(max(start / duration * 100, 0.0), 100.0 - _MIN_MARK_PERCENT)
    width = min(max((end - start) / duration * 100, _MIN_MARK_PERCENT), 100.0 - left)
    return round(left, 2), round(width, 2)


def _key_frame(
    number: int | None, key: KeyFrame, incident: Incident, head: ReportHead, evidence: EvidenceStore
) -> dict[str, Any]:
    """One picture with what was seen in it (pixels) and what the model says is in it (fractions)."""
    width, height = incident.candidate.picture_size
    report = incident.assessment.report if incident.assessment else None
    claims = [element for element in report.elements if element.frame == number and element.box] if report else []
    return {
        "number": number or "–",
        "role": key.role,
        "at": clock((key.captured_at - head.started_at).total_seconds()),
        "picture": _picture(key.uri, evidence, _KEY_FRAME_SIDE_PX),
        "size": (max(width, 1), max(height, 1)),
        "seen": [(*region.box, region.label) for region in key.regions],
        "claims": [
            (box[0] * width, box[1] * height, box[2] * width, box[3] * height, claim.name)
            for claim in claims
            if (box := claim.box) is not None
        ],
    }


def _picture(key: str, evidence: EvidenceStore, max_side_px: int) -> str:
    """A data URI, or nothing when the picture is not to be had: the words of the report do not wait for it."""
    if not key:
        return ""
    try:
        return data_uri(shrink(evidence.get(key), max_side_px))
    except (InvalidMessage, TransientError):
        return ""
