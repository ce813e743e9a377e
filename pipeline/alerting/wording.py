"""A change of an incident in words for people: headline, explanation, times in the site's zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.contracts.assessment import Report
from pipeline.contracts.candidate import Fact
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange

MAX_FACTS = 20
"""Facts in one message; the incident in the store keeps them all."""
_KIND_WORDS = {
    ChangeKind.PROVISIONAL: "Seen, being checked",
    ChangeKind.CONFIRMED: "Confirmed",
    ChangeKind.REJECTED: "False alarm",
    ChangeKind.UNVERIFIED: "Unverified",
    ChangeKind.UPDATED: "Update",
    ChangeKind.CLOSED: "Over",
    ChangeKind.REPEATED: "Again",
    ChangeKind.ACKNOWLEDGED: "Acknowledged",
    ChangeKind.REVIEWED: "Reviewed",
}
_TROUBLE_WORDS = {ChangeKind.UNVERIFIED: "Camera trouble", ChangeKind.CLOSED: "Camera well again"}
"""Of incidents about the camera itself, which nobody needs to verify."""


@dataclass(frozen=True, slots=True)
class Telling:
    """A change on its way out, with what is known of the site."""

    change: IncidentChange
    site_name: str
    zone: ZoneInfo
    is_test: bool = False
    """Sent by a person to try the channel; nothing happened."""
    page: str = ""
    """Where people who sign in find everything about the incident; empty where nobody knows."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Key in the evidence store to an address that opens it for a while."""

    @property
    def incident(self) -> Incident:
        """The incident right after the change."""
        return self.change.incident

    @property
    def report(self) -> Report | None:
        """The model's report, when there is one."""
        return self.incident.assessment.report if self.incident.assessment else None

    def local(self, moment: datetime) -> datetime:
        """The moment on the site's clock."""
        return moment.astimezone(self.zone)


def headline(telling: Telling) -> str:
    """One line: `Confirmed: a person climbs the fence — gate-north, 22:14:03 (site time)`."""
    incident = telling.incident
    is_trouble = incident.candidate.condition is not None
    kind = _TROUBLE_WORDS.get(telling.change.kind) if is_trouble else None
    kind = kind or _KIND_WORDS[telling.change.kind]
    if telling.change.kind is ChangeKind.ACKNOWLEDGED and incident.acknowledged_by:
        kind = f"{kind} by {incident.acknowledged_by}"
    if telling.change.kind is ChangeKind.REVIEWED and incident.review is not None:
        kind = f"{'A right alert' if incident.review.is_right else 'A false alarm'}, says {incident.review.by}"
    test = "TEST: " if telling.is_test else ""
    clock = telling.local(incident.opened_at).strftime("%H:%M:%S")
    return f"{test}{kind}: {_what(telling)} — {incident.camera_id}, {clock} (site time)"


def explanation(telling: Telling) -> str:
    """Why: the model's explanation, or what came of asking; before that, what was measured."""
    if telling.report is not None:
        return telling.report.explanation
    if telling.incident.assessment is not None:
        return telling.incident.assessment.reason
    return "; ".join(fact.text for fact in facts(telling))


def facts(telling: Telling) -> tuple[Fact, ...]:
    """What was measured, at most `MAX_FACTS`."""
    return telling.incident.candidate.facts[:MAX_FACTS]


def details(telling: Telling) -> dict[str, str]:
    """Labelled particulars, in the order a guard asks for them; only those that are known."""
    incident, report = telling.incident, telling.report
    probability = incident.assessment.probability if incident.assessment else None
    known = {
        "Site": telling.site_name,
        "Camera": incident.camera_id,
        "Rule": incident.rule_id,
        "Severity": incident.severity.value,
        "Since": telling.local(incident.opened_at).strftime("%Y-%m-%d %H:%M:%S %Z"),
        "Until": telling.local(incident.closed_at).strftime("%Y-%m-%d %H:%M:%S %Z") if incident.closed_at else "",
        "Probability": f"{probability:.0%}" if probability is not None else "",
        "Seen": seen(report) if report else "",
        "Checked": checked(telling),
        "Likely next": report.forecast if report else "",
        "Advice": report.advice if report else "",
        "Note": telling.change.note,
    }
    return {label: text for label, text in known.items() if text}


def links(telling: Telling) -> dict[str, str]:
    """Labelled addresses, what shows most first; only those that are known."""
    incident = telling.incident
    pictures = [incident.snapshot_uri, *(frame.uri for frame in incident.candidate.key_frames)]
    known = {
        "Picture": next((telling.addresses[key] for key in pictures if key in telling.addresses), ""),
        "Clip": telling.addresses.get(incident.clip_uri or "", ""),
        "Incident": telling.page,
    }
    return {label: address for label, address in known.items() if address}


def seen(report: Report) -> str:
    """What the report names, with the picture that shows it: `person (picture 1), fence (picture 2)`."""
    return ", ".join(f"{element.name} (picture {element.frame})" for element in report.elements)


def checked(telling: Telling) -> str:
    """`5 claims, 2 without support removed`; empty when all were borne out, or none was checked."""
    grounding = telling.incident.assessment.grounding if telling.incident.assessment else None
    if grounding is None or not grounding.removed:
        return ""
    return f"{grounding.num_checked} claims, {len(grounding.removed)} without support removed"


def cut(text: str, max_characters: int) -> str:
    """`text`, shortened to what the receiver takes."""
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"


def _what(telling: Telling) -> str:
    if telling.report is not None:
        return telling.report.title
    measured = facts(telling)
    return measured[0].text if measured else telling.incident.rule_id
