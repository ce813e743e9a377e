"""Who has which row in hand, and until when: how several processes share one list of work.

A leased table has `lease_owner` and `leased_until`. Whoever takes a row sets both, renews them while the work
lasts, and clears them when it ends; a row whose time is over is anybody's again, so that a killed process's work
is taken up. Time is the database's own, so the clocks of the processes do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_MICROSECONDS = 1_000_000
FREE: dict[str, Any] = {"lease_owner": None, "leased_until": None}
"""The values of a row in nobody's hand."""


class database_now(FunctionElement[int]):  # noqa: N801 - as SQL spells its functions
    """The database's clock at this moment, microseconds since 1970 UTC."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _postgres_now(_element: database_now, _compiler: SQLCompiler, **_: Any) -> str:
    # Not `clock_timestamp()`, which could come out differently for each row: no index would be used.
    return "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS BIGINT)"


@compiles(database_now, "sqlite")
def _sqlite_now(_element: database_now, _compiler: SQLCompiler, **_: Any) -> str:
    # 2440587.5 is 1970 as a Julian day; a double holds today's to 40 microseconds.
    return "CAST(round((julianday('now') - 2440587.5) * 86400000000.0) AS INTEGER)"


def seconds_from_now(seconds: float) -> ColumnElement[int]:
    """The database's clock so many seconds from now."""
    return database_now() + round(seconds * _MICROSECONDS)


class Leases:
    """The leases on one table's rows, as far as those are still work to do."""

    def __init__(self, table: Table, is_owed: ColumnElement[bool]) -> None:
        self._table = table
        self._is_owed = is_owed

    def is_free(self) -> ColumnElement[bool]:
        """Work in nobody's hand, or in that of one whose time is over."""
        until = self._table.c.leased_until
        return self._is_owed & (until.is_(None) | (until <= database_now()))

    def take(self, connection: Connection, ids: Sequence[str], owner: str, seconds: float) -> None:
        """Put rows, which this transaction has locked, into the owner's hand."""
        lease = {"lease_owner": owner, "leased_until": seconds_from_now(seconds)}
        connection.execute(update(self._table).where(self._table.c.id.in_(ids)).values(**lease))

    def renew(self, connection: Connection, ids: Sequence[str], owner: str, seconds: float) -> None:
        """Prolong what of these is still in the owner's hand."""
        is_held = self._table.c.id.in_(ids) & self.is_held_by(owner)
        connection.execute(update(self._table).where(is_held).values(leased_until=seconds_from_now(seconds)))

    def release(self, connection: Connection, owner: str) -> None:
        """Free all that the owner holds."""
        connection.execute(update(self._table).where(self.is_held_by(owner)).values(**FREE))

    def is_held_by(self, owner: str) -> ColumnElement[bool]:
        """Work that the owner was the last to take."""
        return self._is_owed & (self._table.c.lease_owner == owner)
