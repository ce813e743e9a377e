"""Who may sign in, their sessions and API tokens, and the audit log, on a database.

Of secrets only hashes come here; what a role or a scope means is the console's matter: here they are words.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from pipeline.store.database import Database
from pipeline.store.tables import api_tokens, audit_log, login_links, sessions, signing_keys, users

_MOST_CHARACTERS = 500
"""Of a word in the audit log that comes from outside."""


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    name: str
    roles: Mapping[str, str]
    """By camera group."""
    password_hash: str
    """`""`: nobody can sign in with it; it owns API tokens."""
    created_at: datetime
    disabled_at: datetime | None = None
    subject: str | None = None
    """Who it is at an identity provider, which vouches for it; None of an account of ours alone."""


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A session of a browser."""

    secret_hash: str
    user_name: str
    opened_at: datetime
    seen_at: datetime
    """Last used then, or up to a minute later."""
    address: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token without its secret."""

    id: str
    name: str
    secret_hash: str
    user_name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who asked for what, when, from where, and whether it was allowed."""

    id: str
    at: datetime
    who: str
    action: str
    camera_id: str
    target: str
    address: str
    is_allowed: bool

    @classmethod
    def of(
        cls,
        at: datetime,
        who: str,
        action: str,
        *,
        camera_id: str = "",
        target: str = "",
        address: str = "",
        is_allowed: bool = True,
    ) -> AuditEntry:
        """A new entry; what is overlong is cut."""
        who, camera_id, target = (text[:_MOST_CHARACTERS] for text in (who, camera_id, target))
        return cls(uuid.uuid4().hex, at, who, action, camera_id, target, address, is_allowed)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; what is None does not count. Spans are half-open."""

    who: str | None = None
    """An account, with the tokens that act for it; or one of these, as `account/token`."""
    camera_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: tuple[datetime, str] | None = None
    """Time and id of the last entry of the page before."""
    limit: int = 100


class SqlPeople:
    """Keeps accounts and what was done; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self) -> list[User]:
        """All accounts, by name."""
        with self._database.reading() as connection:
            found = connection.execute(select(users)).all()
        return sorted((_user(row) for row in found), key=lambda user: user.name)

    def user(self, name: str) -> User | None:
        """The account of that name."""
        with self._database.reading() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        return _user(row) if row is not None else None

    def user_of(self, subject: str) -> User | None:
        """The account of whom an identity provider calls so."""
        with self._database.reading() as connection:
            row = connection.execute(select(users).where(users.c.subject == subject)).first()
        return _user(row) if row is not None else None

    def add_user(self, user: User) -> bool:
        """Keep a new account; False when there is one of that name, or of that subject."""
        new = self._database.insert_or(users).values(_user_row(user)).on_conflict_do_nothing()
        with self._database.writing() as connection:
            return connection.scalar(new.returning(users.c.name)) is not None

    def add_first_user(self, user: User, link_hash: str, now: datetime) -> bool:
        """Keep the first account and use up the link for it, both or neither; False when the link is not good."""
        with self._database.writing() as connection:
            # Locked, all of them: of two who come at once with two good links the second finds neither.
            found = connection.execute(select(login_links).order_by(login_links.c.secret_hash).with_for_update()).all()
            is_good = any(link.secret_hash == link_hash and link.expires_at > now for link in found)
            if not is_good or connection.scalar(select(func.count()).select_from(users)):
                return False
            connection.execute(delete(login_links))
            connection.execute(insert(users).values(_user_row(user)))
        return True

    def set_password(self, name: str, password_hash: str) -> bool:
        """Change it and end all sessions of the account; False when there is none."""
        return self._change(name, ends_sessions=True, password_hash=password_hash)

    def rehash(self, name: str, old_hash: str, new_hash: str) -> None:
        """The same password, hashed at today's cost; left alone when it was changed meanwhile."""
        which = (users.c.name == name) & (users.c.password_hash == old_hash)
        with self._database.writing() as connection:
            connection.execute(update(users).where(which).values(password_hash=new_hash))

    def set_roles(self, name: str, roles: Mapping[str, str]) -> bool:
        """Change the roles, at once for open sessions and tokens too; False when there is no such account."""
        return self._change(name, roles=_as_text(roles))

    def set_disabled(self, name: str, at: datetime | None) -> bool:
        """Disable the account, its sessions and tokens, or enable it again (None); False when there is none."""
        return self._change(name, ends_sessions=at is not None, disabled_at=at)

    def add_link(self, secret_hash: str, expires_at: datetime) -> None:
        """Keep a link that makes the first account."""
        with self._database.writing() as connection:
            connection.execute(insert(login_links).values(secret_hash=secret_hash, expires_at=expires_at))

    def add_session(self, session: KeptSession) -> None:
        """Keep a new session."""
        with self._database.writing() as connection:
            connection.execute(insert(sessions).values(asdict(session)))

    def session(self, secret_hash: str) -> KeptSession | None:
        """The session of that secret."""
        with self._database.reading() as connection:
            row = connection.execute(select(sessions).where(sessions.c.secret_hash == secret_hash)).first()
        return KeptSession(**row._mapping) if row is not None else None

    def touch_session(self, secret_hash: str, at: datetime) -> None:
        """It was used."""
        with self._database.writing() as connection:
            connection.execute(update(sessions).where(sessions.c.secret_hash == secret_hash).values(seen_at=at))

    def sessions_of(self, user_name: str) -> list[KeptSession]:
        """Those of an account, the last used first; also what is over and not yet cleared."""
        with self._database.reading() as connection:
            found = connection.execute(select(sessions).where(sessions.c.user_name == user_name)).all()
        return sorted((KeptSession(**row._mapping) for row in found), key=lambda each: each.seen_at, reverse=True)

    def last_seen(self) -> dict[str, datetime]:
        """Account to when one of its sessions was last used; none for who has no session."""
        newest = select(sessions.c.user_name, func.max(sessions.c.seen_at)).group_by(sessions.c.user_name)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(newest)}

    def end_sessions(self, user_name: str, *, but: str = "") -> None:
        """Forget those of an account, all but the one of that secret's hash."""
        which = (sessions.c.user_name == user_name) & (sessions.c.secret_hash != but)
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(which))

    def end_session(self, secret_hash: str) -> None:
        """Forget it; nothing happens when there is none."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.secret_hash == secret_hash))

    def clear_over(self, opened_before: datetime, links_before: datetime) -> None:
        """Forget sessions opened, and links that ended, before then."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.opened_at < opened_before))
            connection.execute(delete(login_links).where(login_links.c.expires_at < links_before))

    def add_token(self, token: ApiToken) -> None:
        """Keep a new token of an account that exists."""
        row = asdict(token) | {"scopes": " ".join(token.scopes)}
        with self._database.writing() as connection:
            connection.execute(insert(api_tokens).values(row))

    def tokens(self) -> list[ApiToken]:
        """All that were not revoked, by account and time."""
        with self._database.reading() as connection:
            found = connection.execute(select(api_tokens)).all()
        return sorted((_token(row) for row in found), key=lambda token: (token.user_name, token.created_at))

    def token(self, token_id: str) -> ApiToken | None:
        """The token of that id."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_tokens).where(api_tokens.c.id == token_id)).first()
        return _token(row) if row is not None else None

    def revoke_token(self, token_id: str) -> bool:
        """Forget it; False when there is none."""
        with self._database.writing() as connection:
            return connection.execute(delete(api_tokens).where(api_tokens.c.id == token_id)).rowcount == 1

    def key(self, name: str, fresh: bytes) -> bytes:
        """The key kept under that name; `fresh`, from now on, where there is none."""
        row = {"name": name, "key": fresh}
        with self._database.reading() as connection:
            known = connection.scalar(select(signing_keys.c.key).where(signing_keys.c.name == name))
        if known is not None:
            return bytes(known)
        with self._database.writing() as connection:
            connection.execute(self._database.insert_or(signing_keys).values(row).on_conflict_do_nothing())
            kept = connection.execute(select(signing_keys.c.key).where(signing_keys.c.name == name)).scalar_one()
        return bytes(kept)

    def note(self, entry: AuditEntry) -> None:
        """Write an entry of the audit log; it is durable when this returns."""
        with self._database.writing() as connection:
            connection.execute(insert(audit_log).values(asdict(entry)))

    def audit(self, wanted: AuditFilter) -> list[AuditEntry]:
        """Entries of the audit log, newest first."""
        row = audit_log.c
        query = select(audit_log).where(*_conditions(wanted)).order_by(row.at.desc(), row.id.desc())
        with self._database.reading() as connection:
            found = connection.execute(query.limit(wanted.limit)).all()
        return [AuditEntry(**each._mapping) for each in found]

    def _change(self, name: str, *, ends_sessions: bool = False, **values: Any) -> bool:
        with self._database.writing() as connection:
            if ends_sessions:
                connection.execute(delete(sessions).where(sessions.c.user_name == name))
            return connection.execute(update(users).where(users.c.name == name).values(values)).rowcount == 1


def _conditions(wanted: AuditFilter) -> Iterable[ColumnElement[bool]]:
    row = audit_log.c
    if wanted.who is not None:
        yield (row.who == wanted.who) | row.who.startswith(f"{wanted.who}/", autoescape=True)
    if wanted.camera_id is not None:
        yield row.camera_id == wanted.camera_id
    if wanted.start is not None:
        yield row.at >= wanted.start
    if wanted.end is not None:
        yield row.at < wanted.end
    if wanted.before is not None:
        at, id_ = wanted.before
        yield (row.at < at) | ((row.at == at) & (row.id < id_))


def _as_text(roles: Mapping[str, str]) -> str:
    return json.dumps(dict(roles), sort_keys=True)


def _user_row(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "roles": _as_text(user.roles),
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
        "subject": user.subject,
    }


def _user(row: Row[Any]) -> User:
    return User(row.name, json.loads(row.roles), row.password_hash, row.created_at, row.disabled_at, row.subject)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(**{**row._mapping, "scopes": tuple(row.scopes.split())})
