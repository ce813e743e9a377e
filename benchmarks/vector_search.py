"""How fast moments are found among many by likeness, and how many of the right ones: LanceDB against looking at all.

The vectors are made up: each of `CAMERAS` cameras has some states (day, night, a lorry in the yard), each a direction
of its own, and every moment is a state with noise as long as 0.64 of it, the same in all 256 directions. That is harder
than pictures are: the moments of a state are about equally far from each other. Queries by picture are another moment
of a state; those by words lie between two states, near to no moment. Each kind is asked among all, of one camera, of
one camera in an hour and of one label. Right is what a look at every matching vector finds. The processor's time, of
all threads together, tells what a search costs where other work is on the machine.

`store.vectors`' figures (`EXACT_UP_TO`, `_MORE`, `_FEWEST_CELLS`) were chosen on vectors made so; the queries of the
choosing were others.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from measure import ROOT, parser, save, show
from numpy.typing import NDArray

sys.path.insert(0, str(ROOT))

from pipeline.contracts.vectors import Among, KeptVector
from pipeline.store.vectors import LanceVectorStore

CAMERAS, STATES, DIMENSIONS = 30, 12, 256
NOISE = 0.04
"""Of a direction."""
LIMIT = 10
START = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH = 20_000
_LABELS = ("person", "car", "bicycle", "")
"""By thirds of what is seen: none, too."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Made:
    """What is kept: moment n is of camera n % CAMERAS, a second after each CAMERAS."""

    states: Vectors
    """(CAMERAS, STATES, D)."""
    vectors: Vectors
    """(N, D)."""
    labels: NDArray[np.int64]


def unit(vectors: Vectors) -> Vectors:
    """Each of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def noise(rng: np.random.Generator, number: int) -> Vectors:
    """(number, D)."""
    return rng.standard_normal((number, DIMENSIONS), np.float32) * np.float32(NOISE)


def make(number: int, rng: np.random.Generator) -> Made:
    """Moments of all cameras in turn."""
    states = unit(rng.standard_normal((CAMERAS, STATES, DIMENSIONS), np.float32))
    cameras = np.arange(number) % CAMERAS
    vectors = unit(states[cameras, rng.integers(0, STATES, number)] + noise(rng, number))
    return Made(states, vectors, rng.integers(0, len(_LABELS), number))


def keep(store: LanceVectorStore, made: Made) -> float:
    """Add all; seconds."""
    started = time.perf_counter()
    for first in range(0, len(made.vectors), _BATCH):
        store.add([moment(made, n) for n in range(first, min(first + _BATCH, len(made.vectors)))])
    return time.perf_counter() - started


def moment(made: Made, n: int) -> KeptVector:
    """Number n."""
    label = _LABELS[made.labels[n]]
    at = START + timedelta(seconds=n // CAMERAS)
    return KeptVector(f"camera-{n % CAMERAS}", at, at, "made-up", made.vectors[n], frozenset({label} - {""}))


def asked(made: Made, kind: str, number: int, rng: np.random.Generator) -> Vectors:
    """Vectors to look for."""
    one, other = (made.states[rng.integers(0, CAMERAS, number), rng.integers(0, STATES, number)] for _ in range(2))
    return unit((one if kind == "a picture" else one + other) + noise(rng, number))


def amongs(number: int) -> dict[str, tuple[Among, Callable[[Made], NDArray[np.bool_]]]]:
    """By words: what is asked for, and which moments that are."""
    half = number // CAMERAS // 2
    length = min(3600, half)
    start = START + timedelta(seconds=half)
    ids = np.arange(number)
    is_camera, is_hour = ids % CAMERAS == 3, (ids // CAMERAS >= half) & (ids // CAMERAS < half + length)
    hour = Among(camera_ids=("camera-3",), start=start, end=start + timedelta(seconds=length))
    return {
        "all": (Among(), lambda _: np.ones(number, np.bool_)),
        "a camera": (Among(camera_ids=("camera-3",)), lambda _: is_camera),
        "a camera, an hour": (hour, lambda _: is_camera & is_hour),
        "a label": (Among(labels=("person",)), lambda made: made.labels == 0),
    }


def measure(store: LanceVectorStore, made: Made, num_queries: int, rng: np.random.Generator) -> list[list[object]]:
    """A row for each kind of query and each filter."""
    rows: list[list[object]] = []
    for kind in ("a picture", "words"):
        for name, (among, which) in amongs(len(made.vectors)).items():
            matching = np.flatnonzero(which(made))
            times, works, recalls = [], [], []
            for number, query in enumerate(asked(made, kind, num_queries + 10, rng)):
                started, worked = time.perf_counter(), time.process_time()
                found = store.search("made-up", query, among, LIMIT)
                if number < 10:  # warm-up
                    continue
                times.append((time.perf_counter() - started) * 1000)
                works.append((time.process_time() - worked) * 1000)
                best = matching[np.argpartition(-(made.vectors[matching] @ query), LIMIT)[:LIMIT]]
                right = {(f"camera-{n % CAMERAS}", START + timedelta(seconds=int(n) // CAMERAS)) for n in best}
                recalls.append(len(right & {(one.camera_id, one.captured_at) for one in found}) / LIMIT)
            p50, p95 = np.quantile(times, [0.5, 0.95])
            row = [kind, name, len(matching), float(p50), float(p95), float(np.quantile(works, 0.95))]
            rows.append([*row, float(np.mean(recalls)), min(recalls)])
            print(*rows[-1], flush=True)
    return rows


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--vectors", type=int, default=1_000_000)
    arguments.add_argument("--queries", type=int, default=100)
    given = arguments.parse_args()
    rng = np.random.default_rng(11)
    made = make(given.vectors, rng)
    with tempfile.TemporaryDirectory(prefix="sightline-vectors-") as folder:
        adding_seconds = keep(LanceVectorStore(folder), made)
        started = time.perf_counter()
        LanceVectorStore(folder).upkeep()
        upkeep_seconds = time.perf_counter() - started
        print(f"kept in {adding_seconds:.0f} s, indexed in {upkeep_seconds:.0f} s", flush=True)
        megabytes = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
        rows = measure(LanceVectorStore(folder), made, given.queries, rng)
    columns = ["query", "among", "matching", "p50, ms", "p95, ms", "processor p95, ms", f"recall@{LIMIT}", "least"]
    show(f"{given.vectors:,} vectors of {DIMENSIONS}, {megabytes:,.0f} MB", columns, rows)
    if given.save:
        figures = {
            "vectors": given.vectors,
            "queries": given.queries,
            "adding_seconds": adding_seconds,
            "upkeep_seconds": upkeep_seconds,
            "megabytes": megabytes,
            "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        }
        save("vector_search", figures)


if __name__ == "__main__":
    main()
