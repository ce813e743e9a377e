"""What every page is made with: who looks, in which language and theme, at which site's time.

Templates stand in `console/templates`; those that begin with `_` are fragments that pages load again and again. The
policy that goes with a page allows the package's own scripts and styles alone: nothing inline, nothing from elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from pipeline.console.access import NOBODY, Principal
from pipeline.console.guard import Caller, own_session
from pipeline.console.models import API
from pipeline.console.pages.statics import address_of
from pipeline.console.pages.words import chosen_language, languages, translations
from pipeline.console.problems import Problem
from pipeline.console.roles import Action
from pipeline.console.sessions import csrf_token

NAVIGATION: tuple[tuple[str, str, Action], ...] = (
    ("/review", "Review", Action.SEE_INCIDENTS),
    ("/timeline", "Timeline", Action.SEE_COVERAGE),
    ("/live", "Live", Action.SEE_LIVE),
    ("/search", "Search", Action.SEARCH),
    ("/ask", "Ask", Action.ASK),
    ("/rules", "Rules", Action.SEE_RULES),
    ("/system", "System", Action.SEE_SYSTEM),
    ("/people", "People", Action.MANAGE_PEOPLE),
)
"""Where, what it is called, and what it takes to be offered it."""
_THEMES = ("system", "light", "dark")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Vary": "Cookie, Accept-Language, HX-Request",
}


def page(request: Request, caller: Caller, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A template filled in for whoever asks.

    Beside `context` it is given: `who` (`Principal`), `csrf`, `language`, `theme`, `path`, `navigation`, `zone`, `now`
    (aware UTC, the server's), `may(action, camera_id)`, `Action`, `API`.
    """
    return _rendered(request, caller.principal, caller, template, status, context)


def wants_page(request: Request) -> bool:
    """Whether an error is to be told as a page: somebody opened an address in a browser."""
    is_page = not request.scope["path"].startswith("/api/") and "HX-Request" not in request.headers
    return is_page and "text/html" in request.headers.get("accept", "")


def problem_page(request: Request, told: Response) -> Response:
    """A problem as a page, or the way to sign in; as it is for whoever is no browser that opens a page."""
    if not wants_page(request):
        return told
    if told.status_code == 401:
        return RedirectResponse(f"/sign-in?next={quote(_here(request), safe='')}", 303)
    problem = Problem.model_validate_json(bytes(told.body))
    answer = _rendered(request, NOBODY, None, "problem.html", told.status_code, {"problem": problem})
    answer.headers.update({name: told.headers[name] for name in ("retry-after",) if name in told.headers})
    return answer


def _rendered(
    request: Request, who: Principal, caller: Caller | None, template: str, status: int, context: dict[str, Any]
) -> HTMLResponse:
    language = chosen_language(request.cookies.get("language", ""), request.headers.get("accept-language", ""))
    theme = request.cookies.get("theme", "")
    archive = request.app.state.host.archive()
    given = {
        "who": who,
        "csrf": csrf_token(secret) if (secret := own_session(request)) else "",
        "language": language,
        "languages": languages(),
        "theme": theme if theme in _THEMES else "system",
        "path": request.scope["path"],
        "navigation": _offered(caller),
        "zone": archive.zone,
        "now": archive.clock.now(),
        "may": lambda action, camera_id=None: caller is not None and _may(caller, action, camera_id),
        "Action": Action,
        "API": API,
    }
    text = _environment(language).get_template(template).render(given | context)
    return HTMLResponse(text, status, _HEADERS)


def _offered(caller: Caller | None) -> list[tuple[str, str]]:
    if caller is None or caller.principal == NOBODY:
        return []
    return [(path, name) for path, name, action in NAVIGATION if _may(caller, action, None)]


def _may(caller: Caller, action: Action, camera_id: str | None) -> bool:
    return caller.book.access.allows(caller.principal, action, camera_id)


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["static"] = address_of
    environment.filters |= {"local": _local, "duration": _duration}
    return environment


@pass_context
def _local(context: Context, at: datetime | None) -> Markup:
    """The site's time, without the date where it is today's; UTC when pointed at."""
    if at is None:
        return Markup("")
    here, now = at.astimezone(context["zone"]), context["now"].astimezone(context["zone"])
    shown = here.strftime("%H:%M:%S" if here.date() == now.date() else "%Y-%m-%d %H:%M:%S")
    told = Markup('<time datetime="{}" title="{}">{}</time>')
    return told.format(f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", f"{at:%Y-%m-%d %H:%M:%S} UTC", shown)


def _duration(seconds: float | None) -> str:
    """`4 s`, `2:05`, `3:20:00`, as clocks show it."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
