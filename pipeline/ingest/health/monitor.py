"""The health of one camera: what becomes of its connection and its frames in, changes of its condition out."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from pipeline.clock import Clock
from pipeline.contracts.camera import Camera
from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.health import BLIND, Condition, HealthChange, HealthListener
from pipeline.errors import InvalidMessage
from pipeline.ingest.health.episode import Episode
from pipeline.ingest.health.pace import Pace
from pipeline.ingest.health.pictures import PictureHealth, Verdict
from pipeline.jpeg import luma_of
from pipeline.settings import IngestSettings

log = structlog.get_logger()

_LOOK_EVERY = timedelta(seconds=0.95)
"""Between two looks at pictures, of frame time."""
_GAP = timedelta(seconds=60)
"""Frames further apart do not prove that anything lasted."""
_CLEAR_SHARE = 1 / 3
"""Of the debounce: how long a condition must be gone to be over. Offline is over with the first good frame."""
_OF_PICTURES = (Condition.FROZEN, Condition.BLACK, Condition.COVERED, Condition.MOVED, Condition.BLURRED)


class HealthMonitor:
    """A `StreamListener` that tells a `HealthListener`: one condition at a time, the worst. Thread-safe.

    `tick` is to be called every second or so: what a camera does not send, no frame tells. Pictures are judged about
    once a second of frame time: 7 ms for 1080p as JPEG, 5 ms as pixels (`benchmarks/health_detectors.py`).
    """

    def __init__(self, camera: Camera, settings: IngestSettings, listener: HealthListener, clock: Clock) -> None:
        self._camera_id = camera.id
        self._settings = settings
        self._listener = listener
        self._clock = clock
        self._lock = threading.RLock()
        self._pictures = PictureHealth()
        self._pace = Pace(camera)
        self._clock_verdict = Verdict(Condition.CLOCK_WRONG, None)
        self._lost: Verdict | None = None
        self._back_at: tuple[datetime, float] | None = None
        self._looked_at: datetime | None = None
        self._told: HealthChange | None = None
        self._episodes = self._start(camera)

    @property
    def condition(self) -> Condition | None:
        """What is wrong now, as it was told."""
        told = self._told
        return told.condition if told else None

    @property
    def is_blind(self) -> bool:
        """Whether nothing is being watched now."""
        return self.condition in BLIND

    def connected(self, at: datetime) -> None:
        """See `StreamListener`; it is the frames that prove it."""

    def lost(self, at: datetime, reason: str) -> None:  # noqa: ARG002 - the clock counts
        """See `StreamListener`."""
        with self._lock:
            self._lost, self._back_at = Verdict(Condition.OFFLINE, True, reason), None
            self._pace.restart()
            self._clock_verdict = Verdict(Condition.CLOCK_WRONG, None)
            self.tick()

    def frame(self, frame: Frame | EncodedFrame) -> None:
        """See `StreamListener`."""
        with self._lock:
            now, seconds = self._clock.now(), self._clock.monotonic()
            # By the frame's own time, as the account of what was watched: it may have lain about for seconds.
            self._recover(min(frame.captured_at, now), seconds)
            self._pace.arrived(seconds, frame.captured_at)
            self._look(frame)
            self.tick()

    def clock_off(self, at: datetime, offset_seconds: float | None) -> None:  # noqa: ARG002
        """See `StreamListener`."""
        with self._lock:
            is_bad = offset_seconds is not None
            ahead = offset_seconds or 0.0
            detail = f"the camera's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
            threshold = self._settings.clock_tolerance
            self._clock_verdict = Verdict(Condition.CLOCK_WRONG, is_bad, detail, offset_seconds, threshold)
            self.tick()

    def tick(self) -> None:
        """Count what has lasted by this machine's clock, and tell."""
        with self._lock:
            now, seconds = self._clock.now(), self._clock.monotonic()
            if self._lost is not None:
                self._update(self._lost, now, seconds)
            self._update(self._pace.verdict, now, seconds)
            self._update(self._clock_verdict, now, seconds)
            if self._is_on(Condition.OFFLINE):
                self._forget_pictures()
            self._tell(now)

    def _start(self, camera: Camera) -> dict[Condition, Episode]:
        """An episode for each condition that is told, worst first."""
        now, seconds = self._clock.now(), self._clock.monotonic()
        given = {condition: camera.debounce_seconds(condition) for condition in Condition}
        return {
            condition: Episode(after, 0.0 if condition is Condition.OFFLINE else after * _CLEAR_SHARE, now, seconds)
            for condition, after in given.items()
            if after is not None
        }

    def _recover(self, at: datetime, seconds: float) -> None:
        """A connection is back with the first of two frames that belong together: a drip of single frames between
        failures is one outage, not many."""
        if self._lost is None:
            self._update(Verdict(Condition.OFFLINE, False), at, seconds)
        elif self._back_at is None or seconds - self._back_at[1] > 2 * self._settings.read_timeout:
            self._back_at = (at, seconds)
        else:
            self._lost = None
            self._update(Verdict(Condition.OFFLINE, False), *self._back_at)

    def _look(self, frame: Frame | EncodedFrame) -> None:
        at, last = frame.captured_at, self._looked_at
        if last is not None and timedelta(0) <= at - last < _LOOK_EVERY:
            return
        if last is not None and not timedelta(0) <= at - last <= _GAP:
            self._forget_pictures()
        self._looked_at = at
        try:
            verdicts = self._pictures.look(luma_of(frame), at)
        except InvalidMessage as error:
            log.warning("a picture cannot be judged", camera=self._camera_id, reason=str(error))
            return
        for verdict in verdicts:
            self._update(verdict, at, at.timestamp())

    def _update(self, verdict: Verdict, at: datetime, seconds: float) -> None:
        if (episode := self._episodes.get(verdict.condition)) is not None:
            episode.update(verdict, at, seconds)

    def _forget_pictures(self) -> None:
        for condition in _OF_PICTURES:
            if (episode := self._episodes.get(condition)) is not None:
                episode.forget()

    def _is_on(self, condition: Condition) -> bool:
        episode = self._episodes.get(condition)
        return episode is not None and episode.is_on

    def _tell(self, now: datetime) -> None:
        worst = next((condition for condition in self._episodes if self._is_on(condition)), None)
        told = self._told
        if (told.condition if told else None) is worst:
            return
        if told is not None:
            self._listener.changed(self._over(told, now))
        self._told = self._begun(worst, now) if worst is not None else None
        if self._told is not None:
            self._listener.changed(self._told)

    def _begun(self, condition: Condition, now: datetime) -> HealthChange:
        episode = self._episodes[condition]
        verdict = episode.verdict or Verdict(condition, True)
        at = self._looked_at if condition in _OF_PICTURES and self._looked_at else now
        return HealthChange(
            camera_id=self._camera_id,
            condition=condition,
            is_on=True,
            since=episode.since or at,
            at=at,
            detail=verdict.detail,
            value=verdict.value,
            threshold=verdict.threshold,
        )

    def _over(self, told: HealthChange, now: datetime) -> HealthChange:
        at = self._episodes[told.condition].well_at
        if at is None:
            at = self._looked_at if told.condition in _OF_PICTURES and self._looked_at else now
        return HealthChange(
            camera_id=self._camera_id,
            condition=told.condition,
            is_on=False,
            since=told.since,
            at=max(at, told.since),
            detail="",
        )
