"""Signing in and out: `/session`, and `/session/first` with the secret of the one-time link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.console.access import AccessBook, SignedIn
from pipeline.console.guard import Caller, guarded
from pipeline.console.problems import responses
from pipeline.console.roles import Action, Role, Scope
from pipeline.console.sessions import COOKIE, cookie_of, csrf_token

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
    credentials: Credentials, response: Response, caller: Annotated[Caller, guarded(Action.PUBLIC)]
) -> SessionView:
    """Open a session; its cookie is set."""
    opened = caller.book.sign_in(credentials.name, credentials.password, caller.address)
    return _opened(opened, response, caller.book)


@router.post("/first", responses=responses(429, 503))
def begin(first: FirstAccount, response: Response, caller: Annotated[Caller, guarded(Action.PUBLIC)]) -> SessionView:
    """Make the first account, an administrator, and open its session."""
    opened = caller.book.begin(first.link, first.name, first.password, caller.address)
    return _opened(opened, response, caller.book)


@router.get("", responses=responses(503))
def who_am_i(request: Request, caller: Annotated[Caller, guarded(Action.OWN_ACCOUNT)]) -> SessionView:
    """Who asks, and the token that this session's unsafe requests carry."""
    by_cookie = "authorization" not in request.headers
    token = csrf_token(request.cookies[COOKIE]) if by_cookie else ""
    who = caller.principal
    return SessionView(name=who.name, roles=dict(who.roles), scopes=sorted(who.scopes), csrf_token=token)


@router.delete("", status_code=204, responses=responses(503))
def sign_out(request: Request, response: Response, caller: Annotated[Caller, guarded(Action.OWN_ACCOUNT)]) -> None:
    """End this session. An API token has none: it is revoked elsewhere."""
    caller.book.sign_out(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def _opened(opened: SignedIn, response: Response, book: AccessBook) -> SessionView:
    response.set_cookie(**cookie_of(opened.secret, book.settings))
    who = opened.principal
    return SessionView(name=who.name, roles=dict(who.roles), scopes=sorted(who.scopes), csrf_token=opened.csrf_token)
