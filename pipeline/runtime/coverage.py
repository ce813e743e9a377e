"""The book of what was watched: kept in memory on the threads that read and judge, flushed to a store by another.

In: each frame that was looked at or judged, and conditions that blind a camera, by event time. Out: intervals (see
`contracts/coverage`). No interval of a run overlaps another watched one of it, whatever a camera's clock does: what
was told of once is not told again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.coverage import STOPPED, CoverageStore, Interval, Layer
from pipeline.runtime.coverage_track import CoverageTrack

SEEN_GAP_SECONDS = 2.0
JUDGED_GAP_SECONDS = 12.5
"""Of a camera that says nothing else: that of the default `idle_fps`."""
_MAX_PENDING = 20_000
"""About 8 MB. Reached only when the store is away for long."""


class NoCoverage:
    """A `CoverageStore` that keeps nothing: where there is no database."""

    def extend(self, intervals: Sequence[Interval]) -> None:
        """Forget."""

    def between(self, camera_ids: Collection[str] | None, start: datetime, end: datetime) -> list[Interval]:  # noqa: ARG002
        """Nothing."""
        return []

    def known_since(self, camera_ids: Collection[str] | None = None) -> Mapping[tuple[str, Layer], datetime]:  # noqa: ARG002
        """Nothing."""
        return {}


_Key = tuple[str, Layer, str, datetime]
"""Camera, layer, reason, start."""


def seen_gap_seconds(camera: Camera) -> float:
    """How long a camera may honestly show nothing new: where its key frames alone are decoded at whatever pace they
    have, as long as its rules may go without one."""
    return max(SEEN_GAP_SECONDS, 1.5 / camera.sampling.idle_fps) if camera.decode == "keyframes" else SEEN_GAP_SECONDS


def judged_gap_seconds(camera: Camera) -> float:
    """How long a camera's rules may honestly go without being judged: while nothing moves, one frame in
    1 / `idle_fps` is, give or take half, and some seconds pass in queues."""
    return 1.5 / camera.sampling.idle_fps + 5.0


class CoverageBook:
    """Thread-safe; no call but `flush` waits for the store, and none but `flush` raises.

    While the store is away, finished intervals wait in memory, and from `max_pending` on new ones are not kept: that
    time will read as not running, never as watched. What takes back something stored is always kept.
    """

    def __init__(
        self,
        store: CoverageStore,
        clock: Clock,
        seen_gap_seconds: Mapping[str, float] | None = None,
        judged_gap_seconds: Mapping[str, float] | None = None,
        max_pending: int = _MAX_PENDING,
    ) -> None:
        """Gaps: by camera, the longest silence that is no hole (2 s between frames, 12.5 s between judgements)."""
        self._store = store
        self._clock = clock
        self._gaps = {Layer.PICTURES: dict(seen_gap_seconds or {}), Layer.RULES: dict(judged_gap_seconds or {})}
        self._max_pending = max_pending
        self._lock = threading.Lock()
        self._tracks: dict[tuple[str, Layer], CoverageTrack] = {}
        self._pending: dict[_Key, Interval] = {}

    def set_gap(self, camera_id: str, seen_seconds: float, judged_seconds: float | None = None) -> None:
        """From now on silence of so many seconds is no hole."""
        with self._lock:
            self._gaps[Layer.PICTURES][camera_id] = seen_seconds
            if judged_seconds is not None:
                self._gaps[Layer.RULES][camera_id] = judged_seconds
            for layer in Layer:
                if track := self._tracks.get((camera_id, layer)):
                    track.gap = self._gap(camera_id, layer)

    def seen(self, camera_id: str, at: datetime) -> None:
        """A frame was looked at."""
        with self._lock:
            self._track(camera_id, Layer.PICTURES).at_work(at)

    def judged(self, camera_id: str, at: datetime) -> None:
        """The rules were judged on a frame."""
        with self._lock:
            self._track(camera_id, Layer.RULES).at_work(at)

    def not_judged(self, camera_id: str, reason: str, at: datetime) -> None:
        """A frame was not judged, and why: if that becomes a hole, this is its reason."""
        with self._lock:
            self._track(camera_id, Layer.RULES).excuse = (reason, at)

    def blind(self, camera_id: str, reason: str, since: datetime, detail: str = "") -> None:
        """A condition that blinds began, perhaps a while ago; until it ends frames make no watched time."""
        with self._lock:
            self._track(camera_id, Layer.PICTURES).begin(reason, since, detail)

    def sighted(self, camera_id: str, reason: str, at: datetime) -> None:
        """That condition ended; `at` is the first good moment."""
        with self._lock:
            self._track(camera_id, Layer.PICTURES).end(reason, at)

    def closed(self, camera_id: str, at: datetime | None = None, reason: str = STOPPED) -> None:
        """Nobody reads or judges this camera any more, as asked or because it ended; at once, unless `at` is given."""
        with self._lock:
            pictures, rules = (self._tracks.pop((camera_id, layer), None) for layer in Layer)
            if pictures and rules:
                rules.catch_up(pictures)
            for track in filter(None, (pictures, rules)):
                track.leave(at, reason)

    def forget(self, camera_id: str) -> None:
        """The camera is another process's now; what was told of it stays."""
        with self._lock:
            for layer in Layer:
                if track := self._tracks.pop((camera_id, layer), None):
                    track.leave(None, "")

    def flush(self) -> int:
        """Write what is new, open intervals up to their last moment; how many intervals that were.

        Raises `TransientError` when the store cannot now; the next flush tries again.
        """
        with self._lock:
            taken, self._pending = self._pending, {}
            still_open = [(track, found) for track in self._tracks.values() for found in track.still_open(self._clock)]
        news = [*taken.values(), *(found for _, found in still_open)]
        try:
            if news:
                self._store.extend(news)
        except BaseException:
            with self._lock:
                self._pending = taken | self._pending
            raise
        with self._lock:
            for track, found in still_open:
                track.written[found.reason] = found
        return len(news)

    def _track(self, camera_id: str, layer: Layer) -> CoverageTrack:
        track = self._tracks.get((camera_id, layer))
        if track is None:
            track = self._tracks[camera_id, layer] = CoverageTrack(
                camera_id, layer, self._gap(camera_id, layer), self._keep
            )
        return track

    def _gap(self, camera_id: str, layer: Layer) -> timedelta:
        usual = SEEN_GAP_SECONDS if layer is Layer.PICTURES else JUDGED_GAP_SECONDS
        return timedelta(seconds=self._gaps[layer].get(camera_id, usual))

    def _keep(self, interval: Interval, takes_back: bool) -> None:
        key = (interval.camera_id, interval.layer, interval.reason, interval.start)
        if takes_back or key in self._pending or len(self._pending) < self._max_pending:
            self._pending[key] = interval
