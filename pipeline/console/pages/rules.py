"""Rules: those in force, and for administrators the site file: drawn, typed, tried, saved, and taken back.

What is drawn and typed is a draft in the page until it is saved; the draft is checked, drawn into and saved through the
API. Here are the page and what it loads: the list, a picture to draw on, differences, and what came of a backtest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sse_starlette import EventSourceResponse

from pipeline.console.host import SiteText
from pipeline.console.pages.shell import page
from pipeline.console.problems import ProblemFound
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, CameraQuery, asking, tagged
from pipeline.console.routes.cameras import CameraPath
from pipeline.console.routes.rules import Checker, desk_of, rules_of, steps_of
from pipeline.console.streams import told_by
from pipeline.console.system_models import SiteDraft, Trial
from pipeline.contracts.incident import IncidentFilter
from pipeline.errors import InvalidMessage, TransientError

router = APIRouter(prefix="/rules", include_in_schema=False)
Looker = Annotated[Asker, asking(Action.SEE_RULES)]
Version = Annotated[str, Query(max_length=40)]
_SHOWN_AROUND = 3
"""Lines around a difference."""
_MOST_PICTURES = 10
"""Of the newest incidents, looked through for one whose picture is kept still."""


class Line(NamedTuple):
    """Of a difference."""

    sign: str
    """`+`, `-`, a blank for what stays, `@` for a place."""
    text: str


@router.get("")
def rules_page(
    request: Request, asker: Looker, camera: CameraQuery = "", was: Version = "", now: Version = ""
) -> HTMLResponse:
    """The page; `was` and `now` show what one version changed of another, for who has no script."""
    site, unread = _site_file(asker)
    is_shown = site is not None and was and now
    return page(
        request,
        asker.caller,
        "rules.html",
        **_listed(asker),
        site=site,
        unread=unread,
        unwritable=desk_of(asker).unwritable() if site else "",
        versions=desk_of(asker).versions() if site else (),
        cameras=_cameras(asker),
        camera=camera,
        lines=_difference(asker, was, now) if is_shown else (),
        is_compared=is_shown,
    )


@router.get("/list")
def rules_list(request: Request, asker: Looker) -> HTMLResponse:
    """Those in force."""
    return page(request, asker.caller, "_rules_list.html", **_listed(asker))


@router.get("/versions")
def versions(request: Request, asker: Checker) -> HTMLResponse:
    """What the site file was and is."""
    return page(
        request,
        asker.caller,
        "_rules_versions.html",
        versions=desk_of(asker).versions(),
        unwritable=desk_of(asker).unwritable(),
    )


@router.get("/difference")
def difference(request: Request, asker: Checker, was: Version, now: Version) -> HTMLResponse:
    """What one version changed of another."""
    return page(request, asker.caller, "_rules_difference.html", lines=_difference(asker, was, now))


@router.post("/changes")
def changes(request: Request, asker: Checker, draft: SiteDraft) -> HTMLResponse:
    """What a draft would change of the site file as it stands."""
    lines = _lines(desk_of(asker).read().text, draft.text)
    return page(request, asker.caller, "_rules_difference.html", lines=lines)


@router.get("/picture/{camera_id}", response_class=Response)
def picture(request: Request, camera_id: CameraPath, asker: Annotated[Asker, asking(Action.SEE_LIVE)]) -> Response:
    """What a camera sees now or saw last, to draw on."""
    camera = asker.camera(camera_id)
    frame = asker.host.live.latest(camera) if asker.host.live else None
    found = frame.jpeg if frame else _newest_kept(asker, camera)
    if found is None:
        raise ProblemFound(404, f"there is no picture of {camera} yet")
    return tagged(request, found, "image/jpeg")


@router.post("/trial", response_class=EventSourceResponse)
def trial(request: Request, asker: Annotated[Asker, asking(Action.BACKTEST)], wanted: Trial) -> EventSourceResponse:
    """Try a draft's rules on kept incidents, as the API does; the result comes as a fragment of the page."""

    def told() -> Iterator[tuple[str, Any]]:
        until = asker.moment(wanted.until)
        for name, data in steps:
            yield name, data if name == "progress" else {"html": _result(request, asker, data, until)}

    steps = steps_of(asker, wanted)
    return told_by(told(), request.url.path)


def _listed(asker: Asker) -> dict[str, Any]:
    """The rules in force; those of the file itself can be switched, where there is a desk."""
    site = asker.host.site()
    can_write = asker.host.desk is not None and not asker.host.desk.unwritable()
    return {"rules": rules_of(asker), "switchable": {rule.id for rule in site.rules} if site and can_write else set()}


def _site_file(asker: Asker) -> tuple[SiteText | None, str]:
    """As it stands, for whoever may change it; or why it cannot be shown."""
    caller = asker.caller
    if asker.host.desk is None or not caller.book.access.allows(caller.principal, Action.CHECK_RULES):
        return None, ""
    try:
        return asker.host.desk.read(), ""
    except TransientError as error:
        return None, str(error)


def _cameras(asker: Asker) -> list[str]:
    site = asker.host.site()
    return asker.caller.visible([camera.id for camera in site.cameras]) if site else []


def _newest_kept(asker: Asker, camera_id: str) -> bytes | None:
    archive = asker.host.archive()
    for incident in archive.incidents.find(IncidentFilter(camera_id=camera_id, limit=_MOST_PICTURES)):
        try:
            if incident.snapshot_uri:
                return archive.evidence.get(incident.snapshot_uri)
        except InvalidMessage:
            continue  # no longer kept
    return None


def _difference(asker: Asker, was: str, now: str) -> list[Line]:
    desk = desk_of(asker)
    return _lines(desk.version(was).text, desk.version(now).text)


def _lines(was: str, now: str) -> list[Line]:
    found = difflib.unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=_SHOWN_AROUND)
    return [Line(line[0], line if line[0] == "@" else line[1:]) for line in list(found)[2:]]


def _result(request: Request, asker: Asker, told: Mapping[str, Any], until: datetime) -> str:
    """One site file's side of what `sightline backtest --history --json` tells."""
    (side,) = told["sites"]
    incidents = {one["name"]: one["incident"] for one in side["recordings"]}
    days = _days(asker, incidents.values(), until)
    answer = page(request, asker.caller, "_rules_trial.html", side=side, incidents=incidents, days=days)
    return bytes(answer.body).decode()


def _days(asker: Asker, incident_ids: Any, until: datetime) -> float:
    """From the oldest of them to the end: for how long alerts have been kept at least; never less than a day."""
    found = map(asker.host.archive().incidents.get, incident_ids)
    oldest = min((incident.opened_at for incident in found if incident), default=until)
    return max((until - oldest) / timedelta(days=1), 1.0)
