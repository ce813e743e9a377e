"""Signing in: by name and password, by an identity provider, and with the one-time link that makes the first account.

The link's secret stands behind the `#` of its address, which browsers keep to themselves: the page's script reads it.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.console.guard import Caller, guarded
from pipeline.console.login import opened_in
from pipeline.console.oidc import CALLBACK, IdentityProvider
from pipeline.console.pages.shell import page
from pipeline.console.passwords import LEAST_CHARACTERS
from pipeline.console.problems import of_error
from pipeline.console.roles import Action
from pipeline.console.routes.asked import needs
from pipeline.console.sessions import is_local_page
from pipeline.errors import SightlineError

router = APIRouter(include_in_schema=False)
Anybody = Annotated[Caller, guarded(Action.PUBLIC)]
NextQuery = Annotated[str, Query(max_length=2000, description="Where to go then.")]
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""Of this host. Browsers take `//host` and `/\\host` for another one, and leave out tabs and line ends."""
_BEGUN_SECONDS = 600


@router.get("/sign-in")
def sign_in(request: Request, caller: Anybody, next: NextQuery = "") -> HTMLResponse:
    """The form."""
    return _shown(request, caller, own_path(next))


@router.get("/sign-in/oidc")
def go_to_provider(request: Request, caller: Anybody, next: NextQuery = "") -> Response:
    """To the identity provider, with a cookie that tells who comes back."""
    try:
        begun = _provider(request).begin(own_path(next))
    except SightlineError as error:
        return _shown(request, caller, own_path(next), error)
    answer = RedirectResponse(begun.address, 303)
    name, is_secure = _begun_cookie(caller)
    answer.set_cookie(name, begun.cookie, _BEGUN_SECONDS, secure=is_secure, httponly=True, samesite="lax")
    return answer


@router.get(CALLBACK)
def come_back(request: Request, caller: Anybody) -> Response:
    """From the identity provider: a session, or why there is none."""
    name, is_secure = _begun_cookie(caller)
    book = caller.book
    answer: Response
    try:
        provider, cookie = _provider(request), request.cookies.get(name, "")
        provider.check_begun(request.query_params, cookie)  # not counted: any site's page could send people here
        with book.proving(caller.address):
            identity, place = provider.finish(request.query_params, cookie)
            opened = book.enter(identity, caller.address)
    except SightlineError as error:
        answer = _shown(request, caller, own_path(""), error)
    else:
        answer = RedirectResponse(own_path(place), 303)
        opened_in(answer, opened, book.settings, book.settings.public_url)
    answer.delete_cookie(name, secure=is_secure, httponly=True, samesite="lax")
    return answer


def own_path(text: str) -> str:
    """Where to go after signing in: never to another host, nor back to where one signs in."""
    return text if _OWN_PATH.fullmatch(text) and not text.startswith("/sign-in") else "/review"


def _provider(request: Request) -> IdentityProvider:
    provider: IdentityProvider | None = request.app.state.provider
    return needs(provider, "nobody else signs people in here: set access.oidc")


def _begun_cookie(caller: Caller) -> tuple[str, bool]:
    """Its name, and whether it is for HTTPS alone, as the session's is."""
    is_secure = not is_local_page(caller.book.settings.public_url)
    return ("__Host-sightline-sign-in" if is_secure else "sightline-sign-in"), is_secure


def _shown(request: Request, caller: Caller, next_path: str, error: SightlineError | None = None) -> HTMLResponse:
    provider: IdentityProvider | None = request.app.state.provider
    return page(
        request,
        caller,
        "signin.html",
        status=of_error(error).status_code if error else 200,
        next_path=next_path,
        problem=str(error) if error else "",
        provider=provider.title if provider else "",
        public_url=caller.book.settings.public_url,
        has_accounts=bool(caller.book.people.users()),
        least_characters=LEAST_CHARACTERS,
    )
