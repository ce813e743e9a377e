"""What earlier owners of cameras told, looked up when their partitions come to this process.

From the database: what is open, and where cooldowns run from. From the tail of `candidates`: what was told since
the first frame that is seen again, of which the database may not know yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import CandidateMessage, Record
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import Incident, IncidentStore
from pipeline.errors import InvalidMessage, TransientError
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.runtime.watcher.intake import Assignment
from pipeline.runtime.watcher.watched_camera import Told
from pipeline.settings import BusSettings
from pipeline.telemetry import FaultLog
from pipeline.transport.codec import read_contract

log = structlog.get_logger()
_SKEW = timedelta(seconds=10)
"""The clocks of the processes that publish may differ by so much."""
_MARGIN = timedelta(seconds=30)
"""Looked back further, so that one look does for all partitions of an assignment."""
_DATABASE_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Between attempts: frames wait meanwhile, and the topic knows most of it."""

ReadCandidates = Callable[[datetime], Iterable[Record]]
"""The records of `candidates` published since then, in order, up to now; `TransientError` while the bus is away."""


@dataclass(slots=True)
class _Found:
    """What was told, by camera."""

    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    with_clip: set[str] = field(default_factory=set)

    def add(self, candidate: Candidate, clip_uri: str) -> None:
        """Messages that bring a clip repeat the candidate as it was when it opened."""
        if not clip_uri or candidate.id not in self.ids:
            self.candidates.setdefault(candidate.camera_id, []).append(candidate)
        self.ids.add(candidate.id)
        if clip_uri:
            self.with_clip.add(candidate.id)


class Handover:
    """Used by the gate's thread."""

    def __init__(
        self,
        incidents: IncidentStore,
        read_candidates: ReadCandidates,
        settings: BusSettings,
        stop: threading.Event,
        pulse: Pulse,
        clock: Clock,
        *,
        longest_cooldown: timedelta = timedelta(),
    ) -> None:
        """`longest_cooldown` of any rule: how far back what was told may happen again."""
        self._incidents = incidents
        self._read_candidates = read_candidates
        self._furthest = timedelta(seconds=settings.fresh_for + settings.rewind_to)
        self._stop = stop
        self._pulse = pulse
        self._clock = clock
        self._longest_cooldown = longest_cooldown
        self._fault = FaultLog("what was told before", "frames wait on the bus", done="read")
        self._found = _Found()
        self._since: datetime | None = None
        self._knows_up_to = 0
        self._last_alerts: Mapping[tuple[str, str], datetime] = {}
        self._lately: Sequence[Candidate] = ()

    def cover(self, assignment: Assignment, first: Record, num_assigned: int) -> None:
        """Before the first record of an assignment is looked at: know what was told since.

        `num_assigned`: the number of the newest assignment. Waits for the bus as long as it takes, for the database
        some seconds. `Stopping` when told to stop.
        """
        # Frames that are older are dropped, so nothing needs to be rebuilt from before them.
        published_at = max(first.published_at, self._clock.now() - self._furthest)
        is_known = self._since is not None and self._since <= published_at - _SKEW
        if not is_known or assignment.number > self._knows_up_to:
            self._look(published_at - _MARGIN, num_assigned)

    def take_told(self, camera_id: str) -> Told:
        """What was told of a camera, once: from then on it is known better where the camera is watched."""
        candidates = tuple(self._found.candidates.pop(camera_id, ()))
        with_clip = self._found.with_clip.intersection(candidate.id for candidate in candidates)
        return Told(candidates, with_clip, self._last_alerts, self._lately)

    def give_back(self, camera_id: str, told: Told) -> None:
        """What was taken belongs to the camera's next stream as well."""
        self._found.candidates[camera_id] = list(told.candidates)

    def _look(self, since: datetime, num_assigned: int) -> None:
        found = _Found()
        for incident in self._open_incidents():
            found.add(incident.candidate, "")
            if incident.clip_uri:
                found.with_clip.add(incident.id)
        for message in until_it_works(lambda: self._tail(since), self._stop, self._pulse, self._fault):
            found.add(message.candidate, message.clip_uri)
        self._found, self._since, self._knows_up_to = found, since, num_assigned
        log.info("partitions taken over", candidates=len(found.ids), since=since.isoformat(timespec="seconds"))

    def _open_incidents(self) -> Sequence[Incident]:
        for wait_seconds in (*_DATABASE_WAITS_SECONDS, None):
            self._pulse.beat()
            try:
                self._last_alerts = self._incidents.last_alerts()
                told = self._incidents.last_told(self._clock.now() - self._longest_cooldown)
                self._lately = [incident.candidate for incident in told]
                return self._incidents.still_open()
            except TransientError as error:
                if wait_seconds is None:
                    log.error(
                        "the database is away: what is open and which cooldowns run is taken from the bus alone",
                        error=str(error),
                    )
                elif self._stop.wait(wait_seconds):
                    raise Stopping from error
        return ()

    def _tail(self, since: datetime) -> list[CandidateMessage]:
        messages = []
        for record in self._read_candidates(since):
            self._pulse.beat()
            try:
                messages.append(read_contract(record, CandidateMessage))
            except InvalidMessage as error:  # the reasoners make a dead letter of it
                log.warning("a record of candidates cannot be read", offset=record.offset, reason=str(error))
        return messages
