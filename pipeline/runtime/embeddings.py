"""What cameras saw, as vectors on their way to the vector store: one a camera and second, and the peaks of candidates.

The stages only put down what they have made already. A thread of its own writes it, some seconds' worth at a time; a
store that is away or busy makes it late, a long outage loses the oldest, counted. Nothing else waits for it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.observation import MOVING, Observation
from pipeline.contracts.values import Box, unpack_vector
from pipeline.contracts.vectors import KeptVector, VectorStore
from pipeline.errors import ConfigError, TransientError
from pipeline.events.zones import shapes_of
from pipeline.runtime.unwritten import Unwritten
from pipeline.site import Site
from pipeline.telemetry import FaultLog, Metrics

MAX_WAITING = 20_000
"""While the store is away or its index is made: ten minutes of 30 cameras, 1 KiB each and what Python adds."""
_WRITE_SECONDS = 5.0
"""Each write makes a file, and what was written is found from then on."""
_UPKEEP_SECONDS = 600.0
_Key = tuple[str, int, str, str]
"""Camera, second, and of a candidate's its id and state."""


class EmbeddingWriter:
    """`note` may be called from any thread and never waits; `run` is a thread's body."""

    def __init__(
        self, store: VectorStore, model_id: Callable[[], str], site: Site, metrics: Metrics, clock: Clock
    ) -> None:
        """`model_id` tells, once there are observations, whose vectors they carry."""
        self._store = store
        self._model_id = model_id
        self._site = site
        self._metrics = metrics
        self._clock = clock
        self._waiting = Unwritten[_Key, KeptVector](self._add, MAX_WAITING)
        self._seconds: dict[str, int] = {}
        """The last second kept, by camera."""
        self._next_upkeep = clock.monotonic() + _UPKEEP_SECONDS
        self._write_fault = FaultLog("what cameras saw", "search finds it late")
        self._upkeep_fault = FaultLog("the index of what cameras saw", "search is slower", done="kept up")

    def follow(self, site: Site) -> None:
        """The site file changed. Any thread."""
        self._site = site

    def note(self, observation: Observation, candidates: Sequence[Candidate]) -> None:
        """What a frame looked like, if it is the first of its second, and what it leads to. Returns at once."""
        camera = self._site.camera(observation.camera_id)
        found: dict[_Key, KeptVector] = {}
        second = math.floor(observation.captured_at.timestamp())
        if self._seconds.get(observation.camera_id) != second and (moment := self._moment(observation, camera)):
            self._seconds[observation.camera_id] = second
            found[(observation.camera_id, second, "", "")] = moment
        for candidate in candidates:
            if (peak := self._peak(candidate, camera)) is not None:
                found[(candidate.camera_id, second, candidate.id, candidate.state.value)] = peak
        self._count_lost(self._waiting.put(found))

    def run(self, stop: threading.Event) -> None:
        """Write every few seconds until told to stop, and once more then."""
        while not stop.wait(_WRITE_SECONDS):
            self.keep()
        _try(self._waiting.flush, self._write_fault)

    def keep(self) -> None:
        """Write what waits; every ten minutes see to the store's files and index."""
        _try(self._waiting.flush, self._write_fault)
        if self._clock.monotonic() >= self._next_upkeep:
            _try(self._store.upkeep, self._upkeep_fault)
            self._next_upkeep = self._clock.monotonic() + _UPKEEP_SECONDS

    def _add(self, vectors: Collection[KeptVector]) -> None:
        try:
            self._store.add(list(vectors))
        except ConfigError:
            self._count_lost(len(vectors))
            raise

    def _count_lost(self, number: int) -> None:
        if number:
            self._metrics.invalid_items.labels("embeddings", "lost").inc(number)

    def _moment(self, seen: Observation, camera: Camera | None) -> KeptVector | None:
        """The whole frame; None without an encoder."""
        vector = _unit(seen.embedding)
        if vector is None:
            return None
        size = seen.width, seen.height
        labels = frozenset(region.label for region in seen.regions) - {MOVING}
        zones = _zones([region.box for region in seen.regions], camera, size)
        return KeptVector(seen.camera_id, seen.captured_at, self._clock.now(), self._model_id(), vector, labels, zones)

    def _peak(self, candidate: Candidate, camera: Camera | None) -> KeptVector | None:
        """What it looked like when it was surest: as it opens, and as it ends; None without an encoder."""
        vector = _unit(unpack_vector(candidate.embedding))
        if vector is None or candidate.state is CandidateState.UPDATED:
            return None
        peak = next((key for key in candidate.key_frames if key.role == "peak"), None)
        regions = peak.regions if peak is not None else ()
        return KeptVector(
            candidate.camera_id,
            peak.captured_at if peak is not None else candidate.opened_at,
            self._clock.now(),
            candidate.models.get("encoder") or self._model_id(),
            vector,
            frozenset(region.label for region in regions) - {MOVING},
            _zones([Box(*region.box) for region in regions], camera, candidate.picture_size),
            candidate.id,
        )


def _unit(vector: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Of unit length; None for what has no direction."""
    length = float(np.linalg.norm(vector)) if vector is not None else 0.0
    return vector / np.float32(length) if vector is not None and 0 < length < math.inf else None


def _zones(boxes: Sequence[Box], camera: Camera | None, size: tuple[int, int]) -> frozenset[str]:
    """The camera's zones in which the foot of any of these stands."""
    if camera is None or not boxes or not all(size):
        return frozenset()
    areas = shapes_of(camera, *size).areas
    return frozenset(name for name, area in areas.items() if any(area.depth_px(*box.foot) > 0 for box in boxes))


def _try(work: Callable[[], object], fault: FaultLog) -> None:
    try:
        work()
    except (TransientError, ConfigError) as error:
        fault.failed(error)
    else:
        fault.worked()
