"""Incidents: listed by pages, told in full, confirmed, rejected, acknowledged, judged again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response

from pipeline.console.cursors import MAX_CHARACTERS, read_cursor, write_cursor
from pipeline.console.models import (
    Changed,
    Decided,
    EvidenceItem,
    IncidentPage,
    LinkView,
    Step,
    WholeIncident,
    changed_of,
    evidence_of,
    evidence_path,
    row_of,
)
from pipeline.console.problems import ProblemFound, responses
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, RuleQuery, TimeQuery, asking, needs, tagged
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus
from pipeline.contracts.values import Severity
from pipeline.errors import ConfigError

router = APIRouter(prefix="/incidents", tags=["incidents"])
IncidentPath = Annotated[str, Path(max_length=63, description="Its whole id.")]
Reader = Annotated[Asker, asking(Action.SEE_INCIDENTS)]
Reviewer = Annotated[Asker, asking(Action.REVIEW)]
IfMatch = Annotated[
    str | None, Header(max_length=200, description="The ETag of the incident as you read it: 409 when it has changed.")
]
Word = Annotated[Decided | None, Body(description="A remark to keep with it.")]


@router.get("", responses=responses(404, 503))
def list_incidents(
    asker: Reader,
    camera: CameraQuery = "",
    rule: RuleQuery = "",
    status: Annotated[list[IncidentStatus] | None, Query(max_length=4, description="Only with one of these.")] = None,
    severity: Annotated[list[Severity] | None, Query(max_length=4, description="Only of one of these.")] = None,
    reviewed: Annotated[bool | None, Query(description="Only those that people have judged, or have not.")] = None,
    since: TimeQuery = "",
    until: TimeQuery = "",
    cursor: Annotated[str, Query(max_length=MAX_CHARACTERS, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
) -> IncidentPage:
    """Newest first, a page at a time. What comes meanwhile shifts no page: each follows the last incident seen."""
    camera_ids = asker.camera_ids(camera)
    wanted = IncidentFilter(
        rule_id=rule or None,
        statuses=tuple(status or ()),
        severities=tuple(severity or ()),
        is_reviewed=reviewed,
        opened_from=asker.moment(since) if since else None,
        opened_before=asker.moment(until) if until else None,
        camera_ids=camera_ids,
        before=read_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    found = asker.host.archive().incidents.find(wanted)
    page = found[:limit]
    following = write_cursor(page[-1].opened_at, page[-1].id) if len(found) > limit else None
    blind = _unwatched(asker, wanted) if not found and not cursor else ()
    return IncidentPage(items=tuple(map(row_of, page)), next=following, unwatched=blind)


@router.get("/{incident_id}", response_model=WholeIncident, responses=responses(404, 503))
def one_incident(
    request: Request,
    incident_id: IncidentPath,
    asker: Reader,
    links: Annotated[bool, Query(description="With links that open its evidence for a while, to hand on.")] = False,
) -> Response:
    """Everything known of one. Its ETag begins with the number of its last change."""
    incident = asker.incident(incident_id)
    told = whole(asker, incident)
    if links and asker.caller.book.access.allows(asker.caller.principal, Action.SEE_EVIDENCE, incident.camera_id):
        told = told.model_copy(update={"evidence": tuple(_linked(asker, incident, item) for item in told.evidence)})
    return tagged(request, told, prefix=f"{incident.last_change}-")


def whole(asker: Asker, incident: Incident) -> WholeIncident:
    """Everything known of one that the asker may see."""
    store = asker.host.archive().incidents
    others = [(link, store.get(link.other_id)) for link in store.links_of(incident.id)]
    return WholeIncident(
        incident=incident,
        evidence=evidence_of(incident),
        changes=tuple(
            Step(id=c.id, sequence=c.sequence, kind=c.kind, at=c.at, note=c.note) for c in store.changes(incident.id)
        ),
        links=tuple(
            LinkView(incident=row_of(other), seconds_apart=link.seconds_apart, similarity=link.similarity)
            for link, other in others
            if other is not None and asker.caller.may(other.camera_id)
        ),
        deliveries=tuple(asker.host.outbox.of_incident(incident.id)),
    )


@router.post("/{incident_id}/confirm", responses=responses(404, 409, 503))
def confirm(incident_id: IncidentPath, asker: Reviewer, word: Word = None, if_match: IfMatch = None) -> Changed:
    """Say that an alert was right: what was seen is what the rule is for. Sightline learns from it."""
    return _review(asker, incident_id, word, if_match, is_right=True)


@router.post("/{incident_id}/reject", responses=responses(404, 409, 503))
def reject(incident_id: IncidentPath, asker: Reviewer, word: Word = None, if_match: IfMatch = None) -> Changed:
    """Say that an alert was a false alarm: the like is told no more so easily."""
    return _review(asker, incident_id, word, if_match, is_right=False)


@router.post("/{incident_id}/acknowledge", responses=responses(404, 409, 503))
def acknowledge(incident_id: IncidentPath, asker: Reviewer, word: Word = None, if_match: IfMatch = None) -> Changed:
    """Say that a person has seen it."""
    incident = asker.incident(incident_id, f"{incident_id}/acknowledge")
    note = word.note if word else ""
    after = read_version(if_match)
    return changed_of(asker.host.changes.acknowledge(incident.id, asker.name, note, after_change=after))


@router.post("/{incident_id}/replay", responses=responses(404, 501, 503))
def replay(incident_id: IncidentPath, asker: Annotated[Asker, asking(Action.REPLAY)]) -> dict[str, Any]:
    """Judge it again with the model of the site as it is now; the incident keeps the verdict it has."""
    incident = asker.incident(incident_id, f"{incident_id}/replay")
    replays = needs(asker.host.replays, "nobody judges here: name a model (models.vlm) in the site file")
    return dict(replays(incident))


def _linked(asker: Asker, incident: Incident, item: EvidenceItem) -> EvidenceItem:
    book = asker.caller.book
    signed = book.evidence_link(evidence_path(incident, item.name), incident.camera_id, asker.name)
    return item.model_copy(update={"link": book.settings.public_url + signed})


def read_version(if_match: str | None) -> int | None:
    """The number of the change that an ETag of ours names; None for none and for `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().removeprefix("W/").strip('"').partition("-")[0]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ProblemFound(409, "If-Match: expected the ETag of the incident as it was read, one alone")
    return int(number)


def _review(asker: Asker, incident_id: str, word: Decided | None, if_match: str | None, *, is_right: bool) -> Changed:
    incident = asker.incident(incident_id, f"{incident_id}/{'confirm' if is_right else 'reject'}")
    if incident.candidate.condition is not None:
        raise ConfigError(f"{incident.id} is about the camera itself, which is measured and not judged: acknowledge it")
    changes, note, after = asker.host.changes, word.note if word else "", read_version(if_match)
    change = changes.review(incident.id, is_right=is_right, by=asker.name, note=note, after_change=after)
    return changed_of(change)


def _unwatched(asker: Asker, wanted: IncidentFilter) -> tuple[str, ...]:
    """No incidents is not "nothing happened" while nobody watched."""
    archive = asker.host.archive()
    if wanted.opened_from is None:
        return ()
    names = wanted.camera_ids if wanted.camera_ids is not None else asker.known_cameras()
    now = archive.clock.now()
    end = min(wanted.opened_before or now, now)
    return tuple(archive.accounts.unwatched(names, wanted.opened_from, end)) if wanted.opened_from < end else ()
