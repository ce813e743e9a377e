"""Accounts of people and programs, and the audit log: for administrators."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.console.cursors import MAX_CHARACTERS
from pipeline.console.pages.shell import page
from pipeline.console.passwords import LEAST_CHARACTERS
from pipeline.console.roles import Action, Role, Scope
from pipeline.console.routes import people as api
from pipeline.console.routes.asked import Asker, TimeQuery, asking
from pipeline.console.tokens import MOST_DAYS

router = APIRouter(include_in_schema=False)


@router.get("/people")
def people(request: Request, asker: Annotated[Asker, asking(Action.MANAGE_PEOPLE)]) -> HTMLResponse:
    """Every account, and a form for a new one."""
    cameras = asker.host.archive().cameras
    return page(
        request,
        asker.caller,
        "people.html",
        people=api.people(asker.caller).items,
        groups=sorted({*cameras, *(label for labels in cameras.values() for label in labels)}),
        roles=tuple(Role),
        scopes=tuple(Scope),
        most_days=MOST_DAYS,
        least_characters=LEAST_CHARACTERS,
    )


@router.get("/people/audit")
def audit(
    request: Request,
    asker: Annotated[Asker, asking(Action.SEE_AUDIT)],
    who: Annotated[str, Query(max_length=200)] = "",
    camera: Annotated[str, Query(max_length=63)] = "",
    since: TimeQuery = "",
    until: TimeQuery = "",
    cursor: Annotated[str, Query(max_length=MAX_CHARACTERS)] = "",
) -> HTMLResponse:
    """The audit log, a page at a time."""
    asked = {"who": who, "camera": camera, "since": since, "until": until}
    found = api.audit(asker, who, camera, since, until, cursor)
    following = f"/people/audit?{urlencode(asked | {'cursor': found.next})}" if found.next else ""
    return page(request, asker.caller, "audit.html", asked=asked, entries=found.items, following=following)
