"""Accounts, sessions, tokens and the audit log, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.settings import RetentionSettings
from pipeline.store.database import Database
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.people import ApiToken, AuditEntry, AuditFilter, KeptSession, SqlPeople, User
from pipeline.store.retention import Cleared, Retention
from tests.support.store import START, seconds

ANNA = User("anna", {"*": "viewer", "yard": "operator"}, "hash", START)
SESSION = KeptSession("s1", "anna", START, START, "10.0.0.1")
TOKEN = ApiToken("t1", "robot", "hash", "anna", ("evidence", "read"), START, START + seconds(60))


@pytest.fixture
def people(database: Database) -> SqlPeople:
    return SqlPeople(database)


def entry(number: float = 0, who: str = "anna", camera_id: str = "yard", target: str = "") -> AuditEntry:
    return AuditEntry.of(START + seconds(number), who, "see evidence", camera_id=camera_id, target=target)


def test_an_account_comes_back(people: SqlPeople) -> None:
    """Every field; a second of that name is refused and changes nothing."""
    assert people.add_user(ANNA)
    assert not people.add_user(replace(ANNA, roles={"*": "admin"}))
    assert people.users() == [ANNA]
    assert people.user("anna") == ANNA
    assert people.user("ben") is None


@pytest.mark.parametrize("name", ["\0", "an\0na", "\ud800", "x" * 100_000, "' OR 1=1 --", "anna' --"])
def test_a_name_of_anything_finds_nobody(people: SqlPeople, name: str) -> None:
    """And is no error."""
    people.add_user(ANNA)
    assert people.user(name) is None
    assert people.token(name) is None
    assert not people.revoke_token(name)


def test_accounts_change(people: SqlPeople) -> None:
    """Roles, password, disabled and enabled; False for nobody."""
    people.add_user(ANNA)
    assert people.set_roles("anna", {"*": "admin"})
    assert people.set_password("anna", "other")
    assert people.set_disabled("anna", START)
    assert people.user("anna") == User("anna", {"*": "admin"}, "other", START, START)
    assert people.set_disabled("anna", None)
    assert people.user("anna") == User("anna", {"*": "admin"}, "other", START)
    assert not people.set_password("ben", "other")


def test_a_hash_is_made_anew_only_for_the_password_it_was(people: SqlPeople) -> None:
    """A password changed meanwhile is not taken back."""
    people.add_user(ANNA)
    people.rehash("anna", "not the hash", "new")
    assert people.user("anna") == ANNA
    people.rehash("anna", "hash", "new")
    assert people.user("anna") == replace(ANNA, password_hash="new")


def test_a_session_comes_back_and_is_forgotten(people: SqlPeople) -> None:
    """Its last use moves; ending it twice is no error."""
    people.add_user(ANNA)
    people.add_session(SESSION)
    people.touch_session("s1", START + seconds(70))
    assert people.session("s1") == replace(SESSION, seen_at=START + seconds(70))
    people.end_session("s1")
    people.end_session("s1")
    assert people.session("s1") is None


def test_an_account_is_found_by_who_it_is_elsewhere(people: SqlPeople) -> None:
    """One account a subject; those without one are not each other's."""
    elsewhere = replace(ANNA, name="anna@example.org", subject="https://login.example.org 1")
    assert people.add_user(elsewhere)
    assert not people.add_user(replace(elsewhere, name="another"))
    assert people.add_user(ANNA)
    assert people.add_user(replace(ANNA, name="ben"))
    assert people.user_of("https://login.example.org 1") == elsewhere
    assert people.user_of("https://login.example.org 2") is None


def test_sessions_of_an_account_are_listed_and_ended(people: SqlPeople) -> None:
    """The last used first; all, or all but one, and nobody else's."""
    for name in ("anna", "ben"):
        people.add_user(replace(ANNA, name=name))
    later = replace(SESSION, secret_hash="s2", seen_at=START + seconds(60))
    bens = replace(SESSION, secret_hash="s3", user_name="ben")
    for session in (SESSION, later, bens):
        people.add_session(session)
    assert people.sessions_of("anna") == [later, SESSION]
    assert people.last_seen() == {"anna": START + seconds(60), "ben": START}
    people.end_sessions("anna", but="s1")
    assert people.sessions_of("anna") == [SESSION]
    people.end_sessions("anna")
    assert (people.sessions_of("anna"), people.sessions_of("ben")) == ([], [bens])


def test_the_audit_log_of_an_account_is_that_of_its_tokens_too(people: SqlPeople) -> None:
    """And of no account whose name begins alike."""
    for number, who in enumerate(("anna", "anna/robot", "anna.b", "annaXrobot")):
        people.note(entry(number, who))
    assert [found.who for found in people.audit(AuditFilter(who="anna"))] == ["anna/robot", "anna"]
    assert [found.who for found in people.audit(AuditFilter(who="anna/robot"))] == ["anna/robot"]


def test_what_is_over_is_cleared(people: SqlPeople) -> None:
    """Old sessions and old links; not the others."""
    people.add_user(ANNA)
    people.add_session(SESSION)
    people.add_session(replace(SESSION, secret_hash="s2", opened_at=START + seconds(10)))
    people.add_link("old", START)
    people.clear_over(opened_before=START + seconds(10), links_before=START + seconds(1))
    assert people.session("s1") is None
    assert people.session("s2") is not None
    assert not people.add_first_user(replace(ANNA, name="ben"), "old", START - seconds(1))


def test_of_two_who_hold_a_link_one_gets_in(people: SqlPeople) -> None:
    """And who comes with another link comes too late."""
    people.add_link("one", START + seconds(60))
    people.add_link("two", START + seconds(60))
    assert not people.add_first_user(ANNA, "guessed", START)
    assert not people.add_first_user(ANNA, "one", START + seconds(60))
    assert people.add_first_user(ANNA, "one", START)
    assert not people.add_first_user(replace(ANNA, name="eve"), "one", START)
    assert not people.add_first_user(replace(ANNA, name="eve"), "two", START)
    assert people.users() == [ANNA]


def test_of_two_at_once_with_two_links_one_gets_in(people: SqlPeople) -> None:
    """Two processes each printed a link, and two people were quick."""
    for name in ("one", "two"):
        people.add_link(name, START + seconds(60))
    both = threading.Barrier(2)

    def come(name: str) -> bool:
        both.wait()
        return people.add_first_user(replace(ANNA, name=name), name, START)

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(come, ["one", "two"])) == [False, True]
    assert len(people.users()) == 1


def test_a_link_is_of_no_use_once_there_is_an_account(people: SqlPeople) -> None:
    """Also one that was made on a command line."""
    people.add_link("one", START + seconds(60))
    people.add_user(ANNA)
    assert not people.add_first_user(replace(ANNA, name="eve"), "one", START)


def test_a_token_comes_back_until_it_is_revoked(people: SqlPeople) -> None:
    """Every field."""
    people.add_user(ANNA)
    people.add_token(TOKEN)
    assert people.tokens() == [TOKEN]
    assert people.token("t1") == TOKEN
    assert people.revoke_token("t1")
    assert people.token("t1") is None


def test_a_key_is_made_once(people: SqlPeople) -> None:
    """The first comer's holds."""
    assert people.key("links", b"first\0") == b"first\0"
    assert people.key("links", b"second") == b"first\0"
    assert people.key("others", b"second") == b"second"


def test_the_audit_log_is_read_newest_first_page_by_page(people: SqlPeople) -> None:
    """Entries of the same moment are neither lost nor told twice between two pages."""
    kept = [entry(number // 2) for number in range(7)]
    for one in kept:
        people.note(one)
    pages: list[AuditEntry] = []
    while page := people.audit(AuditFilter(before=(pages[-1].at, pages[-1].id) if pages else None, limit=2)):
        pages += page
    assert pages == sorted(kept, key=lambda one: (one.at, one.id), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(), {"a", "b", "c"}),
        (AuditFilter(who="ben"), {"b"}),
        (AuditFilter(camera_id="gate"), {"c"}),
        (AuditFilter(start=START + seconds(1), end=START + seconds(2)), {"b"}),
    ],
)
def test_the_audit_log_by_person_camera_and_time(people: SqlPeople, wanted: AuditFilter, expected: set[str]) -> None:
    """Spans are half-open."""
    people.note(entry(0, target="a"))
    people.note(entry(1, who="ben", target="b"))
    people.note(entry(2, camera_id="gate", target="c"))
    assert {one.target for one in people.audit(wanted)} == expected


def test_the_audit_log_keeps_the_beginning_of_what_is_overlong(people: SqlPeople) -> None:
    """And what no database can hold is replaced."""
    people.note(AuditEntry.of(START, "an\0na", "review", camera_id="\ud800", target="x" * 10_000))
    (found,) = people.audit(AuditFilter())
    assert (found.who, found.camera_id, len(found.target)) == ("an?na", "?", 500)


def test_retention_reaches_the_audit_log(database: Database, people: SqlPeople, tmp_path: object) -> None:
    """What is older than `retention.audit` goes; for ever when that is 0."""
    evidence = FsspecEvidenceStore(str(tmp_path))
    for number in (0, 86_400):
        people.note(entry(number))
    for kept_for, expected in [(0.0, 2), (86_400.0, 1)]:
        settings = RetentionSettings(audit=kept_for)
        retention = Retention(database, SqlIncidentStore(database), evidence, settings)
        cleared = retention.step(START + timedelta(seconds=86_401))
        assert cleared == Cleared(audit_entries=2 - expected)
        assert len(people.audit(AuditFilter())) == expected
