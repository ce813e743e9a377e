"""The doorkeeper of every route: `caller: Annotated[Caller, guarded(Action.SEE_INCIDENTS)]`.

A route names what is done there; the guard finds out who asks (API token, session cookie or signed link), refuses
who may not (`Refused`), and writes the audit log. A route about one camera's things says which with
`caller.require(camera_id)` once it knows; a path with `{camera_id}` is asked about before the route runs.
Routes are plain functions (`def`): who asks is looked up in the database.
"""

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from pipeline.console.access import NOBODY, AccessBook, Principal, Refused
from pipeline.console.audit import Audit
from pipeline.console.roles import NEEDS, Action
from pipeline.console.sessions import CSRF_HEADER, is_csrf_token, session_secret
from pipeline.console.signing import read_link

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site, which every current browser sends: a page of ours, or an address typed by hand."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for what, from where; the route's hand on access and audit."""

    principal: Principal
    action: Action
    address: str
    book: AccessBook
    audit: Audit

    def may(self, camera_id: str) -> bool:
        """Whether this camera's things are for them; writes nothing."""
        return self.book.access.allows(self.principal, self.action, camera_id)

    def visible(self, camera_ids: list[str]) -> list[str]:
        """Those of the cameras whose things are for them."""
        return self.book.access.visible(self.principal, self.action, camera_ids)

    def require(self, camera_id: str, target: str = "") -> None:
        """Go on only if they may with this camera; the look or the change of `target` goes into the audit log.

        `Refused` with 404 where they may not even see it, as for what does not exist: ids cannot be guessed at.
        """
        is_allowed = self.may(camera_id)
        self._note(camera_id, target, is_allowed)
        if is_allowed:
            return
        if not self.book.access.allows(self.principal, Action.SEE_INCIDENTS, camera_id):
            raise Refused(404, "there is nothing here by that name")
        raise Refused(403, _lacking(self.action))

    def note(self, target: str) -> None:
        """Write down in the audit log what is about to be done, where a path alone does not tell it."""
        self.audit.note(self.principal.name, self.action, self.address, target=target)

    def _note(self, camera_id: str, target: str, is_allowed: bool) -> None:
        if NEEDS[self.action].is_logged:
            self.audit.note(
                self.principal.name,
                self.action,
                self.address,
                camera_id=camera_id,
                target=target,
                is_allowed=is_allowed,
            )


class Guard:
    """What `guarded` puts before a route."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def __call__(self, request: Request) -> Caller:
        """Who asks, allowed to; `Refused` otherwise."""
        caller = _caller(request, self.action)
        if not caller.book.access.allows(caller.principal, self.action):
            if caller.principal == NOBODY:
                raise Refused(401, "sign in first")
            caller._note("", request.url.path, False)
            raise Refused(403, _lacking(self.action))
        if NEEDS[self.action].is_site_wide:
            caller._note("", request.url.path, True)
        elif camera_id := request.path_params.get("camera_id"):
            caller.require(camera_id)
        return caller


def guarded(action: Action) -> Any:
    """The dependency of a route on which `action` is done; its value is a `Caller`."""
    return Depends(Guard(action))


def anew(request: Request, caller: Caller) -> Caller:
    """Who asks by now, of an answer that takes long; `Refused` when they are signed out or shut out meanwhile."""
    return _caller(request, caller.action)


def own_session(request: Request) -> str:
    """The secret of the session that asks; `""` for an API token and for nobody."""
    return "" if "authorization" in request.headers else session_secret(request.headers, request.cookies) or ""


def install(app: FastAPI, book: AccessBook) -> None:
    """Give the guards of `app` the book they look in."""
    app.state.access_book = book
    app.state.audit = Audit(book.people, book.clock)


def actions_of(app: FastAPI) -> dict[str, Action | None]:
    """`METHOD /path` → the action it names, None where it names none: for the tests that allow no such route."""
    return {
        f"{method} {route.path}": _action(route.original_route.dependant)
        for route in iter_route_contexts(app.routes)  # those of included routers among them
        if isinstance(route.original_route, APIRoute)
        for method in sorted(route.methods or ())
    }


def _caller(request: Request, action: Action) -> Caller:
    state = request.app.state
    address = request.client.host if request.client else ""
    caller = Caller(NOBODY, action, address, state.access_book, state.audit)
    return replace(caller, principal=_principal(request, caller.book, action))


def _principal(request: Request, book: AccessBook, action: Action) -> Principal:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _known(book.of_token(token.strip()), "this API token is unknown, revoked or too old")
    is_safe = request.method in _SAFE_METHODS
    if not is_safe and request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        raise Refused(403, "another site's page sent this; nothing was done")
    if action is Action.PUBLIC:
        return NOBODY
    secret = session_secret(request.headers, request.cookies)
    link = read_link(request.query_params) if is_safe and action is Action.SEE_EVIDENCE else None
    if link is not None:
        try:
            return book.of_link(request.scope["path"], link)
        except Refused:
            if secret is None:
                raise
            # A page that was open for long: its links are too old, its person is still signed in.
    if secret is None:
        return NOBODY
    person = _known(book.of_cookie(secret), "this session is over; sign in again")
    if not is_safe and not is_csrf_token(secret, request.headers.get(CSRF_HEADER, "")):
        raise Refused(403, f"the header {CSRF_HEADER} is missing or wrong; load the page again")
    return person


def _known(principal: Principal | None, words: str) -> Principal:
    if principal is None:
        raise Refused(401, words)
    return principal


def _lacking(action: Action) -> str:
    need = NEEDS[action]
    where = "every camera" if need.is_site_wide else "the camera"
    return f"to {action} takes the role {need.role} for {where}, and of an API token the scope {need.scope}"


def _action(dependant: Dependant) -> Action | None:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Guard):
            return inner.call.action
        if (action := _action(inner)) is not None:
            return action
    return None
