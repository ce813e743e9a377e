"""Databases to test on (SQLite files, a throw-away PostgreSQL server) and records to put in them.

Fixtures here are imported by the `conftest.py` of the folders that use them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.contracts.alert import Delivery, DueDelivery, Outbox
from pipeline.contracts.assessment import Assessment, Verdict
from pipeline.contracts.candidate import Candidate, CandidateState, Fact, KeyFrame, SeenRegion, candidate_id
from pipeline.contracts.incident import ChangeKind, IncidentChange
from pipeline.contracts.values import Severity
from pipeline.errors import TransientError
from pipeline.incidents import lifecycle
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.conftest import IN_CI

START = datetime(2026, 3, 1, 22, 0, 0, 123456, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class PostgresServer:
    """A PostgreSQL cluster in a folder of its own, on a free loopback port; no data outlives it."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="sightline-postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._call("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=40"
        self._call("pg_ctl", "start", "--wait", "--silent", f"--log={self._folder}/log", "-o", options)

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of an empty database, or of a copy."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _call(self, program: str, *arguments: str) -> None:
        # The server refuses to run as root.
        other_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        line = [*other_user, str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        done = subprocess.run(line, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"{program}: {done.stderr}"


def postgres_programs() -> Path:
    """The folder of `initdb` and `pg_ctl`; skips without them, fails in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        message = "needs PostgreSQL's initdb and pg_ctl (Debian: apt-get install postgresql)"
        pytest.fail(message) if IN_CI else pytest.skip(message)
    return found[-1].parent if found else Path(str(on_path)).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server with an empty migrated database `migrated` to copy."""
    server = PostgresServer(postgres_programs())
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    database = Database(server.url("migrated"))
    database.migrate()
    database.close()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, on each kind in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").new_database()
    return sqlite_url(tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty migrated database, on each kind in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").new_database("migrated")
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    database.close()
    return sqlite_url(tmp_path)


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    """An empty migrated database, on each kind in turn."""
    database = Database(migrated_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """An empty migrated SQLite database."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    yield database
    database.close()


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'sightline.db'}"


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write to anything: be `nobody` for a while, so that file permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def make_candidate(at: datetime = START, camera_id: str = "gate", rule_id: str = "climb", **changes: Any) -> Candidate:
    """A candidate that opened two seconds after it started; `changes` replace fields."""
    frame = KeyFrame(
        sequence=7,
        captured_at=at + seconds(2),
        role="peak",
        score=0.9,
        regions=(SeenRegion(box=(1.5, 2, 30, 40), label="person", score=0.8, track_id=4),),
    )
    candidate = Candidate(
        id=candidate_id(camera_id, rule_id, at),
        camera_id=camera_id,
        rule_id=rule_id,
        rule_version="v1",
        state=CandidateState.OPENED,
        severity=Severity.MEDIUM,
        started_at=at,
        opened_at=at + seconds(2),
        score=0.7,
        peak_score=0.9,
        threshold=0.6,
        facts=(Fact(kind="enters", text="person 4 entered fence", at=at + seconds(2), track_id=4),),
        key_frames=(frame,),
    )
    return candidate.model_copy(update=changes)


def make_assessment(incident_id: str, verdict: Verdict = Verdict.CONFIRMED, **changes: Any) -> Assessment:
    assessment = Assessment(
        candidate_id=incident_id,
        verdict=verdict,
        reason="a person is on the fence",
        started_at=START + seconds(3),
        finished_at=START + seconds(5),
    )
    return assessment.model_copy(update=changes)


def opened(candidate: Candidate | None = None, *, will_verify: bool = True) -> IncidentChange:
    """The first change of an incident."""
    return lifecycle.open_incident(candidate or make_candidate(), START + seconds(2.5), will_verify=will_verify)


def followed(change: IncidentChange, number: int = 1) -> IncidentChange:
    """A change after `change`."""
    later = change.at + seconds(number)
    after = lifecycle.acknowledge(change.incident, f"person {change.sequence}", "", later)
    assert after is not None
    return after


def deliveries_of(change: IncidentChange, channels: Sequence[str] = ("guards",)) -> list[Delivery]:
    """One pending delivery a channel, due when the change happened."""
    return [
        Delivery(
            id=f"{change.id}.{channel}",
            incident_id=change.incident.id,
            change_sequence=change.sequence,
            channel=channel,
            created_at=change.at,
            next_attempt_at=change.at,
        )
        for channel in channels
    ]


def all_due(outbox: Outbox, now: datetime) -> list[DueDelivery]:
    """What is due by `now` and in nobody's hand, the longest due first; left in nobody's hand."""
    found = []
    while (due := outbox.claim_due("looker", now, 600)) is not None:
        found.append(due)
    outbox.release("looker")
    return found


class FullStore(SqlIncidentStore):
    """Fails the commit of one kind of change so many times, as a full disk does."""

    def __init__(self, database: Database, fails_at: ChangeKind, num_times: int = 1) -> None:
        super().__init__(database)
        self._fails_at = fails_at
        self._num_left = num_times

    def commit(self, change: IncidentChange, deliveries: Sequence[Delivery]) -> bool:
        if change.kind is self._fails_at and self._num_left:
            self._num_left -= 1
            raise TransientError("disk full")
        return super().commit(change, deliveries)
