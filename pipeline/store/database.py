"""One database, SQLite or PostgreSQL: connections, transactions, migrations, and its faults in our words.

A committed transaction is durable: on SQLite by WAL with synchronous=FULL (synced at every commit), on
PostgreSQL by the server's own `synchronous_commit`, which must not be off.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import stamina
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy import exc as sql_errors
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.errors import ConfigError, InvalidMessage, TransientError
from pipeline.telemetry import hide_credentials

_BUSY_TIMEOUT_MS = 10_000
_MIGRATION_LOCK = 7_404_231_001
"""Any fixed number: PostgreSQL's advisory lock that makes starting processes migrate one after the other."""
_LOCKED_CODES = frozenset({5, 6})
"""SQLITE_BUSY and SQLITE_LOCKED: another process holds it. https://sqlite.org/rescode.html"""
_SQLITE_HINTS = {
    3: "permission denied: let this user read and write the file and its folder",
    8: "it is read-only: let this user write to the file and its folder",
    11: "it is damaged: restore a backup, or move it away to begin with an empty one",
    13: "the disk is full: make room",
    14: "it cannot be opened: its folder must exist, and this user must be able to read and write it",
    26: "it is not an SQLite database: move that file away or name another one",
}
_POSTGRES_CONNECTION = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}
"""Seconds, seconds, milliseconds: a server that vanished without closing its connections is noticed."""


class Database:
    """Connections to one database. Thread-safe; opens nothing before the first use.

    At run time a database that cannot now (locked, full, connection lost) is a `TransientError`.
    """

    def __init__(self, url: str) -> None:
        """`sqlite:////folder/file.db` or `postgresql://user:password@host/name`; `ConfigError` for others."""
        self._url = _parse(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _engine(self._url, is_sqlite=self._is_sqlite)
        # SQLite has one writer. Waiting here is fair and immediate; its own busy handler polls up to every 100 ms.
        self._write_turn = threading.Lock() if self._is_sqlite else nullcontext()

    @property
    def is_sqlite(self) -> bool:
        """A file of its own, not a server."""
        return self._is_sqlite

    def __str__(self) -> str:
        """What to call it in a message; no password."""
        return str(self._url.database) if self._is_sqlite else hide_credentials(str(self._url))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for one query."""
        with self._run_time_faults(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed and durable at the end of the block, undone by an exception."""
        with self._run_time_faults(), self._transaction() as connection:
            yield connection

    def insert_or(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT with `on_conflict_do_…`, which the two databases spell alike."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def migrate(self) -> None:
        """Bring the tables to this program's version; safe to call from several processes at once.

        Raises `ConfigError` for a database that is newer, read-only, damaged or none at all, and
        `TransientError` when it is locked or its server lets nobody in (psycopg does not tell why).
        """
        try:
            with self._transaction() as connection:
                if not self._is_sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                self._upgrade(connection)
        except (sql_errors.DBAPIError, sql_errors.TimeoutError) as error:
            raise self._start_fault(error) from error

    def check_writable(self) -> None:
        """Prove by a write that changes nothing that there can be others; raises as `migrate` does.

        To migrate up-to-date tables writes nothing, and SQLite opens a file that it may only read without a word.
        """
        if not self._is_sqlite:
            return
        try:
            with self._transaction() as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                connection.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        except (sql_errors.DBAPIError, sql_errors.TimeoutError) as error:
            raise self._start_fault(error) from error

    def fold_log(self) -> bool:
        """Empty SQLite's write-ahead log, which still holds what was overwritten; False when others keep it busy.

        PostgreSQL has no such call: there deleted rows go with the next vacuum, and its log with its own rotation.
        """
        if not self._is_sqlite:
            return False
        with self.reading() as connection:
            return not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]

    def close(self) -> None:
        """Close idle connections; may be called twice."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._write_turn, self._engine.begin() as connection:
            if self._is_sqlite:
                # Taking the write lock at once: a reader that turns writer later fails instead of waiting.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _upgrade(self, connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "pipeline.store:migrations")
        known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise ConfigError(
                f"database {self}: its schema ({current}) is newer than this program knows; install the version "
                "of Sightline that wrote it, or name another database"
            )
        command.upgrade(config, "head")

    @contextmanager
    def _run_time_faults(self) -> Iterator[None]:
        try:
            yield
        except (sql_errors.IntegrityError, sql_errors.ProgrammingError):
            raise  # A mistake of this program, not of the moment.
        except sql_errors.DataError as error:
            raise InvalidMessage(f"database {self} cannot hold this: {_cause(error)}") from error
        except (sql_errors.DBAPIError, sql_errors.TimeoutError) as error:
            raise TransientError(f"database {self} cannot now: {_cause(error)}") from error

    def _start_fault(self, error: Exception) -> ConfigError | TransientError:
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        if code is not None and code & 0xFF not in _LOCKED_CODES:
            return ConfigError(f"database {self}: {_SQLITE_HINTS.get(code & 0xFF, _cause(error))}")
        if isinstance(error, sql_errors.ProgrammingError):
            return ConfigError(f"database {self}: {_cause(error)}")
        return TransientError(f"database {self} cannot now: {_cause(error)}")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except sql_errors.ArgumentError as error:
        raise ConfigError(
            f"expected sqlite:///FILE or postgresql://HOST/NAME, got {hide_credentials(url)!r}"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("a database in memory forgets its alerts; expected sqlite:///FILE")
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigError(f"expected sqlite:///FILE or postgresql://HOST/NAME, got a {backend} URL")
    return parsed.set(drivername="sqlite")


def _engine(url: URL, *, is_sqlite: bool) -> Engine:
    try:
        if not is_sqlite:
            return create_engine(url, pool_pre_ping=True, connect_args=_POSTGRES_CONNECTION)
        # isolation_level=None: Python's sqlite3 begins nothing by itself; `_transaction` says when.
        engine = create_engine(url, connect_args={"isolation_level": None})
    except ModuleNotFoundError as error:
        raise ConfigError(f"PostgreSQL needs psycopg: pip install 'sightline[postgres]' ({error})") from error
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}").close()
    # To change the journal's mode SQLite does not wait its turn: two first starts at once would trip over each other.
    for attempt in stamina.retry_context(
        on=_is_locked, attempts=None, timeout=_BUSY_TIMEOUT_MS / 1000, wait_initial=0.02, wait_max=0.2
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL").close()
    connection.execute("PRAGMA synchronous=FULL").close()
    connection.execute("PRAGMA foreign_keys=ON").close()
    # What is deleted is overwritten with zeros: an erased text is not to be found in the file.
    connection.execute("PRAGMA secure_delete=ON").close()


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _LOCKED_CODES


def _cause(error: Exception) -> str:
    """The driver's own words: SQLAlchemy's would add the statement and its values."""
    return hide_credentials(str(getattr(error, "orig", None) or error)).strip()
