"""Sign-in, sessions, tokens and links, over a database."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline.clock import ManualClock
from pipeline.console.access import AccessBook, Principal, Refused
from pipeline.console.limits import MOST_BY_ACCOUNT, WINDOW_SECONDS
from pipeline.console.passwords import Passwords
from pipeline.console.roles import Role, Scope
from pipeline.console.sessions import is_csrf_token
from pipeline.console.signing import SignedLink
from pipeline.errors import ConfigError, TransientError
from pipeline.settings import AccessSettings
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter, SqlPeople
from tests.support.people import PASSWORD, access, access_book, add_token, add_user

HERE = "10.0.0.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def book(sqlite_database: Database, clock: ManualClock) -> AccessBook:
    return access_book(sqlite_database, clock)


class FullDisk(SqlPeople):
    """Cannot write down that a session was used."""

    def touch_session(self, secret_hash: str, at: datetime) -> None:
        raise TransientError("disk full")


def first_link(book: AccessBook) -> str:
    secret = book.first_link_secret()
    assert secret is not None
    return secret


def test_the_first_link_makes_an_administrator(book: AccessBook) -> None:
    """Signed in at once; from then on there is no such link."""
    opened = book.begin(first_link(book), "anna", PASSWORD, HERE)
    assert opened.principal == Principal("anna", {"*": Role.ADMIN}, frozenset(Scope))
    assert book.of_cookie(opened.secret) == opened.principal
    assert book.first_link_secret() is None


def test_the_first_link_works_once(book: AccessBook) -> None:
    """Nor does another one that was printed meanwhile, by a second process."""
    one, other = first_link(book), first_link(book)
    book.begin(one, "anna", PASSWORD, HERE)
    for link in (one, other, "guessed"):
        with pytest.raises(Refused, match="was used or is too old"):
            book.begin(link, "eve", PASSWORD, HERE)
    assert [user.name for user in book.people.users()] == ["anna"]


def test_the_first_link_is_short_lived(book: AccessBook, clock: ManualClock) -> None:
    """An hour after the start it is of no use."""
    link = first_link(book)
    clock.advance(book.settings.first_link)
    with pytest.raises(Refused):
        book.begin(link, "anna", PASSWORD, HERE)


@pytest.mark.parametrize(
    ("name", "password"), [("", PASSWORD), ("a b", PASSWORD), ("<b>", PASSWORD), ("anna", "short")]
)
def test_a_name_or_password_that_will_not_do_leaves_the_link_good(book: AccessBook, name: str, password: str) -> None:
    """One types again."""
    link = first_link(book)
    with pytest.raises(ConfigError, match="expected a"):
        book.begin(link, name, password, HERE)
    book.begin(link, "anna", PASSWORD, HERE)


def test_the_right_password_opens_a_session(book: AccessBook) -> None:
    """With the account's roles and a token of its own."""
    add_user(book, "anna", outdoors=Role.OPERATOR)
    opened = book.sign_in("anna", PASSWORD, HERE)
    assert book.of_cookie(opened.secret) == Principal("anna", {"outdoors": Role.OPERATOR}, frozenset(Scope))
    assert is_csrf_token(opened.secret, opened.csrf_token)
    assert book.sign_in("anna", PASSWORD, HERE).secret != opened.secret


@pytest.mark.parametrize("name", ["anna", "nobody", "", "disabled", "robot", "a\0b", "\ud800", "x" * 10_000])
def test_a_wrong_sign_in_does_not_say_why(book: AccessBook, name: str) -> None:
    """Wrong password, no such account, a disabled one, one without a password: the same words."""
    add_user(book, "anna")
    add_user(book, "disabled")
    book.people.set_disabled("disabled", book.clock.now())
    add_user(book, "robot")
    book.people.set_password("robot", "")
    password = PASSWORD if name == "disabled" else "wrong password"
    with pytest.raises(Refused, match="do not belong together") as caught:
        book.sign_in(name, password, HERE)
    assert caught.value.status == 401


def test_too_many_wrong_ones_wait(book: AccessBook, clock: ManualClock) -> None:
    """Then even the right one, with the time to wait; afterwards it is right again."""
    add_user(book)
    for _ in range(MOST_BY_ACCOUNT):
        with pytest.raises(Refused, match="do not belong"):
            book.sign_in("anna", "wrong password", HERE)
    with pytest.raises(Refused, match="try again in 300 s") as caught:
        book.sign_in("anna", PASSWORD, "10.0.0.2")
    assert (caught.value.status, caught.value.retry_after_seconds) == (429, WINDOW_SECONDS)
    clock.advance(WINDOW_SECONDS)
    book.sign_in("anna", PASSWORD, HERE)


def test_sign_ins_are_in_the_audit_log_without_what_was_typed_for_an_unknown_name(book: AccessBook) -> None:
    """A password typed into the wrong field is kept nowhere."""
    add_user(book)
    for name, password in [("anna", "wrong password"), ("my secret password", "x"), ("anna", PASSWORD)]:
        try:
            book.sign_in(name, password, HERE)
        except Refused:
            book.clock.sleep(1)
    told = [(entry.who, entry.is_allowed) for entry in reversed(book.people.audit(AuditFilter()))]
    assert told == [("anna", False), ("(unknown account)", False), ("anna", True)]


def test_a_session_lives_while_it_is_used(book: AccessBook, clock: ManualClock) -> None:
    """Used every hour it outlives the idle limit; left alone it ends, and stays ended."""
    add_user(book)
    secret = book.sign_in("anna", PASSWORD, HERE).secret
    for _ in range(10):
        clock.advance(3600)
        assert book.of_cookie(secret) is not None
    clock.advance(book.settings.idle)
    assert book.of_cookie(secret) is None
    assert book.of_cookie(secret) is None


def test_on_a_full_disk_one_can_still_look(sqlite_database: Database, book: AccessBook, clock: ManualClock) -> None:
    """That a session was used cannot be written down; it is one all the same."""
    add_user(book)
    secret = book.sign_in("anna", PASSWORD, HERE).secret
    book.people = FullDisk(sqlite_database)
    clock.advance(3600)
    assert book.of_cookie(secret) is not None


def test_a_session_ends_however_much_it_is_used(book: AccessBook, clock: ManualClock) -> None:
    """After a week one signs in again."""
    add_user(book)
    secret = book.sign_in("anna", PASSWORD, HERE).secret
    hours = int(book.settings.session / 3600)
    for _ in range(hours - 1):
        clock.advance(3600)
        assert book.of_cookie(secret) is not None
    clock.advance(3600)
    assert book.of_cookie(secret) is None


ENDS: dict[str, Callable[[AccessBook, str], object]] = {
    "sign-out": lambda book, secret: book.sign_out(secret),
    "a new password": lambda book, _: book.people.set_password("anna", "another hash"),
    "the account disabled": lambda book, _: book.people.set_disabled("anna", book.clock.now()),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_session_is_ended(book: AccessBook, how: str) -> None:
    """At once, and an account enabled again does not bring it back."""
    add_user(book)
    secret = book.sign_in("anna", PASSWORD, HERE).secret
    ENDS[how](book, secret)
    book.people.set_disabled("anna", None)
    assert book.of_cookie(secret) is None


def test_changed_roles_count_at_once(book: AccessBook) -> None:
    """In a session that is open."""
    add_user(book, "anna", every=Role.ADMIN)
    secret = book.sign_in("anna", PASSWORD, HERE).secret
    book.people.set_roles("anna", {"yard": "viewer"})
    changed = book.of_cookie(secret)
    assert changed is not None
    assert changed.roles == {"yard": Role.VIEWER}


def test_a_password_of_another_cost_is_hashed_anew(sqlite_database: Database, book: AccessBook) -> None:
    """When its owner signs in."""
    add_user(book)
    today = AccessBook(SqlPeople(sqlite_database), access(), book.clock, AccessSettings())
    today.sign_in("anna", PASSWORD, HERE)
    user = book.people.user("anna")
    assert user is not None
    assert not Passwords().is_outdated(user.password_hash)
    today.sign_in("anna", PASSWORD, HERE)


def test_a_token_acts_for_its_owner_within_its_scopes(book: AccessBook) -> None:
    """Named after both in the audit log."""
    add_user(book, "anna", yard=Role.OPERATOR)
    token = add_token(book, "anna", Scope.READ, Scope.EVIDENCE)
    expected = Principal("anna/robot", {"yard": Role.OPERATOR}, frozenset({Scope.READ, Scope.EVIDENCE}))
    assert book.of_token(token) == expected


TOKEN_ENDS: dict[str, Callable[[AccessBook, str], object]] = {
    "expired": lambda book, _: book.clock.sleep(60),
    "revoked": lambda book, token: book.people.revoke_token(token.split("_")[1]),
    "owner disabled": lambda book, _: book.people.set_disabled("anna", book.clock.now()),
}


@pytest.mark.parametrize("how", TOKEN_ENDS)
def test_a_token_ends(book: AccessBook, how: str) -> None:
    """At once."""
    add_user(book)
    token = add_token(book, "anna", Scope.READ, for_seconds=60)
    TOKEN_ENDS[how](book, token)
    assert book.of_token(token) is None


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "x", lambda _: "sl_\0_x", lambda _: ""])
def test_a_guessed_token_is_none(book: AccessBook, change: Callable[[str], str]) -> None:
    """Nor a part of one."""
    add_user(book)
    assert book.of_token(change(add_token(book, "anna", Scope.READ))) is None


def test_a_link_shows_one_cameras_evidence_until_it_is_too_old(book: AccessBook, clock: ManualClock) -> None:
    """And lets nobody do anything else."""
    link = SignedLink("yard", "guards", clock.now() + timedelta(seconds=60), "")
    signed = book.signer.sign("/a", link.camera_id, link.made_for, link.expires_at)
    link = replace(link, signature=signed.rpartition("=")[2])
    assert book.of_link("/a", link) == Principal("link for guards", {"yard": Role.VIEWER}, frozenset({Scope.EVIDENCE}))
    with pytest.raises(Refused, match="not made here"):
        book.of_link("/b", link)
    clock.advance(60)
    with pytest.raises(Refused, match="too old"):
        book.of_link("/a", link)


def test_a_refusal_travels() -> None:
    """It is pickled like every error of the program, and speaks in plain words."""
    copy = pickle.loads(pickle.dumps(Refused(429, "too many", 3.5)))
    assert (copy.status, str(copy), copy.retry_after_seconds) == (429, "too many", 3.5)
