"""What a process does now and then."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.clock import ManualClock
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import Decision, Gate
from pipeline.errors import TransientError
from pipeline.runtime.coverage import CoverageBook
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.settings import RetentionSettings
from pipeline.store.coverage import SqlCoverageStore
from pipeline.store.database import Database
from pipeline.store.evidence import FsspecEvidenceStore
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.ledger import Ledger, SqlDecisionStore
from pipeline.store.retention import Retention
from pipeline.telemetry import Metrics
from tests.support.ingest import wait_for
from tests.support.store import sqlite_url

NOW = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)


class DownStore(SqlDecisionStore):
    """Takes no counts."""

    def add(self, counts: object) -> None:
        raise TransientError("down")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    return database


def test_coverage_is_written_though_the_ledger_cannot_be(database: Database) -> None:
    """One account does not wait for the other."""
    store, clock = SqlCoverageStore(database), ManualClock(NOW)
    book, ledger = CoverageBook(store, clock), Ledger(DownStore(database))
    ledger.record(Decision("gate", Gate.CAMERA, False, "offline", NOW))
    book.seen("gate", NOW)
    book.seen("gate", NOW + timedelta(seconds=1))
    with capture_logs() as logs:
        Housekeeping(ledger, Metrics(), clock, coverage=book).finish()
    assert len(store.between(None, NOW, NOW + timedelta(seconds=5))) == 1
    assert [line["event"] for line in logs] == ["the ledger cannot be stored; trying again"]


def test_what_is_too_old_is_cleared_at_the_start_and_told(database: Database, tmp_path: Path) -> None:
    """In the background, once a round, with the counts in the log."""
    store, clock, stop = SqlCoverageStore(database), ManualClock(NOW), threading.Event()
    store.extend([Interval("gate", Layer.PICTURES, LONG_AGO, LONG_AGO + timedelta(hours=1))])
    evidence = FsspecEvidenceStore(str(tmp_path / "evidence"))
    retention = Retention(database, SqlIncidentStore(database), evidence, RetentionSettings())
    house = Housekeeping(Ledger(SqlDecisionStore(database)), Metrics(), clock, retention=retention)
    with capture_logs() as logs:
        thread = threading.Thread(target=house.run, args=(stop,))
        thread.start()
        wait_for(lambda: any(line["event"] == "what was too old is deleted" for line in logs))
        stop.set()
        thread.join()
    assert next(line for line in logs if "too old" in line["event"])["intervals"] == 1
    assert store.known_since() == {}
