"""`VectorStore` on LanceDB: a folder, or a URL such as `s3://bucket/vectors`.

One table an encoder, since vectors of two are never compared. Where there are many an index of cells (IVF) with 8-bit
codes proposes more than are wanted, and the vectors themselves decide: the fewer match, the more of the cells are
looked into, up to all. LanceDB is imported when a place is first opened: it takes more than a second.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.vectors import Among, KeptVector, Neighbour
from pipeline.errors import ConfigError, SightlineError, TransientError
from pipeline.telemetry import hide_credentials

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
    from lancedb.db import DBConnection
    from lancedb.query import LanceVectorQueryBuilder
    from lancedb.table import Table

EXACT_UP_TO = 20_000
"""Matching moments that are all looked at: some milliseconds. Of more, about so many are; and from so many on there is
an index."""
_MORE = 5
"""Times as many as are wanted are proposed by the codes (`benchmarks/vector_search.py`)."""
_FEWEST_CELLS = 20
_GROWTH = 2
"""The index is made anew when the root of the number of vectors, its cells, has grown by this."""
_OLD_VERSIONS = timedelta(minutes=10)
"""Readers of other processes may be at work on one for so long."""
_AT_ONCE = timedelta(milliseconds=1)
_PREFIX = "looks-"
"""Begins the names of the tables."""
_CELLS = "cells-"
"""Begins the name of the vectors' index; how many it has follows."""
_VECTOR = "vector"
_SHOWN = ("camera_id", "at", "labels", "zones", "incident_id")
"""What a neighbour tells."""
_FRAGMENT_BITS = 32
"""A row's id is the number of its fragment, then its place in it."""


def is_installed() -> bool:
    """Whether vectors can be kept at all: LanceDB is an extra."""
    return find_spec("lancedb") is not None


class LanceVectorStore:
    """A table an encoder; opened when first needed."""

    def __init__(self, url: str, *, exact_up_to: int = EXACT_UP_TO) -> None:
        """Touches nothing yet."""
        self._url = url
        self._shown = hide_credentials(url)
        self._exact_up_to = exact_up_to
        self._lock = threading.Lock()
        self._database: DBConnection | None = None
        self._tables: dict[str, Table] = {}

    def add(self, vectors: Sequence[KeptVector]) -> None:
        """Keep these: of each encoder all or none."""
        spaces: defaultdict[str, list[KeptVector]] = defaultdict(list)
        for one in vectors:
            spaces[_table_name(one.model_id, one.vector.size)].append(one)
        with self._faults():
            for name, some in spaces.items():
                rows = _rows(some)
                self._made(name, rows.schema).add(rows)

    def search(self, model_id: str, vector: NDArray[np.float32], among: Among, limit: int) -> list[Neighbour]:
        """The most alike of that encoder, the nearest first."""
        with self._faults():
            table = self._there(_table_name(model_id, vector.size))
            if table is None:
                return []
            where = _where(among)
            num_matching = table.count_rows(where or None)
            if not num_matching:
                return []
            num_cells = math.isqrt(table.count_rows()) + 1
            share = min(self._exact_up_to / num_matching, 1.0)
            found = _nearest(table, vector, where, limit, max(math.ceil(num_cells * share), _FEWEST_CELLS))
            if len(found) < min(limit, num_matching):  # what matches is in none of the cells nearest to the question
                found = _nearest(table, vector, where, limit, num_cells)
            return found

    def num_of_others(self, model_id: str, num_dimensions: int, among: Among) -> int:
        """How many moments another encoder saw."""
        ours, where = _table_name(model_id, num_dimensions), _where(among) or None
        with self._faults():
            return sum(table.count_rows(where) for table in self._all() if table.name != ours)

    def erase(self, camera_id: str, start: datetime, end: datetime, incident_ids: Sequence[str] = ()) -> int:
        """Remove a camera's moments in [start, end) and those of these incidents, from the files too; how many."""
        span = f"(at >= {_moment(start)} AND at < {_moment(end)})"
        known = f" OR incident_id IN {_listed(incident_ids)}" if incident_ids else ""
        where = f"camera_id = {_quoted(camera_id)} AND ({span}{known})"
        with self._faults():
            return sum(_erase(table, where) for table in self._all())

    def forget_before(self, before: datetime) -> int:
        """Remove what was kept before then, of every camera; how many. The files follow with the upkeep."""
        where = f"kept_at < {_moment(before)}"
        with self._faults():
            old = {table: number for table in self._all() if (number := table.count_rows(where))}
            for table in old:
                table.delete(where)
            return sum(old.values())

    def upkeep(self) -> None:
        """Merge small files, keep the index true to what is kept, let old versions go."""
        with self._faults():
            for table in self._all():
                table.optimize(cleanup_older_than=_OLD_VERSIONS)
                if table.count_rows() > self._exact_up_to:
                    _index(table)

    def close(self) -> None:
        """Let go of the place; may be called twice."""
        with self._lock:
            self._database = None
            self._tables.clear()

    def _opened(self) -> DBConnection:
        os.environ.setdefault("LANCEDB_LOG", "error")  # else it tells standard error of each empty cell
        try:
            import lancedb
        except ImportError as error:
            raise ConfigError("vectors are kept by LanceDB: pip install 'sightline[search]'") from error
        with self._lock:
            if self._database is None:
                # Without an interval a table would never see what other processes have added since it was opened.
                always = timedelta(0)
                try:
                    self._database = lancedb.connect(self._url, read_consistency_interval=always)
                except (OSError, ValueError) as error:
                    raise ConfigError(f"vectors cannot be kept at {self._shown}: {error}") from error
            return self._database

    def _names(self) -> list[str]:
        """Of the tables that are there; a folder that is not there is not made for it."""
        if "://" not in self._url and not Path(self._url).exists():
            return []
        return [name for name in self._opened().list_tables().tables if name.startswith(_PREFIX)]

    def _there(self, name: str) -> Table | None:
        with self._lock:
            known = self._tables.get(name)
        if known is not None:
            return known
        return self._kept(name, self._opened().open_table(name)) if name in self._names() else None

    def _made(self, name: str, schema: pa.Schema) -> Table:
        there = self._there(name)
        return there or self._kept(name, self._opened().create_table(name, schema=schema, exist_ok=True))

    def _all(self) -> list[Table]:
        return [table for name in self._names() if (table := self._there(name)) is not None]

    def _kept(self, name: str, table: Table) -> Table:
        with self._lock:
            return self._tables.setdefault(name, table)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except SightlineError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            self.close()  # a table that another process has made anew is opened again
            reason = hide_credentials(str(error))[:500]
            raise TransientError(f"vectors at {self._shown} cannot now: {reason}") from error


def _table_name(model_id: str, num_dimensions: int) -> str:
    text = f"{model_id}\x1f{num_dimensions}"
    return _PREFIX + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _rows(vectors: Sequence[KeptVector]) -> pa.Table:
    import pyarrow as pa

    # 32 bits: of 16-bit floats an index of 20,000 takes minutes, of these a second.
    flat = np.stack([one.vector for one in vectors]).astype(np.float32)
    words, moments = pa.list_(pa.string()), pa.timestamp("us", tz="UTC")
    columns = {
        "camera_id": pa.array([one.camera_id for one in vectors], pa.string()),
        "at": pa.array([one.captured_at.astimezone(UTC) for one in vectors], moments),
        "kept_at": pa.array([one.kept_at.astimezone(UTC) for one in vectors], moments),
        "incident_id": pa.array([one.incident_id for one in vectors], pa.string()),
        "labels": pa.array([sorted(one.labels) for one in vectors], words),
        "zones": pa.array([sorted(one.zones) for one in vectors], words),
        _VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1]),
    }
    return pa.table(columns)


def _nearest(table: Table, vector: NDArray[np.float32], where: str, limit: int, num_cells: int) -> list[Neighbour]:
    """The nearest in so many cells, the nearest cells first; without an index all are looked at."""
    query = cast("LanceVectorQueryBuilder", table.search(vector.astype(np.float32), _VECTOR)).distance_type("dot")
    query = query.nprobes(num_cells).refine_factor(_MORE).select([*_SHOWN, "_distance"]).limit(limit)
    if where:
        query = query.where(where, prefilter=True)
    return [_neighbour(row) for row in query.to_arrow().to_pylist()]


def _neighbour(row: Mapping[str, Any]) -> Neighbour:
    return Neighbour(
        camera_id=row["camera_id"],
        captured_at=row["at"],
        similarity=1.0 - row["_distance"],
        labels=tuple(row["labels"]),
        zones=tuple(row["zones"]),
        incident_id=row["incident_id"],
    )


def _where(among: Among) -> str:
    """SQL that is true of what is looked through; empty for everything."""
    terms = []
    if among.camera_ids:
        terms.append(f"camera_id IN {_listed(among.camera_ids)}")
    terms += [
        f"array_has_any({column}, [{', '.join(map(_quoted, wanted))}])"
        for column, wanted in (("labels", among.labels), ("zones", among.zones))
        if wanted
    ]
    if among.start is not None:
        terms.append(f"at >= {_moment(among.start)}")
    if among.end is not None:
        terms.append(f"at < {_moment(among.end)}")
    return " AND ".join(terms)


def _quoted(word: str) -> str:
    """A literal that says nothing else, whatever stands in it."""
    return "'" + word.replace("'", "''") + "'"


def _listed(words: Sequence[str]) -> str:
    return f"({', '.join(map(_quoted, words))})"


def _moment(at: datetime) -> str:
    return f"timestamp '{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"


def _erase(table: Table, where: str) -> int:
    """Rows out of the table, and their bytes out of its files.

    A deleted row stays in its file until a tenth of the file is deleted. So what else is in these files is moved to
    new ones first: then nothing is left in them, and they go with the old versions. Cut short, it is found again.
    """
    ids = table.search().where(where).with_row_id(True).select(["at"]).to_arrow()["_rowid"].to_numpy()
    if not ids.size:
        return 0
    for fragment in np.unique(ids >> _FRAGMENT_BITS).tolist():
        inside = f"_rowid >= {fragment << _FRAGMENT_BITS} AND _rowid < {(fragment + 1) << _FRAGMENT_BITS}"
        table.update(where=f"{inside} AND NOT ({where})", values_sql={"incident_id": "incident_id"})
    table.delete(where)
    for _ in range(2):  # the first makes the index without them, the second lets go of the one before
        table.optimize(cleanup_older_than=_AT_ONCE)
    return int(ids.size)


def _index(table: Table) -> None:
    """Make what is missing, or has too few cells."""
    from lancedb.index import Bitmap, BTree, IvfSq, LabelList

    names = {index.name for index in table.list_indices()}
    kinds: dict[str, Bitmap | BTree | LabelList] = {
        "camera_id": Bitmap(),
        "at": BTree(),
        "kept_at": BTree(),
        "labels": LabelList(),
        "zones": LabelList(),
        "incident_id": BTree(),
    }
    for column in kinds.keys() - names:
        table.create_index(column, config=kinds[column], name=column)
    made = {name: int(name.removeprefix(_CELLS)) for name in names if name.startswith(_CELLS)}
    num_cells = math.isqrt(table.count_rows())
    if num_cells < _GROWTH * max(made.values(), default=0):
        return
    cells = IvfSq(distance_type="dot", num_partitions=num_cells)
    table.create_index(_VECTOR, config=cells, name=f"{_CELLS}{num_cells}")
    for name in made:
        table.drop_index(name)
