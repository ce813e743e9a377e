"""The review page: incidents as they come, each with its pictures and why it was told; people say what was right.

The list and the incident that is open stand side by side; both can be linked to. What changes is fetched by the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.console.cursors import MAX_CHARACTERS
from pipeline.console.host import Record
from pipeline.console.models import IncidentRow, row_of
from pipeline.console.pages.review_claims import claims, measured
from pipeline.console.pages.review_pictures import pictures, shapes, size_of
from pipeline.console.pages.shell import page
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, RuleQuery, TimeQuery, asking
from pipeline.console.routes.incidents import IncidentPath, list_incidents, whole
from pipeline.console.routes.rules import rules_of
from pipeline.contracts.forecast import ForecastFilter, ForecastSource, KeptForecast
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus
from pipeline.contracts.values import Severity

router = APIRouter(prefix="/review", include_in_schema=False)
Reader = Annotated[Asker, asking(Action.SEE_INCIDENTS)]
_ROWS = 25
"""Some 40 KB of page; their pictures are loaded as they come into view."""
_LIKE_IT = 6
_LATELY = timedelta(hours=24)
_MOST_COUNTED = 200
_LEARNING = timedelta(weeks=4)
_WORTH_TELLING = 0.1
_LIKELY = 0.5


class Show(StrEnum):
    """Which part of all incidents."""

    TODO = "todo"
    """Told to somebody and not judged by a person yet."""
    DECIDED = "decided"
    REJECTED = "rejected"
    """Left out by the model."""
    ALL = "all"


_STATUSES: Mapping[Show, tuple[IncidentStatus, ...]] = {
    Show.TODO: (IncidentStatus.PROVISIONAL, IncidentStatus.CONFIRMED, IncidentStatus.UNVERIFIED),
    Show.DECIDED: (),
    Show.REJECTED: (IncidentStatus.REJECTED,),
    Show.ALL: (),
}
_REVIEWED: Mapping[Show, bool | None] = {Show.TODO: False, Show.DECIDED: True, Show.REJECTED: None, Show.ALL: None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents the list is of, as the page's address says."""

    show: Show
    camera: str
    rule: str
    severity: Severity | None
    since: str
    until: str

    def query(self, **changed: str) -> str:
        """The address's query, with these changed; `""` when it says nothing."""
        said = {name: str(getattr(self, name) or "") for name in Wanted.__dataclass_fields__} | changed
        if said["show"] == _part_of(said["since"], said["until"]):
            said["show"] = ""
        return urlencode({name: text for name, text in said.items() if text})

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the part is asked for."""
        return any((self.camera, self.rule, self.severity, self.since, self.until))

    def is_settled(self, row: IncidentRow) -> bool:
        """Whether nothing is left to do about it: trouble with a camera is not judged, but seen."""
        return self.show is Show.TODO and row.condition is not None and row.acknowledged_at is not None

    def fits(self, row: IncidentRow, asker: Asker) -> bool:
        """Whether the list holds such a one."""
        reviewed, statuses = _REVIEWED[self.show], _STATUSES[self.show]
        return (
            (not statuses or row.status in statuses)
            and (reviewed is None or reviewed is (row.review is not None))
            and self.camera in ("", row.camera_id)
            and self.rule in ("", row.rule_id)
            and self.severity in (None, row.severity)
            and (not self.since or asker.moment(self.since) <= row.opened_at)
            and (not self.until or row.opened_at < asker.moment(self.until))
            and not self.is_settled(row)
        )


def _part_of(since: str, until: str) -> Show:
    """Where none is named: of a while that is asked about, everything."""
    return Show.ALL if since or until else Show.TODO


def wanted(
    show: Show | None = None,
    camera: CameraQuery = "",
    rule: RuleQuery = "",
    severity: Severity | Literal[""] = "",
    since: TimeQuery = "",
    until: TimeQuery = "",
) -> Wanted:
    """As the address says."""
    return Wanted(show or _part_of(since, until), camera, rule, severity or None, since, until)


Asked = Annotated[Wanted, Depends(wanted)]
Cursor = Annotated[str, Query(max_length=MAX_CHARACTERS)]
Number = Annotated[int | None, Query(ge=1, le=10_000)]


@router.get("")
def review(request: Request, asker: Reader, asked: Asked, cursor: Cursor = "") -> HTMLResponse:
    """The list, and what has happened lately."""
    return page(request, asker.caller, "review.html", opened=None, **_list(asker, asked, cursor))


@router.get("/rows")
def rows(request: Request, asker: Reader, asked: Asked, cursor: Cursor = "") -> HTMLResponse:
    """The rows that follow."""
    return page(request, asker.caller, "_review_rows.html", opened=None, **_list(asker, asked, cursor))


@router.get("/changed")
def changed(
    request: Request, asker: Reader, asked: Asked, id: Annotated[list[str], Query(max_length=50)]
) -> HTMLResponse:
    """The rows of these incidents as they are now, and whether the list holds them."""
    found = map(asker.host.archive().incidents.get, dict.fromkeys(id))
    known = [row_of(incident) for incident in found if incident is not None and asker.caller.may(incident.camera_id)]
    listed = [(row, asked.fits(row, asker)) for row in known]
    return page(request, asker.caller, "_review_changed.html", opened=None, asked=asked, listed=listed)


@router.get("/lately")
def lately(request: Request, asker: Reader) -> HTMLResponse:
    """What the last day brought, what was not watched in it, and what people's words have come to."""
    archive = asker.host.archive()
    now = archive.clock.now()
    start, statuses = now - _LATELY, list(_STATUSES[Show.TODO])
    found = list_incidents(asker, status=statuses, since=start.isoformat(), limit=_MOST_COUNTED)
    return page(
        request,
        asker.caller,
        "_review_lately.html",
        num_told=len(found.items),
        num_todo=sum(row.review is None and not (row.condition and row.acknowledged_at) for row in found.items),
        are_more=found.next is not None,
        open_now=[row for row in found.items if row.closed_at is None],
        unwatched=archive.accounts.unwatched(asker.known_cameras(), start, now),
        records=_records(asker),
    )


@router.get("/{incident_id}")
def incident(
    request: Request, incident_id: IncidentPath, asker: Reader, asked: Asked, picture: Number = None
) -> HTMLResponse:
    """One incident beside the list, or alone for whoever has the list already."""
    found = asker.incident(incident_id)
    told = _told(asker, found, picture)
    if request.headers.get("hx-target") == "detail":
        return page(request, asker.caller, "_review_incident.html", asked=asked, **told)
    return page(request, asker.caller, "review.html", **_list(asker, asked, "") | told)


@router.get("/{incident_id}/learned")
def learned(request: Request, incident_id: IncidentPath, asker: Reader) -> HTMLResponse:
    """What people's words on it, and on the like of it, have changed."""
    found = asker.incident(incident_id)
    lessons = asker.host.lessons
    return page(
        request,
        asker.caller,
        "_review_learned.html",
        incident=found,
        lesson=lessons.threshold(found.camera_id, found.rule_id) if lessons else None,
        records=_records(asker, found.rule_id),
    )


def _list(asker: Asker, asked: Wanted, cursor: str) -> dict[str, Any]:
    """For the templates of list and rows."""
    found = list_incidents(
        asker,
        camera=asked.camera,
        rule=asked.rule,
        status=list(_STATUSES[asked.show]),
        severity=[asked.severity] if asked.severity else None,
        reviewed=_REVIEWED[asked.show],
        since=asked.since,
        until=asked.until,
        cursor=cursor,
        limit=_ROWS,
    )
    return {
        "asked": asked,
        "parts": list(Show),
        "listed": [row for row in found.items if not asked.is_settled(row)],
        "next": found.next,
        "unwatched": found.unwatched,
        "cameras": asker.known_cameras(),
        "rules": sorted(each.rule.id for each in rules_of(asker)),
        "severities": list(Severity),
    }


def _told(asker: Asker, incident: Incident, picture: int | None) -> dict[str, Any]:
    """For the template of one incident."""
    said, facts, known = claims(incident), measured(incident), whole(asker, incident)
    shown = pictures(incident, said, facts)
    numbers = [each.number for each in shown if each.url]
    peak = next((each.number for each in shown if each.key.role == "peak" and each.url), None)
    return {
        "opened": row_of(incident),
        "incident": incident,
        "known": known,
        "evidence": {item.name: item for item in known.evidence},
        "kinds": {step.sequence: step.kind for step in known.changes},
        "claims": said,
        "facts": facts,
        "pictures": shown,
        "shapes": shapes(incident, asker.host.site()),
        "size": size_of(incident),
        "numbers": numbers,
        "at_first": picture if picture in numbers else peak or next(iter(numbers), None),
        "expected": _expected(asker, incident),
        "like_it": _like_it(asker, incident),
        "can_replay": asker.host.replays is not None and incident.candidate.condition is None,
    }


def _like_it(asker: Asker, incident: Incident) -> list[IncidentRow]:
    """The last of the same rule and camera before it."""
    wanted = IncidentFilter(
        camera_id=incident.camera_id, rule_id=incident.rule_id, opened_before=incident.opened_at, limit=_LIKE_IT
    )
    return list(map(row_of, asker.host.archive().incidents.find(wanted)))


def _expected(asker: Asker, incident: Incident) -> list[KeptForecast]:
    """What was foretold last, by motion and by the model, and what became of it; the likeliest first."""
    store = asker.host.forecasts
    kept = store.find(ForecastFilter(incident_id=incident.id)) if store else []
    last = {source: max((f.made_at for f in kept if f.source is source), default=None) for source in ForecastSource}
    things: dict[tuple[ForecastSource, str], list[KeptForecast]] = {}
    for one in kept:
        if one.made_at == last[one.source]:
            things.setdefault((one.source, one.what), []).append(one)
    told = [_most_telling(horizons) for horizons in things.values()]
    return sorted((one for one in told if one.probability >= _WORTH_TELLING), key=lambda one: -one.probability)


def _most_telling(horizons: Sequence[KeptForecast]) -> KeptForecast:
    """The soonest at which it is more likely than not; else the likeliest."""
    likely = [one for one in horizons if one.probability >= _LIKELY]
    return min(likely, key=lambda one: one.within_seconds) if likely else max(horizons, key=lambda one: one.probability)


def _records(asker: Asker, rule_id: str = "") -> Sequence[Record]:
    """Of the last weeks, as far as the asker may see the cameras."""
    lessons = asker.host.lessons
    if lessons is None:
        return ()
    return lessons.records(asker.host.archive().clock.now() - _LEARNING, asker.camera_ids(), rule_id)
