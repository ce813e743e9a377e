"""Signing in and out: `/session`, and `/session/first` with the secret of the one-time link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.console.access import SignedIn
from pipeline.console.guard import Caller, guarded, own_session
from pipeline.console.problems import responses
from pipeline.console.roles import Action, Role, Scope
from pipeline.console.sessions import COOKIE, LOCAL_COOKIE, cookie_of, csrf_token, is_local_page
from pipeline.settings import AccessSettings

router = APIRouter(prefix="/session", tags=["session"])
_Short = Annotated[str, Field(max_length=200)]


class Credentials(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid")

    name: _Short
    password: str


class FirstAccount(Credentials):
    """The first account, and the secret of the link printed at the first start."""

    link: _Short


class SessionView(BaseModel):
    """Who is signed in."""

    model_config = ConfigDict(extra="forbid")

    name: str
    roles: dict[str, Role]
    """By camera group."""
    scopes: list[Scope]
    csrf_token: str
    """Of a session with a cookie, for the header X-CSRF-Token; `""` for an API token, which needs none."""


@router.post("", responses=responses(429, 503))
def sign_in(
    request: Request,
    credentials: Credentials,
    response: Response,
    caller: Annotated[Caller, guarded(Action.PUBLIC)],
) -> SessionView:
    """Open a session; its cookie is set."""
    opened = caller.book.sign_in(credentials.name, credentials.password, caller.address)
    return opened_in(response, opened, caller.book.settings, request.headers.get("origin", ""))


@router.post("/first", responses=responses(429, 503))
def begin(
    request: Request, first: FirstAccount, response: Response, caller: Annotated[Caller, guarded(Action.PUBLIC)]
) -> SessionView:
    """Make the first account, an administrator, and open its session."""
    opened = caller.book.begin(first.link, first.name, first.password, caller.address)
    return opened_in(response, opened, caller.book.settings, request.headers.get("origin", ""))


@router.get("", responses=responses(503))
def who_am_i(request: Request, caller: Annotated[Caller, guarded(Action.OWN_ACCOUNT)]) -> SessionView:
    """Who asks, and the token that this session's unsafe requests carry."""
    secret = own_session(request)
    token = csrf_token(secret) if secret else ""
    who = caller.principal
    return SessionView(name=who.name, roles=dict(who.roles), scopes=sorted(who.scopes), csrf_token=token)


@router.delete("", status_code=204, responses=responses(503))
def sign_out(request: Request, response: Response, caller: Annotated[Caller, guarded(Action.OWN_ACCOUNT)]) -> None:
    """End this session. An API token has none: it is revoked elsewhere."""
    caller.book.sign_out(own_session(request))
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    response.delete_cookie(LOCAL_COOKIE, path="/", httponly=True, samesite="lax")


def opened_in(response: Response, opened: SignedIn, settings: AccessSettings, origin: str) -> SessionView:
    """Set the cookie of a session for a page of that origin, in the place of any other of ours."""
    is_local = is_local_page(origin)
    other = COOKIE if is_local else LOCAL_COOKIE
    response.delete_cookie(other, path="/", secure=not is_local, httponly=True, samesite="lax")
    response.set_cookie(**cookie_of(opened.secret, settings, is_local=is_local))
    who = opened.principal
    return SessionView(name=who.name, roles=dict(who.roles), scopes=sorted(who.scopes), csrf_token=opened.csrf_token)
