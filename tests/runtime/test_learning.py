"""What is learned on its way to the database, and reviews on their way to the rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.incident import Incident
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.errors import TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.runtime.learning import LearnedBook, ReviewDesk
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.learned import SqlLearnedStore
from tests.support.store import START, make_candidate, opened, sqlite_url


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(sqlite_url(tmp_path))
    made.migrate()
    return made


def learned(body: bytes = b"1", minutes: float = 0) -> Learned:
    return Learned("yard", "climb", LearnedKind.CALIBRATION, "clip", START + timedelta(minutes=minutes), body)


def test_what_is_put_twice_is_written_once(database: Database) -> None:
    """The later state of the same thing overtakes the earlier one."""
    book = LearnedBook(SqlLearnedStore(database))
    book.put([learned(b"old")])
    book.put([learned(b"new", 1)])
    book.flush()
    assert [one.body for one in SqlLearnedStore(database).load()] == [b"new"]


def test_what_cannot_be_written_waits(database: Database) -> None:
    """A database that is away costs nothing that was learned, and newer state is not overwritten by older."""

    class Away(SqlLearnedStore):
        is_away = True

        def save(self, learned: object) -> None:
            if self.is_away:
                raise TransientError("away")
            super().save(learned)  # type: ignore[arg-type]

    store = Away(database)
    book = LearnedBook(store)
    book.put([learned(b"old")])
    with pytest.raises(TransientError):
        book.flush()
    book.put([learned(b"new", 1)])
    store.is_away = False
    assert [one.body for one in book.load("yard")] == [b"new"]


def test_each_review_is_handed_on_once(database: Database) -> None:
    """The second look finds the same rows and says nothing; a changed word is said again."""
    clock = ManualClock(START)
    store = SqlIncidentStore(database)
    recorder = IncidentRecorder(store, lambda _: (), clock)
    change = opened(make_candidate(START))
    assert store.commit(change, [])
    taken: list[Incident] = []
    desk = ReviewDesk(store, taken.append)
    desk.look()
    recorder.review(change.incident.id, is_right=True, by="ann")
    desk.look()
    desk.look()
    assert [one.review.is_right for one in taken if one.review] == [True]
    clock.advance(5)
    recorder.review(change.incident.id, is_right=False, by="bob")
    desk.look()
    assert [one.review.is_right for one in taken if one.review] == [True, False]
    assert [one.review.by for one in desk.known if one.review] == ["bob"]


def test_a_review_from_a_slow_clock_is_found(database: Database) -> None:
    """Who reviews may sit at a machine whose clock is half a minute behind."""
    store = SqlIncidentStore(database)
    taken: list[Incident] = []
    desk = ReviewDesk(store, taken.append)
    for minute, behind in ((0, 0), (1, 30)):
        change = opened(make_candidate(START + timedelta(minutes=minute)))
        assert store.commit(change, [])
        recorder = IncidentRecorder(store, lambda _: (), ManualClock(START + timedelta(hours=1, seconds=-behind)))
        recorder.review(change.incident.id, is_right=True, by="ann")
        desk.look()
    assert len(taken) == 2
