"""Cameras that nobody reads are told of by those who wait for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import NullDecisionSink
from pipeline.errors import TransientError
from pipeline.runtime.absence import AbsenceWatch
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from tests.support.local import site_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SITE = site_of("cameras: [{id: gate, url: 'rtsp://192.0.2.1/'}, {id: yard, url: 'rtsp://192.0.2.2/'}]")


class Plant:
    """The account of pictures in a database, and a watch over it."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock(NOON)
        self.coverage = SqlCoverageStore(database)
        self.told: list[Candidate] = []
        self.is_away = False
        self.watch = self.another_watch()

    def another_watch(self) -> AbsenceWatch:
        cameras = [camera.id for camera in SITE.cameras]
        return AbsenceWatch(SITE, cameras, self.coverage, self._record, NullDecisionSink(), self.clock)

    def reads(self, camera_id: str, start: float, end: float, reason: str = "") -> None:
        times = NOON + timedelta(seconds=start), NOON + timedelta(seconds=end)
        self.coverage.extend([Interval(camera_id, Layer.PICTURES, *times, reason)])

    def looks(self, after: float) -> list[tuple[str, str]]:
        """(camera, state) of what is told in this look."""
        before = len(self.told)
        self.clock.advance(after)
        self.watch.look()
        return [(candidate.camera_id, candidate.state.value) for candidate in self.told[before:]]

    def _record(self, candidate: Candidate) -> None:
        if self.is_away:
            raise TransientError("the database is away")
        self.told.append(candidate)


@pytest.fixture
def plant(sqlite_database: Database) -> Plant:
    return Plant(sqlite_database)


def test_a_camera_whose_account_ends_is_told_and_told_well_again(plant: Plant) -> None:
    """Since the last moment that is accounted for; the other camera, which is read, is not."""
    plant.reads("gate", -600, 0)
    plant.reads("yard", -600, 300)
    assert plant.looks(30) == []
    assert plant.looks(60) == [("gate", "opened")]
    assert plant.told[0].started_at == NOON
    assert "nobody reads it" in plant.told[0].facts[0].text
    plant.reads("gate", 95, 100)
    assert plant.looks(10) == [("gate", "closed")]
    assert plant.told[0].id == plant.told[1].id


def test_a_camera_that_is_blind_is_read(plant: Plant) -> None:
    """Its own ingest says what is wrong with it."""
    plant.reads("gate", -600, -300)
    plant.reads("gate", -300, 80, "offline")
    assert plant.looks(90) == []


def test_a_camera_that_was_never_read_is_not_missed(plant: Plant) -> None:
    """Nothing is known of when it should have been."""
    assert plant.looks(600) == []


def test_two_who_look_tell_of_one_incident(plant: Plant) -> None:
    """Whenever each of them notices."""
    plant.reads("gate", -600, 0)
    plant.looks(70)
    plant.clock.advance(7)
    plant.another_watch().look()
    assert [candidate.id for candidate in plant.told] == [plant.told[0].id] * 2


def test_what_cannot_be_stored_now_is_stored_later(plant: Plant) -> None:
    """A database that is away delays it."""
    plant.reads("gate", -600, 0)
    plant.is_away = True
    with pytest.raises(TransientError):
        plant.looks(70)
    plant.is_away = False
    assert plant.looks(10) == [("gate", "opened")]
