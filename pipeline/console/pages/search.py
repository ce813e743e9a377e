"""Search: what was reported and what was seen, by words, by an example picture, or by a part of one.

Words are looked for in two ways, and what they find is shown as one list: in what was reported of incidents, which
always works, and in the look of what cameras saw, which takes an encoder. What the model makes of each result comes
later, by the API's stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from pipeline.console.access import Refused
from pipeline.console.models import API, IncidentRow, MomentList, MomentView
from pipeline.console.pages.shell import page
from pipeline.console.problems import ProblemFound
from pipeline.console.roles import Action
from pipeline.console.routes.asked import Asker, asking
from pipeline.console.routes.moments import (
    MAX_PICTURE_BYTES,
    Picture,
    Side,
    Where,
    moments_by_picture,
    moments_by_words,
    place,
)
from pipeline.console.routes.rules import rules_of
from pipeline.console.routes.searching import search_incidents
from pipeline.console.routes.verifying import MOST_RESULTS
from pipeline.errors import ConfigError, TransientError
from pipeline.search.found import cut
from pipeline.site import Site

router = APIRouter(include_in_schema=False)
_MOST_MOMENTS = 2 * MOST_RESULTS
_RANK_OFFSET = 60
_MAX_WORDS = 500
_LIKE = re.compile(r"(?P<incident>[A-Za-z0-9_-]{1,63})/(?P<name>snapshot|picture-\d{1,4})")
_LIVE = re.compile(r"live/(?P<camera>[A-Za-z0-9_-]{1,63})")
_USUAL_THINGS = frozenset({"person", "car", "truck", "bus", "bicycle", "motorcycle", "dog", "backpack", "suitcase"})
"""Offered beside those that the site's rules name; anything else may be typed."""


class Form(BaseModel):
    """What the page's form sends; its address is the search."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    camera: str = ""
    zone: str = ""
    label: str = ""
    within: str = "1 day ago"
    since: str = ""
    until: str = ""
    like: str = ""
    """An example that is there already: `INCIDENT/picture-2`, `live/CAMERA`."""

    @property
    def is_asked(self) -> bool:
        """Whether something is looked for by what the form holds; an example is the browser's to send."""
        return any((self.text, self.camera, self.zone, self.label, self.since, self.until)) and not self.like


@dataclass(frozen=True, slots=True)
class Hit:
    """A result: an incident, or a moment of which nothing but its time is known."""

    camera_id: str
    at: datetime
    incident: IncidentRow | None
    is_told: bool
    """The words stand in what was reported of it."""
    similarity: float | None
    """Of its look; None where that was not compared."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search came to."""

    hits: tuple[Hit, ...] = ()
    """The best first, those that have a picture."""
    bare: tuple[Hit, ...] = ()
    """Those that have none."""
    words: str = ""
    unwatched: tuple[str, ...] = ()
    num_not_compared: int = 0
    """Moments that another encoder saw: not looked through."""
    missing: str = ""
    """Why nothing was found by its look."""
    problem: str = ""
    """Why nothing was looked for at all."""


@router.get("/search")
def search_page(
    request: Request, asker: Annotated[Asker, asking(Action.SEARCH)], form: Annotated[Form, Query()]
) -> HTMLResponse:
    """The form, and below it what was found."""
    outcome = found_by_words(asker, form) if form.is_asked else None
    # A script that loads a part of this page shows it whatever it says.
    is_wrong = outcome is not None and outcome.problem and "HX-Request" not in request.headers
    return page(
        request,
        asker.caller,
        "search.html",
        status=422 if is_wrong else 200,
        form=form,
        outcome=outcome,
        example=_example_url(form.like),
        cameras=asker.known_cameras(),
        has_live=asker.host.live is not None,
        has_checks=asker.host.checks is not None,
        **_offered(asker),
    )


@router.post("/search/picture", max_body_size=MAX_PICTURE_BYTES)
def search_by_picture(
    request: Request,
    where: Where,
    picture: Picture,
    left: Side = 0.0,
    top: Side = 0.0,
    right: Side = 1.0,
    bottom: Side = 1.0,
) -> HTMLResponse:
    """What looks like the JPEG that is sent, or like a part of it: the results alone."""
    asker = where.asker
    found = moments_by_picture(where, picture, _MOST_MOMENTS, left, top, right, bottom)
    outcome = _outcome(fused((), found.items), unwatched=found.unwatched, num_not_compared=found.num_not_compared)
    has_checks = asker.host.checks is not None
    return page(request, asker.caller, "_search_results.html", outcome=outcome, has_checks=has_checks)


def found_by_words(asker: Asker, form: Form) -> Outcome:
    """What the form's words and filters find; without words, the newest incidents that the filters let through."""
    text = " ".join(form.text.split())
    try:
        where = place(asker, form.camera, _one(form.zone), _one(form.label), *_while(form))
        told = search_incidents(where, text, limit=MOST_RESULTS)
    except (ConfigError, Refused) as error:
        return Outcome(problem=cut(str(error), _MAX_WORDS))
    alike = MomentList(items=(), unwatched=())
    missing = ""
    try:
        alike = moments_by_words(where, text, _MOST_MOMENTS) if text else alike
    except ProblemFound as error:
        missing = error.detail
    except (ConfigError, TransientError) as error:
        missing = str(error)
    hits = fused(told.items, alike.items) if text else _newest(told.items)
    return _outcome(hits, text, told.unwatched, missing, alike.num_not_compared)


def fused(told: Sequence[IncidentRow], alike: Sequence[MomentView]) -> list[Hit]:
    """Two lists as one, by the sum of 1 ÷ (60 + place) in each (reciprocal rank fusion; Cormack et al., SIGIR 2009)."""
    hits: dict[object, Hit] = {}
    scores: dict[object, float] = {}
    for rank, row in enumerate(told):
        hits[row.id] = Hit(row.camera_id, row.opened_at, row, True, None)
        scores[row.id] = 1 / (_RANK_OFFSET + rank)
    for rank, moment in enumerate(alike):
        key = moment.incident.id if moment.incident else (moment.camera_id, moment.captured_at)
        hits[key] = Hit(moment.camera_id, moment.captured_at, moment.incident, key in hits, moment.similarity)
        scores[key] = scores.get(key, 0.0) + 1 / (_RANK_OFFSET + rank)
    return sorted(hits.values(), key=lambda hit: -scores[_key(hit)])


def _key(hit: Hit) -> object:
    return hit.incident.id if hit.incident else (hit.camera_id, hit.at)


def _newest(rows: Sequence[IncidentRow]) -> list[Hit]:
    return [Hit(row.camera_id, row.opened_at, row, False, None) for row in rows]


def _outcome(
    hits: Sequence[Hit], words: str = "", unwatched: Sequence[str] = (), missing: str = "", num_not_compared: int = 0
) -> Outcome:
    kept = [hit for hit in hits if hit.incident is not None]
    bare = [hit for hit in hits if hit.incident is None]
    shown, told = tuple(kept[:MOST_RESULTS]), tuple(bare[:MOST_RESULTS])
    return Outcome(shown, told, words, tuple(unwatched), num_not_compared, missing)


def _while(form: Form) -> tuple[str, str]:
    return form.since or form.within, form.until or "now"


def _one(name: str) -> list[str] | None:
    return [name] if name else None


def _example_url(like: str) -> str:
    """Where the example is; empty for what is none. Whether one may see it is for that address to say."""
    if live := _LIVE.fullmatch(like):
        return f"{API}/cameras/{live['camera']}/frame"
    kept = _LIKE.fullmatch(like)
    return f"{API}/incidents/{kept['incident']}/evidence/{kept['name']}" if kept else ""


def _offered(asker: Asker) -> dict[str, Any]:
    """Names to choose from: zones of the cameras that they may know of, and kinds of things."""
    site: Site | None = asker.host.site()
    if site is None:
        return {"zones": [], "labels": sorted(_USUAL_THINGS)}
    seen = [camera for name in asker.known_cameras() if (camera := site.camera(name)) is not None]
    named = {name for view in rules_of(asker) if view.rule.track for name in view.rule.track.object}
    zones = sorted({zone for camera in seen for zone in camera.zones})
    return {"zones": zones, "labels": sorted(named - {"any"} | _USUAL_THINGS)}
