"""Who asks, and whether they may: sign-in, sessions and API tokens over what is kept of people.

In: a cookie, an API token or a signed link, as text. Out: a `Principal`, or `Refused` with a status and plain words.
What an identity provider says of somebody is read elsewhere (`oidc`) and comes in as an `Identity`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.console.limits import LoginLimits
from pipeline.console.passwords import Passwords
from pipeline.console.roles import EVERY_CAMERA, NEEDS, Action, Role, Scope
from pipeline.console.sessions import csrf_token, hashed, is_alive, is_to_be_touched, new_secret
from pipeline.console.signing import SignedLink, link_signer
from pipeline.console.tokens import is_token_of, token_id
from pipeline.errors import ConfigError, SightlineError, TransientError
from pipeline.settings import AccessSettings
from pipeline.store.people import AuditEntry, KeptSession, SqlPeople, User

FIRST_ROLES: Mapping[str, Role] = {EVERY_CAMERA: Role.ADMIN}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,62}")
_UNKNOWN = "(unknown account)"
"""In the audit log: what was typed for a name may be somebody's password."""


class Refused(SightlineError):  # noqa: N818 - it is an answer, not a failure
    """No, with the HTTP status that says so and words for a person."""

    def __init__(self, status: int, words: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(status, words, retry_after_seconds)
        self.status = status
        self.words = words
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known: a person, a program with a token, the holder of a signed link."""

    name: str
    roles: Mapping[str, Role]
    """By camera group."""
    scopes: frozenset[Scope]


NOBODY = Principal("", {}, frozenset())
"""Whoever has not signed in."""


class Access:
    """Decides; holds no state of its own, so it may be asked from any thread."""

    def __init__(self, labels_of: Callable[[str], Iterable[str]]) -> None:
        """`labels_of` gives a camera's labels by its id, none for one that the site no longer has."""
        self._labels_of = labels_of

    def allows(self, principal: Principal, action: Action, camera_id: str | None = None) -> bool:
        """Whether they may.

        Without a camera, an action on cameras is allowed to whoever may take it on some: each camera is to be asked
        about in turn. An action on the whole site takes the role for `*`, whatever camera is named.
        """
        need = NEEDS[action]
        if action is Action.PUBLIC:
            return True
        if principal == NOBODY or (need.scope is not None and need.scope not in principal.scopes):
            return False
        if need.role is None:
            return True
        return any(role.rank >= need.role.rank for role in self._roles(principal, need.is_site_wide, camera_id))

    def visible(self, principal: Principal, action: Action, camera_ids: Iterable[str]) -> list[str]:
        """Those of the cameras on which they may, in the order given."""
        return [camera_id for camera_id in camera_ids if self.allows(principal, action, camera_id)]

    def _roles(self, principal: Principal, is_site_wide: bool, camera_id: str | None) -> list[Role]:
        if camera_id is None and not is_site_wide:
            return list(principal.roles.values())
        groups = {EVERY_CAMERA}
        if camera_id is not None and not is_site_wide:
            groups |= {camera_id, *self._labels_of(camera_id)}
        return [role for group, role in principal.roles.items() if group in groups]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session: who, the cookie's secret, and the token that unsafe requests must carry."""

    principal: Principal
    secret: str
    csrf_token: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody for whom an identity provider vouches."""

    subject: str
    """The provider and its own id of them: never given to somebody else, as names are."""
    name: str
    roles: Mapping[str, Role]
    """By camera group, as the provider has them now; none for somebody who has nothing to do here."""


class AccessBook:
    """Everything kept about access, asked in the words of a request. Thread-safe.

    `TransientError` comes through where the database cannot be asked: nobody is let in by mistake.
    """

    def __init__(
        self,
        people: SqlPeople,
        access: Access,
        clock: Clock,
        settings: AccessSettings,
        passwords: Passwords | None = None,
    ) -> None:
        """`passwords` for tests, at a lesser cost."""
        self.access = access
        self.settings = settings
        self.clock = clock
        self.people = people
        self._passwords = passwords or Passwords()
        self._limits = LoginLimits(clock)
        self.signer = link_signer(people)

    def first_link_secret(self) -> str | None:
        """A fresh secret for the link that makes the first account; None when there is an account."""
        if self.people.users():
            return None
        secret, now = new_secret(), self.clock.now()
        self.people.add_link(hashed(secret), now + timedelta(seconds=self.settings.first_link))
        return secret

    def begin(self, link_secret: str, name: str, password: str, address: str) -> SignedIn:
        """Make the first account, an administrator, and sign it in; the link works once.

        `ConfigError` for a name or a password that will not do: the link is still good then.
        """
        self._check_limits("", address)
        now = self.clock.now()
        user = new_user(name, FIRST_ROLES, self._passwords.hashed(password), now)
        if not self.people.add_first_user(user, hashed(link_secret), now):
            self._limits.failed("", address)
            raise Refused(401, "this link was used or is too old; restart Sightline for a new one")
        self._note(name, "first sign-in", address)
        return self._open(user, address)

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Open a session; `Refused` (401, or 429 with a time to wait) otherwise, in words that do not say why."""
        self._check_limits(name, address)
        user = self.people.user(name)
        is_right = self._passwords.is_right(password, user.password_hash if user else "")
        if user is None or user.disabled_at is not None or not is_right:
            self._limits.failed(name, address)
            self._note(user.name if user else _UNKNOWN, "sign-in", address, is_allowed=False)
            raise Refused(401, "this name and password do not belong together")
        self._limits.succeeded(name)
        if self._passwords.is_outdated(user.password_hash):
            self.people.rehash(name, user.password_hash, self._passwords.hashed(password))
        self._note(name, "sign-in", address)
        return self._open(user, address)

    @contextmanager
    def proving(self, address: str) -> Iterator[None]:
        """While somebody proves who they are elsewhere: who is refused too often waits, as with wrong passwords."""
        self._check_limits("", address)
        try:
            yield
        except Refused:
            self._limits.failed("", address)
            raise

    def enter(self, identity: Identity, address: str) -> SignedIn:
        """Open a session for whom an identity provider vouches, with the roles it gives; an account is made at the
        first time. `Refused` (403) for who has no role, is disabled, or has a name there that will not do here."""
        user = self.people.user_of(identity.subject)
        if user is None and identity.roles:
            user = self._add(identity)
        if user is None:
            self._note(_UNKNOWN, "sign-in", address, is_allowed=False)
            raise Refused(403, "the identity provider gives you no role here; ask who looks after it")
        user = self._with_roles(user, identity.roles)
        is_allowed = bool(user.roles) and user.disabled_at is None
        self._note(user.name, "sign-in", address, is_allowed=is_allowed)
        if not is_allowed:
            raise Refused(403, "your account has no role here any more, or is disabled; ask an administrator")
        return self._open(user, address)

    def change_password(self, name: str, old: str, new: str, address: str) -> SignedIn:
        """Set one's own password; all sessions of the account end, and one begins. `Refused` for a wrong old one."""
        self._check_limits(name, address)
        user = self.people.user(name)
        if user is None or not self._passwords.is_right(old, user.password_hash):
            self._limits.failed(name, address)
            self._note(name, "change password", address, is_allowed=False)
            raise Refused(403, "this is not your password")
        self.set_password(name, new)
        return self._open(user, address)

    def set_password(self, name: str, password: str) -> None:
        """All sessions of the account end; `ConfigError` for a password that will not do."""
        self.people.set_password(name, self._passwords.hashed(password))

    def add_user(self, name: str, roles: Mapping[str, Role], password: str) -> None:
        """A new account, for programs alone without a password; `ConfigError` for what will not do."""
        user = new_user(name, roles, "", self.clock.now())
        password_hash = self._passwords.hashed(password) if password else ""
        if not self.people.add_user(replace(user, password_hash=password_hash)):
            raise ConfigError(f"there is an account {name} already")

    def sign_out(self, secret: str) -> None:
        """End this session; nothing happens when there is none."""
        self.people.end_session(hashed(secret))

    def of_cookie(self, secret: str) -> Principal | None:
        """Whose session this is; None when it is none, or over."""
        now = self.clock.now()
        session = self.people.session(hashed(secret))
        if session is None:
            return None
        user = self.people.user(session.user_name)
        if user is None or user.disabled_at is not None or not is_alive(session, now, self.settings):
            self.people.end_session(session.secret_hash)
            return None
        if is_to_be_touched(session, now):
            with suppress(TransientError):  # on a full disk one can still look
                self.people.touch_session(session.secret_hash, now)
        return _person(user)

    def of_token(self, token: str) -> Principal | None:
        """Whose API token this is, with its scopes; None when it is none, expired, revoked, or its owner disabled."""
        kept = self.people.token(token_id(token))
        if kept is None or not is_token_of(token, kept) or kept.expires_at <= self.clock.now():
            return None
        user = self.people.user(kept.user_name)
        if user is None or user.disabled_at is not None:
            return None
        return Principal(f"{user.name}/{kept.name}", _roles(user), frozenset(Scope(name) for name in kept.scopes))

    def of_link(self, path: str, link: SignedLink) -> Principal:
        """The holder of a signed link, who sees this one piece of evidence; `Refused` (403): too old, or forged."""
        if not self.signer.is_genuine(path, link):
            raise Refused(403, "this link was not made here, or was changed on its way")
        if link.expires_at <= self.clock.now():
            raise Refused(403, "this link is too old; open the incident for a new one")
        return Principal(f"link for {link.made_for}", {link.camera_id: Role.VIEWER}, frozenset({Scope.EVIDENCE}))

    def evidence_link(self, path: str, camera_id: str, made_for: str) -> str:
        """A link to a piece of this camera's evidence, for a page: it works for `access.evidence_link`."""
        expires_at = self.clock.now() + timedelta(seconds=self.settings.evidence_link)
        return self.signer.sign(path, camera_id, made_for, expires_at)

    def _add(self, identity: Identity) -> User:
        try:
            made = new_user(identity.name, identity.roles, "", self.clock.now())
        except ConfigError as error:
            words = f"the identity provider calls you {identity.name[:60]!r}, which names no account here: {error}"
            raise Refused(403, words) from error
        user = replace(made, subject=identity.subject)
        if self.people.add_user(user):
            return user
        known = self.people.user_of(identity.subject)  # signed in twice at once
        if known is None:
            raise Refused(403, f"there is another account called {user.name} here; ask an administrator")
        return known

    def _with_roles(self, user: User, roles: Mapping[str, Role]) -> User:
        given = {group: role.value for group, role in roles.items()}
        if given != user.roles:
            self.people.set_roles(user.name, given)
        return replace(user, roles=given)

    def _open(self, user: User, address: str) -> SignedIn:
        """Always a fresh secret: a cookie planted before the sign-in opens nothing."""
        secret, now = new_secret(), self.clock.now()
        oldest = now - timedelta(seconds=self.settings.session)
        self.people.clear_over(opened_before=oldest, links_before=now)
        self.people.add_session(KeptSession(hashed(secret), user.name, now, now, address))
        return SignedIn(_person(user), secret, csrf_token(secret))

    def _check_limits(self, name: str, address: str) -> None:
        wait_seconds = self._limits.wait_seconds(name, address)
        if wait_seconds > 0:
            raise Refused(429, f"too many wrong sign-ins; try again in {wait_seconds:.0f} s", wait_seconds)

    def _note(self, name: str, what: str, address: str, *, is_allowed: bool = True) -> None:
        self.people.note(AuditEntry.of(self.clock.now(), name, what, address=address, is_allowed=is_allowed))


def new_user(name: str, roles: Mapping[str, Role], password_hash: str, now: datetime) -> User:
    """An account to keep; `ConfigError` for a name that will not do."""
    if not _NAME.fullmatch(name):
        raise ConfigError("expected a name of 1 to 63 letters, digits, _ . @ + or -, such as anna or anna@example.org")
    return User(name, {group: role.value for group, role in roles.items()}, password_hash, now)


def _person(user: User) -> Principal:
    return Principal(user.name, _roles(user), frozenset(Scope))


def _roles(user: User) -> dict[str, Role]:
    return {group: Role(role) for group, role in user.roles.items()}
