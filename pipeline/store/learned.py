"""`LearnedStore` on a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, or_, select

from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.store.database import Database
from pipeline.store.tables import learned as learned_rows

_MAX_ROWS = 50
"""In one transaction: a row can take a few hundred KiB, and other writers do not wait for long."""


class SqlLearnedStore:
    """Keeps one row a camera, rule and kind; the later holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, learned: Iterable[Learned]) -> None:
        """Keep these in the place of what has the same key and is not newer."""
        # By key, the latest: PostgreSQL refuses to touch a row twice in one statement, and in the order of the keys
        # two processes never wait for each other crosswise.
        rows = {_key(one): _row(one) for one in sorted(learned, key=lambda one: one.updated_at)}
        ordered = [rows[key] for key in sorted(rows)]
        new = self._database.insert_or(learned_rows)
        replaced = {name: new.excluded[name] for name in ("basis", "updated_at", "body")}
        query = new.on_conflict_do_update(
            index_elements=list(learned_rows.primary_key),
            set_=replaced,
            where=learned_rows.c.updated_at <= new.excluded.updated_at,
        )
        for first in range(0, len(ordered), _MAX_ROWS):
            with self._database.writing() as connection:
                connection.execute(query, ordered[first : first + _MAX_ROWS])

    def load(self, camera_id: str | None = None) -> list[Learned]:
        """Of one camera with what concerns all, or everything; by camera, rule and kind."""
        row = learned_rows.c
        query = select(learned_rows)
        if camera_id is not None:
            query = query.where(or_(row.camera_id == camera_id, row.camera_id == ""))
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        # Here and not by the database, whose order of words depends on its locale.
        return sorted((_read(stored) for stored in found), key=_key)

    def forget(self, camera_id: str | None = None, rule_id: str | None = None) -> int:
        """Delete what matches both that are given; how many."""
        wanted: list[ColumnElement[bool]] = []
        if camera_id is not None:
            wanted.append(learned_rows.c.camera_id == camera_id)
        if rule_id is not None:
            wanted.append(learned_rows.c.rule_id == rule_id)
        with self._database.writing() as connection:
            return connection.execute(delete(learned_rows).where(*wanted)).rowcount


def _key(one: Learned) -> tuple[str, str, str]:
    return one.camera_id, one.rule_id, one.kind.value


def _row(one: Learned) -> dict[str, Any]:
    return {
        "camera_id": one.camera_id,
        "rule_id": one.rule_id,
        "kind": one.kind.value,
        "basis": one.basis,
        "updated_at": one.updated_at,
        "body": one.body,
    }


def _read(row: Row[Any]) -> Learned:
    return Learned(row.camera_id, row.rule_id, LearnedKind(row.kind), row.basis, row.updated_at, bytes(row.body))
