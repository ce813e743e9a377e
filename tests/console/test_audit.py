"""The audit log's writer."""

from __future__ import annotations

import pytest

from pipeline.clock import ManualClock
from pipeline.console.audit import Audit
from pipeline.console.roles import Action
from pipeline.errors import TransientError
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter, SqlPeople


def test_a_look_says_who_what_which_camera_when_and_from_where(sqlite_database: Database) -> None:
    """Everything that is asked of it later."""
    people, clock = SqlPeople(sqlite_database), ManualClock()
    Audit(people, clock).note("anna", Action.SEE_EVIDENCE, "10.0.0.1", camera_id="yard", target="i1/clip")
    (entry,) = people.audit(AuditFilter())
    assert (entry.who, entry.action, entry.camera_id, entry.target) == ("anna", "see evidence", "yard", "i1/clip")
    assert (entry.at, entry.address, entry.is_allowed) == (clock.now(), "10.0.0.1", True)


def test_the_same_look_within_a_minute_is_written_once(sqlite_database: Database) -> None:
    """A live wall does not flood the log; another person's look, or a later one, is another."""
    people, clock = SqlPeople(sqlite_database), ManualClock()
    audit = Audit(people, clock)
    for who in ["anna", "anna", "ben"]:
        audit.note(who, Action.SEE_LIVE, "10.0.0.1", camera_id="yard")
        clock.advance(29)
    clock.advance(10)
    audit.note("anna", Action.SEE_LIVE, "10.0.0.1", camera_id="yard")
    assert [entry.who for entry in people.audit(AuditFilter())] == ["anna", "ben", "anna"]


def test_every_change_is_written(sqlite_database: Database) -> None:
    """Twice is twice; a refused one is told from an allowed one."""
    people = SqlPeople(sqlite_database)
    audit = Audit(people, ManualClock())
    for is_allowed in (True, True, False):
        audit.note("anna", Action.REVIEW, "", camera_id="yard", is_allowed=is_allowed)
    assert sorted(entry.is_allowed for entry in people.audit(AuditFilter())) == [False, True, True]


def test_what_cannot_be_written_down_is_not_shown(sqlite_database: Database) -> None:
    """A database without its tables stands for any that fails: the error reaches whoever asks."""
    sqlite_database.close()
    away = Database("sqlite:////no/such/folder/x.db")
    with pytest.raises(TransientError):
        Audit(SqlPeople(away), ManualClock()).note("anna", Action.SEE_EVIDENCE, "", camera_id="yard")
