"""What the API answers with and takes about accounts, their sessions and tokens, and the audit log."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from pipeline.console.models import Answer, Request
from pipeline.console.roles import Role, Scope, read_roles, read_scopes
from pipeline.console.tokens import MOST_DAYS
from pipeline.store.people import ApiToken, User

Short = Annotated[str, Field(max_length=200)]
SignsIn = Literal["password", "provider", "no"]
"""How somebody gets in: `no` for the account of a program, which has tokens alone."""


class SessionItem(Answer):
    """A browser that is signed in."""

    id: str
    opened_at: datetime
    seen_at: datetime
    """Last used then, or up to a minute later."""
    address: str
    is_this: bool
    """The one that asks."""


class TokenItem(Answer):
    """An API token, without what opens."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    is_over: bool


class MadeToken(TokenItem):
    """One just made."""

    token: str
    """What opens: shown this once, and kept nowhere."""


class AccountView(Answer):
    """One's own."""

    name: str
    roles: dict[str, Role]
    """By camera group."""
    signs_in: SignsIn
    sessions: tuple[SessionItem, ...]
    tokens: tuple[TokenItem, ...]


class Person(Answer):
    """An account, as administrators see it."""

    name: str
    roles: dict[str, Role]
    signs_in: SignsIn
    created_at: datetime
    disabled_at: datetime | None
    last_seen: datetime | None
    """When a session of theirs was last used; None without one."""
    tokens: tuple[TokenItem, ...]


class People(Answer):
    """By name."""

    items: tuple[Person, ...]


class PasswordChange(Request):
    """Of one's own."""

    old: str
    new: str


class Password(Request):
    """Of somebody else."""

    password: str


class RolesGiven(Request):
    """In place of those there are."""

    roles: tuple[Short, ...]
    """`viewer` for every camera, `yard=operator` for those of a group; several in one text are told apart by commas."""

    def read(self) -> dict[str, Role]:
        """By camera group; `ConfigError` names the wrong one."""
        return read_roles(part for text in self.roles for part in re.split(r"[\s,]+", text) if part)


class NewPerson(RolesGiven):
    """An account to make."""

    name: Short
    password: str = ""
    """To begin with; empty for a program, which gets tokens."""


class NewToken(Request):
    """A token to make."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """What it is for; shown in the audit log."""
    scopes: tuple[Short, ...]
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 90

    def read(self) -> frozenset[Scope]:
        """`ConfigError` for an unknown scope and for none."""
        return read_scopes(self.scopes)


class AuditItem(Answer):
    """Who asked for what."""

    at: datetime
    who: str
    action: str
    camera_id: str
    target: str
    address: str
    is_allowed: bool


class AuditPage(Answer):
    """Newest first."""

    items: tuple[AuditItem, ...]
    next: str | None
    """Cursor of the page that follows; None at the end."""


def signs_in(user: User) -> SignsIn:
    """How they get in."""
    if user.subject is not None:
        return "provider"
    return "password" if user.password_hash else "no"


def roles_of(user: User) -> dict[str, Role]:
    """By camera group."""
    return {group: Role(role) for group, role in user.roles.items()}


def token_item(token: ApiToken, now: datetime) -> TokenItem:
    """A token as it is told."""
    return TokenItem(
        id=token.id,
        name=token.name,
        scopes=token.scopes,
        created_at=token.created_at,
        expires_at=token.expires_at,
        is_over=token.expires_at <= now,
    )
