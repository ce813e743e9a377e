"""Accounts of people and programs, for administrators, and the audit log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from pipeline.console.access import Refused
from pipeline.console.cursors import MAX_CHARACTERS, read_cursor, write_cursor
from pipeline.console.guard import Caller, guarded
from pipeline.console.people_models import (
    AuditItem,
    AuditPage,
    MadeToken,
    NewPerson,
    NewToken,
    Password,
    People,
    Person,
    RolesGiven,
    roles_of,
    signs_in,
    token_item,
)
from pipeline.console.problems import responses
from pipeline.console.roles import Action, Role
from pipeline.console.routes.account import TokenPath, made_token, revoke_token
from pipeline.console.routes.asked import Asker, TimeQuery, asking
from pipeline.errors import ConfigError
from pipeline.store.people import AuditFilter, User

router = APIRouter(tags=["people"])
Admin = Annotated[Caller, guarded(Action.MANAGE_PEOPLE)]
NamePath = Annotated[str, Path(max_length=63, description="The account's name.")]


@router.get("/people", responses=responses(503))
def people(caller: Admin) -> People:
    """Every account."""
    book, now = caller.book, caller.book.clock.now()
    seen, tokens = book.people.last_seen(), book.people.tokens()
    return People(
        items=tuple(
            Person(
                name=user.name,
                roles=roles_of(user),
                signs_in=signs_in(user),
                created_at=user.created_at,
                disabled_at=user.disabled_at,
                last_seen=seen.get(user.name),
                tokens=tuple(token_item(token, now) for token in tokens if token.user_name == user.name),
            )
            for user in book.people.users()
        )
    )


@router.post("/people", status_code=204, responses=responses(503))
def add_person(new: NewPerson, caller: Admin) -> None:
    """Add an account: of a person with a password to begin with, or of a program without one."""
    roles = new.read()
    caller.note(f"add {new.name}: {_in_words(roles)}")
    caller.book.add_user(new.name, roles, new.password)


@router.put("/people/{name}/roles", status_code=204, responses=responses(404, 503))
def set_roles(name: NamePath, given: RolesGiven, caller: Admin) -> None:
    """Give an account these roles in place of those it has; they count at once."""
    user, roles = _other(caller, name), given.read()
    if signs_in(user) == "provider":
        raise ConfigError(f"the roles of {name} come from the identity provider at each sign-in: change them there")
    caller.note(f"roles of {name}: {_in_words(roles)}")
    caller.book.people.set_roles(name, {group: role.value for group, role in roles.items()})


@router.put("/people/{name}/password", status_code=204, responses=responses(404, 503))
def set_password(name: NamePath, given: Password, caller: Admin) -> None:
    """Set somebody's password; their sessions end."""
    if signs_in(_other(caller, name)) == "provider":
        raise ConfigError(f"the password of {name} is kept by the identity provider")
    caller.book.set_password(name, given.password)


@router.post("/people/{name}/disable", status_code=204, responses=responses(404, 503))
def disable(name: NamePath, caller: Admin) -> None:
    """Shut an account out at once, with its sessions and tokens; what it did stays in the audit log."""
    _other(caller, name)
    caller.book.people.set_disabled(name, caller.book.clock.now())


@router.post("/people/{name}/enable", status_code=204, responses=responses(404, 503))
def enable(name: NamePath, caller: Admin) -> None:
    """Let a disabled account in again, with the password and the tokens it had."""
    _known(caller, name)
    caller.book.people.set_disabled(name, None)


@router.delete("/people/{name}/sessions", status_code=204, responses=responses(404, 503))
def end_persons_sessions(name: NamePath, caller: Admin) -> None:
    """Sign somebody out everywhere."""
    _known(caller, name)
    caller.book.people.end_sessions(name)


@router.post("/people/{name}/tokens", responses=responses(404, 503))
def make_persons_token(name: NamePath, wanted: NewToken, caller: Admin) -> MadeToken:
    """Make an API token of a program's account. People make their own."""
    user = _known(caller, name)
    if signs_in(user) != "no" or user.disabled_at is not None:
        raise ConfigError(f"{name} is no program's account, or is disabled: people make their own tokens")
    return made_token(caller, name, wanted)


@router.delete("/people/{name}/tokens/{token_id}", status_code=204, responses=responses(404, 503))
def revoke_persons_token(name: NamePath, token_id: TokenPath, caller: Admin) -> None:
    """Make somebody's API token worthless, at once."""
    revoke_token(caller, name, token_id)


@router.get("/audit", responses=responses(503))
def audit(
    asker: Annotated[Asker, asking(Action.SEE_AUDIT)],
    who: Annotated[str, Query(max_length=200, description="Only of this account, or `account/token`.")] = "",
    camera: Annotated[str, Query(max_length=63, description="Only of this camera.")] = "",
    since: TimeQuery = "",
    until: TimeQuery = "",
    cursor: Annotated[str, Query(max_length=MAX_CHARACTERS, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 100,
) -> AuditPage:
    """Who looked at which evidence and who changed what, newest first; also what was refused."""
    wanted = AuditFilter(
        who=who or None,
        camera_id=camera or None,
        start=asker.moment(since) if since else None,
        end=asker.moment(until) if until else None,
        before=read_cursor(cursor) if cursor else None,
        limit=limit + 1,
    )
    found = asker.caller.book.people.audit(wanted)
    page = found[:limit]
    following = write_cursor(page[-1].at, page[-1].id) if len(found) > limit else None
    return AuditPage(items=tuple(AuditItem.model_validate(asdict(entry)) for entry in page), next=following)


def _known(caller: Caller, name: str) -> User:
    user = caller.book.people.user(name)
    if user is None:
        raise Refused(404, f"there is no account {name!r}")
    return user


def _other(caller: Caller, name: str) -> User:
    """Not the one that asks: so there is always an administrator left."""
    if name == caller.principal.name.partition("/")[0]:
        raise ConfigError("not of your own account: another administrator can; your password is under your account")
    return _known(caller, name)


def _in_words(roles: dict[str, Role]) -> str:
    return ", ".join(role if group == "*" else f"{role} of {group}" for group, role in sorted(roles.items()))
