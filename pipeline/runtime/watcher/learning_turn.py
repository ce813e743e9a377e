"""What a watcher's deciding thread does between frames: reviews to the rules, what is learned to be kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from pipeline.clock import Clock
from pipeline.contracts.incident import Incident
from pipeline.runtime.learning import LearnedBook
from pipeline.runtime.watcher.watched_camera import WatchedCamera

_KEEP_SECONDS = 10.0
"""Between looks for what was learned and is due to be kept."""


class LearningTurn:
    """For the deciding thread, but for `review`."""

    def __init__(self, cameras: Callable[[], Iterable[WatchedCamera]], learned: LearnedBook, clock: Clock) -> None:
        self._cameras = cameras
        self._learned = learned
        self._clock = clock
        self._reviewed: deque[Incident] = deque()
        self._next_keeping = clock.monotonic() + _KEEP_SECONDS
        self._in_care: dict[int, WatchedCamera] = {}
        """By object: a camera that comes back is another one."""

    def review(self, incident: Incident) -> None:
        """A person has judged an incident, maybe of a camera that is watched elsewhere. Any thread."""
        self._reviewed.append(incident)

    def take(self) -> None:
        """Do what is due."""
        while self._reviewed:
            incident = self._reviewed.popleft()
            for watched in self._cameras():
                watched.review(incident)
        if self._clock.monotonic() >= self._next_keeping:
            self._next_keeping = self._clock.monotonic() + _KEEP_SECONDS
            self._keep(is_last=False)

    def ended(self, watched: WatchedCamera) -> None:
        """Its stream is over, and it is forgotten."""
        self._in_care.pop(id(watched), None)
        self._learned.put(watched.learned(self._clock.now(), is_last=True))

    def finish(self) -> None:
        """Once nothing is decided any more: all that was learned is to be kept."""
        self._keep(is_last=True)

    def _keep(self, *, is_last: bool) -> None:
        """Of cameras that went to another process since the last time, all."""
        now = self._clock.now()
        before, self._in_care = self._in_care, {id(watched): watched for watched in self._cameras()}
        for key, watched in (before | self._in_care).items():
            self._learned.put(watched.learned(now, is_last=is_last or key not in self._in_care))
