"""The timeline: a lane a camera, and for any of its minutes why there was an alert, or why there was none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pipeline.console.pages.gates import told_by
from pipeline.console.pages.lanes import SPANS, TALLEST, Window, lanes
from pipeline.console.pages.shell import page
from pipeline.console.roles import Action
from pipeline.console.routes import accounting
from pipeline.console.routes.asked import Asker, CameraQuery, RuleQuery, TimeQuery, asking
from pipeline.console.routes.cameras import CameraPath
from pipeline.console.routes.rules import rules_of
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.errors import ConfigError
from pipeline.store.gaps import accounts

router = APIRouter(include_in_schema=False)
Reader = Annotated[Asker, asking(Action.SEE_COVERAGE)]
Doubter = Annotated[Asker, asking(Action.ASK_WHY)]
Hours = Annotated[Literal["24", "6", "1"], Query(description="How much is shown.")]
Minutes = Annotated[Literal["1", "5", "15", "60"], Query(description="How much time around the minute is asked about.")]
First = Annotated[int, Query(ge=0, le=100_000, description="How many cameras come before those that are shown.")]
_CAMERAS_AT_ONCE = 16
"""The next ones are loaded when somebody scrolls to them."""
_MOST_INCIDENTS = 2_000
_MINUTE = timedelta(minutes=1)


@router.get("/timeline")
def timeline(
    request: Request,
    asker: Reader,
    at: TimeQuery = "",
    hours: Hours = "24",
    first: First = 0,
    camera: CameraQuery = "",
    minute: TimeQuery = "",
    rule: RuleQuery = "",
    minutes: Minutes = "1",
) -> HTMLResponse:
    """The day, the part of it or the hour that holds `at`; with `camera` and `minute`, also why."""
    window = _window(asker, at or minute, hours)
    answer = _nothing_asked(asker, camera, rule)
    if camera and minute:
        answer = _why(asker, camera, minute, rule, minutes)
        window = window if window.start <= answer["minute"] < window.end else _window(asker, minute, hours)
    shown = _some_lanes(asker, window, first) | answer | _asked_of(asker, window, answer)
    return page(request, asker.caller, "timeline.html", **shown)


@router.get("/timeline/lanes")
def timeline_lanes(
    request: Request,
    asker: Reader,
    at: TimeQuery = "",
    hours: Hours = "24",
    first: First = 0,
    again: Annotated[bool, Query(description="Only these: those that follow are there already.")] = False,
) -> HTMLResponse:
    """The lanes of some cameras, and where those of the next ones are."""
    shown = _some_lanes(asker, _window(asker, at, hours), first)
    return page(request, asker.caller, "_timeline_lanes.html", **shown | ({"following": None} if again else {}))


@router.get("/timeline/lanes/{camera_id}")
def timeline_lane(
    request: Request, camera_id: CameraPath, asker: Reader, at: TimeQuery = "", hours: Hours = "24"
) -> HTMLResponse:
    """The lane of one camera, to be shown anew when something happened there."""
    shown = _lanes(asker, _window(asker, at, hours), [asker.camera(camera_id)])
    return page(request, asker.caller, "_timeline_lane.html", **shown, lane=shown["lanes"][0])


@router.get("/timeline/why")
def timeline_why(
    request: Request,
    asker: Doubter,
    camera: CameraQuery,
    minute: TimeQuery,
    rule: RuleQuery = "",
    minutes: Minutes = "1",
    at: TimeQuery = "",
    hours: Hours = "24",
) -> HTMLResponse:
    """The answer alone; the address that shows it within the page goes with it."""
    answered = page(request, asker.caller, "_timeline_why.html", **_why(asker, camera, minute, rule, minutes))
    moment = _address(asker.moment(minute))
    asked = {"at": at, "hours": hours, "camera": camera, "minute": moment, "rule": rule, "minutes": minutes}
    answered.headers["HX-Replace-Url"] = "/timeline?" + urlencode(
        {name: value for name, value in asked.items() if value}
    )
    return answered


def _window(asker: Asker, at: str, hours: str) -> Window:
    moment, archive = asker.moment(at or "now"), asker.host.archive()
    try:
        return Window.around(moment, int(hours), archive.zone, archive.clock.now())
    except OverflowError:
        raise ConfigError(f"{at!r} is beyond the calendar") from None


def _some_lanes(asker: Asker, window: Window, first: int) -> dict[str, Any]:
    names = asker.known_cameras()
    following = first + _CAMERAS_AT_ONCE
    shown = _lanes(asker, window, names[first:following])
    return shown | {
        "first": first,
        "following": following if following < len(names) else None,
        "here": _address(window.start),
    }


def _lanes(asker: Asker, window: Window, names: Sequence[str]) -> dict[str, Any]:
    told = accounts(asker.host.coverage, names, window.start, window.end, window.now)
    incidents = _incidents(asker, window, names)
    nears = asker.host.decisions.near_misses(names, window.start, window.end)
    return {
        "window": window,
        "lanes": lanes(window, told, incidents[:_MOST_INCIDENTS], nears),
        "tallest": TALLEST,
        "has_more": len(incidents) > _MOST_INCIDENTS,
    }


def _incidents(asker: Asker, window: Window, names: Sequence[str]) -> list[Incident]:
    """Those that opened in the window."""
    wanted = IncidentFilter(
        opened_from=window.start, opened_before=window.end, camera_ids=tuple(names), limit=_MOST_INCIDENTS + 1
    )
    return asker.host.archive().incidents.find(wanted)


def _asked_of(asker: Asker, window: Window, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's forms and links are made of."""
    is_asked = answer["minute"] is not None
    zoomed = answer["minute"] if is_asked else window.now if window.is_now else window.start
    return {
        "spans": SPANS,
        "before": _address(window.start - _MINUTE),
        "after": _address(window.end),
        "zoomed": urlencode({"at": _address(zoomed)} | (_question(answer) if is_asked else {})),
        "day": f"{window.start.astimezone(window.zone):%Y-%m-%d}",
        "cameras": asker.known_cameras(),
        "rules": sorted(view.rule.id for view in rules_of(asker) if view.rule.health is None),
    }


def _nothing_asked(asker: Asker, camera: str, rule: str) -> dict[str, Any]:
    if camera:
        asker.camera(camera)
    return {"why": None, "camera": camera, "minute": None, "rule": rule, "minutes": 1}


def _why(asker: Asker, camera: str, minute: str, rule: str, minutes: str) -> dict[str, Any]:
    """The API's own answer, and the chain that is drawn of it."""
    asked_at, archive = asker.moment(minute), asker.host.archive()
    answer: dict[str, Any] = {"camera": asker.camera(camera), "minute": asked_at, "rule": rule, "minutes": int(minutes)}
    if asked_at > archive.clock.now():
        return answer | {"why": None}
    view = accounting.why(asker, camera, minute, rule, int(minutes))
    local = [at.astimezone(archive.zone) for at in (view.start, view.end)]
    strip = Window(view.start, view.end, max(SPANS), archive.zone, view.end)
    return answer | {"why": view, "told": told_by(view, archive.rules), "local": local, "strip": strip}


def _question(answer: Mapping[str, Any]) -> dict[str, str]:
    """What was asked, as it is asked in an address."""
    asked = {"camera": answer["camera"], "minute": _address(answer["minute"])}
    return asked | {"rule": answer["rule"], "minutes": str(answer["minutes"])}


def _address(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"
