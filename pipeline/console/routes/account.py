"""One's own account: password, sessions, API tokens. For people at a browser alone: a token gets no further tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pipeline.console.access import Refused
from pipeline.console.guard import Caller, guarded, own_session
from pipeline.console.login import SessionView, opened_in
from pipeline.console.people_models import (
    AccountView,
    MadeToken,
    NewToken,
    PasswordChange,
    SessionItem,
    roles_of,
    signs_in,
    token_item,
)
from pipeline.console.problems import responses
from pipeline.console.roles import Action
from pipeline.console.sessions import hashed, is_alive
from pipeline.console.tokens import make_token
from pipeline.store.people import User

router = APIRouter(prefix="/account", tags=["account"])
Owner = Annotated[Caller, guarded(Action.OWN_ACCOUNT)]
SessionPath = Annotated[str, Path(max_length=64, description="As the account lists it.")]
TokenPath = Annotated[str, Path(max_length=64, description="As the account lists it.")]
_ID_CHARACTERS = 16
"""Of a session's hash: enough to tell one's own apart."""


@router.get("", responses=responses(503))
def account(request: Request, caller: Owner) -> AccountView:
    """Roles, open sessions, API tokens."""
    user, this = _own(request, caller)
    book, now = caller.book, caller.book.clock.now()
    return AccountView(
        name=user.name,
        roles=roles_of(user),
        signs_in=signs_in(user),
        sessions=tuple(
            SessionItem(
                id=each.secret_hash[:_ID_CHARACTERS],
                opened_at=each.opened_at,
                seen_at=each.seen_at,
                address=each.address,
                is_this=each.secret_hash == this,
            )
            for each in book.people.sessions_of(user.name)
            if is_alive(each, now, book.settings)
        ),
        tokens=tuple(token_item(each, now) for each in book.people.tokens() if each.user_name == user.name),
    )


@router.put("/password", responses=responses(429, 503))
def change_password(request: Request, change: PasswordChange, response: Response, caller: Owner) -> SessionView:
    """Set another password. Every session of the account ends; this browser gets a new one."""
    user, _ = _own(request, caller)
    if signs_in(user) == "provider":
        raise Refused(403, "your password is kept by the identity provider: change it there")
    caller.note("change password")
    opened = caller.book.change_password(user.name, change.old, change.new, caller.address)
    return opened_in(response, opened, caller.book.settings, request.headers.get("origin", ""))


@router.delete("/sessions", status_code=204, responses=responses(503))
def end_other_sessions(request: Request, caller: Owner) -> None:
    """Sign out everywhere but here."""
    user, this = _own(request, caller)
    caller.note("end all other sessions")
    caller.book.people.end_sessions(user.name, but=this)


@router.delete("/sessions/{session_id}", status_code=204, responses=responses(404, 503))
def end_own_session(request: Request, session_id: SessionPath, caller: Owner) -> None:
    """Sign out one browser."""
    user, _ = _own(request, caller)
    for each in caller.book.people.sessions_of(user.name):
        if each.secret_hash[:_ID_CHARACTERS] == session_id:
            caller.note(f"end session {session_id}")
            return caller.book.people.end_session(each.secret_hash)
    raise Refused(404, "you have no such session; it may be over")


@router.post("/tokens", responses=responses(503))
def make_own_token(request: Request, wanted: NewToken, caller: Owner) -> MadeToken:
    """Make an API token: it may what you may, within its scopes, until it expires."""
    user, _ = _own(request, caller)
    return made_token(caller, user.name, wanted)


@router.delete("/tokens/{token_id}", status_code=204, responses=responses(404, 503))
def revoke_own_token(request: Request, token_id: TokenPath, caller: Owner) -> None:
    """Make one of your tokens worthless, at once."""
    user, _ = _own(request, caller)
    revoke_token(caller, user.name, token_id)


def made_token(caller: Caller, user_name: str, wanted: NewToken) -> MadeToken:
    """A new token of that account."""
    scopes, now = wanted.read(), caller.book.clock.now()
    text, kept = make_token(user_name, wanted.name, scopes, now, for_seconds=86_400.0 * wanted.days)
    caller.note(f"make token {kept.id} of {user_name}: {', '.join(kept.scopes)}")
    caller.book.people.add_token(kept)
    return MadeToken(token=text, **token_item(kept, now).model_dump())


def revoke_token(caller: Caller, user_name: str, token_id: str) -> None:
    """`Refused` (404) for one that is not of that account."""
    kept = caller.book.people.token(token_id)
    if kept is None or kept.user_name != user_name:
        raise Refused(404, f"{user_name} has no such API token")
    caller.note(f"revoke token {token_id} of {user_name}")
    caller.book.people.revoke_token(token_id)


def _own(request: Request, caller: Caller) -> tuple[User, str]:
    """The account that asks, and the hash of its session."""
    secret = own_session(request)
    user = caller.book.people.user(caller.principal.name) if secret else None
    if user is None:
        raise Refused(403, "this is for who is signed in with a browser, not for an API token")
    return user, hashed(secret)
