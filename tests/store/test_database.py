"""The database: schema, durability, and its faults in the program's words."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from pipeline.contracts.incident import IncidentChange, IncidentFilter
from pipeline.errors import ConfigError, TransientError
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from pipeline.store.tables import metadata
from tests.conftest import ROOT
from tests.support.store import (
    START,
    PostgresServer,
    all_due,
    deliveries_of,
    make_candidate,
    opened,
    ordinary_user,
    seconds,
    sqlite_url,
)

MIGRATE = "import sys; from pipeline.store.database import Database; Database(sys.argv[1]).migrate()"
COMMIT_FOR_EVER = """
import itertools, sys
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import START, deliveries_of, make_candidate, opened, seconds
store = SqlIncidentStore(Database(sys.argv[1]))
for number in itertools.count(int(sys.argv[2])):
    change = opened(make_candidate(START + seconds(number)))
    assert store.commit(change, deliveries_of(change))
    print(change.id, flush=True)
"""


@pytest.fixture
def world_folder() -> Iterator[Path]:
    """A folder whose parents any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_migrations_make_the_tables_the_program_uses(empty_url: str) -> None:
    """An empty database brought to head differs in nothing from `tables.metadata`."""
    database = Database(empty_url)
    database.migrate()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    """Every start migrates; what is there stays."""
    change = opened()
    SqlIncidentStore(database).commit(change, [])
    database.migrate()
    assert SqlIncidentStore(database).get(change.incident.id) == change.incident


def test_rows_of_the_first_version_are_kept(empty_url: str) -> None:
    """An older database is brought to head with what it owes: verdicts and deliveries, free; and no old news."""
    database = Database(empty_url)
    with database.writing() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "pipeline.store:migrations")
        command.upgrade(config, "0001")
        change = opened()
        for table, row in rows_of_version_1(change).items():
            names = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})"), row)
    database.migrate()
    store = SqlIncidentStore(database, has_bus=True)
    assert store.claim_verdicts("judge", 60, 10) == [change.incident]
    assert [due.change for due in all_due(SqlOutbox(database), START + seconds(9))] == [change]
    assert store.claim_news(60, 10) == []
    database.close()


def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    """Replicas that start together on an empty database do not trip over each other."""
    starts = [subprocess.Popen([sys.executable, "-c", MIGRATE, empty_url], cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in starts] == [0, 0]


def test_a_newer_database_is_refused(database: Database) -> None:
    """An old program never writes to a schema it does not know."""
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match=r"schema \(9999\) is newer than this program"):
        database.migrate()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("not a url", "expected sqlite:///FILE or postgresql", id="garbage"),
        pytest.param("mysql://u:hunter2@host/db", "got a mysql URL", id="other database"),
        pytest.param("sqlite://", "in memory forgets", id="memory"),
        pytest.param("sqlite:////no/such/folder/x.db", "its folder must exist", id="no folder"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, message: str) -> None:
    """One clear message, without the password."""
    with pytest.raises(ConfigError, match=message) as caught:
        Database(url).migrate()
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong path does not cost the operator a file."""
    file = tmp_path / "sightline.db"
    file.write_text("a diary, not a database " * 100)
    with pytest.raises(ConfigError, match="not an SQLite database"):
        Database(sqlite_url(tmp_path)).migrate()
    assert file.read_text().startswith("a diary")


@pytest.mark.parametrize("folder_mode", [0o755, 0o555])
def test_a_read_only_database_is_refused(world_folder: Path, folder_mode: int) -> None:
    """A database this user may not write to stops the start, not the first alert."""
    database = Database(sqlite_url(world_folder))
    database.migrate()
    database.close()
    (world_folder / "sightline.db").chmod(0o444)
    world_folder.chmod(folder_mode)
    with ordinary_user(), pytest.raises(ConfigError, match=r"read-only|cannot be opened"):
        Database(sqlite_url(world_folder)).migrate()


def test_a_read_only_file_in_a_writable_folder_is_refused(world_folder: Path) -> None:
    """SQLite opens it without a word and to migrate writes nothing, so a run proves first that it can write."""
    database = Database(sqlite_url(world_folder))
    database.migrate()
    database.check_writable()
    database.close()
    world_folder.chmod(0o777)
    (world_folder / "sightline.db").chmod(0o444)
    with ordinary_user(), pytest.raises(ConfigError, match="read-only"):
        Database(sqlite_url(world_folder)).check_writable()


def test_a_folder_without_permission_is_refused(world_folder: Path) -> None:
    """No database can be made where this user may not write."""
    world_folder.chmod(0o555)
    with ordinary_user(), pytest.raises(ConfigError, match="cannot be opened"):
        Database(sqlite_url(world_folder)).migrate()


def test_a_full_disk_is_transient_and_stores_nothing_by_halves(sqlite_database: Database) -> None:
    """While the disk is full commits fail whole; once there is room they work again."""
    store, change = SqlIncidentStore(sqlite_database), opened(make_candidate(rule_version="v" * 100_000))
    _pragma(sqlite_database, "max_page_count=1")
    with pytest.raises(TransientError, match="full"):
        store.commit(change, deliveries_of(change))
    assert store.get(change.incident.id) is None
    assert SqlOutbox(sqlite_database).counts()["pending"] == 0
    _pragma(sqlite_database, "max_page_count=1000000")
    assert store.commit(change, deliveries_of(change))


def test_a_database_locked_by_another_process_is_transient(sqlite_database: Database, tmp_path: Path) -> None:
    """A backup tool that holds the file delays, no more."""
    _pragma(sqlite_database, "busy_timeout=20")
    other = sqlite3.connect(tmp_path / "sightline.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="locked"):
        SqlIncidentStore(sqlite_database).commit(opened(), [])
    other.close()
    assert SqlIncidentStore(sqlite_database).commit(opened(), [])


def test_a_failed_block_is_undone(database: Database) -> None:
    """An exception inside a transaction leaves nothing of it."""

    def fail() -> None:
        with database.writing() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@pytest.mark.postgres
def test_a_lost_server_is_transient_until_it_is_back(postgres: PostgresServer) -> None:
    """While PostgreSQL restarts commits fail; then the same program goes on, with all it had stored."""
    database = Database(postgres.new_database("migrated"))
    store, change = SqlIncidentStore(database), opened()
    store.commit(change, deliveries_of(change))
    postgres.stop()
    try:
        with pytest.raises(TransientError, match="cannot now"):
            store.find(IncidentFilter())
    finally:
        postgres.start()
    assert store.find(IncidentFilter()) == [change.incident]
    database.close()


@pytest.mark.postgres
def test_a_missing_postgres_database_is_named(postgres: PostgresServer) -> None:
    """The server's own words reach the operator (its driver does not tell a wrong name from a late start)."""
    with pytest.raises(TransientError, match='"nowhere" does not exist'):
        Database(postgres.url("nowhere")).migrate()


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    """Every change whose commit returned is in the database with its delivery, however the process died."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    printed: list[str] = []
    for death in range(3):
        printed += _commit_until_killed(sqlite_url(tmp_path), death, num_commits=random.randint(5, 60))
    incidents = SqlIncidentStore(database).find(IncidentFilter(limit=100_000))
    owed = {due.delivery.id for due in all_due(SqlOutbox(database), START + seconds(1e6))}
    assert printed
    assert set(printed) <= {f"{incident.id}.1" for incident in incidents}
    assert {f"{change_id}.guards" for change_id in printed} <= owed
    assert len(owed) == len(incidents)
    database.close()


def rows_of_version_1(change: IncidentChange) -> dict[str, dict[str, object]]:
    """What the first version stored for an incident's first change, by table."""
    incident, micros = change.incident, int(change.at.timestamp() * 1e6)
    body, key = change.model_dump_json(), {"incident_id": change.incident.id}
    row = {name: getattr(incident, name) for name in ("id", "camera_id", "rule_id", "awaits_verdict", "last_change")}
    row |= {"status": incident.status.value, "severity": incident.severity.value, "is_told": True}
    delivery = {"id": f"{change.id}.guards", "change_sequence": 1, "channel": "guards", "state": "pending"}
    times = {"attempts": 0, "created_at": micros, "next_attempt_at": micros, "last_error": ""}
    return {
        "incidents": row | {"opened_at": micros, "body": incident.model_dump_json()},
        "incident_changes": key | {"sequence": 1, "kind": change.kind.value, "at": micros, "body": body},
        "deliveries": key | delivery | times,
    }


def _commit_until_killed(url: str, death: int, num_commits: int) -> list[str]:
    line = [sys.executable, "-c", COMMIT_FOR_EVER, url, str(death * 100_000)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(num_commits)]
        os.kill(process.pid, signal.SIGKILL)
        printed += process.stdout.readlines()
    return [line.strip() for line in printed if line.endswith("\n")]


def _pragma(database: Database, setting: str) -> None:
    """On the one pooled connection, which the next call uses again."""
    with database.reading() as connection:
        connection.exec_driver_sql(f"PRAGMA {setting}")
