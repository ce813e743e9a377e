"""Candidates on their way to the bus: pictures kept, published, and again until it is durable.

One camera's candidates keep their order whatever fails in between: what opened is durable before what closes it
is published. Cameras do not wait for each other, as long as there are threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Protocol

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import CandidateMessage, Publisher, Record, Topic
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.errors import InvalidMessage
from pipeline.runtime.findings import Findings
from pipeline.runtime.ordered_work import OrderedWork, Wait
from pipeline.runtime.watcher.intake import Assignment, RecordInHand
from pipeline.sampling.ring import FrameRing
from pipeline.telemetry import FaultLog, Metrics
from pipeline.transport.codec import contract_record

log = structlog.get_logger()
STAGE = "watchers"
"""As dead letters and metrics call it."""
_DEAD_LETTERS = ""
"""Key of their jobs; no camera has it."""
_NUM_THREADS = 4
"""A candidate takes some milliseconds, or some hundred where evidence is kept far away."""


class DeadLetterBox(Protocol):
    """Where records go that can never be handled."""

    def put(self, record: Record, reason: str, stage: str) -> Future[None]:
        """Set a record aside for a person; the future is done once that is durable. Fails as a `Publisher` does."""
        ...


class Teller:
    """Thread-safe; returns at once."""

    def __init__(
        self, publisher: Publisher, dead_letters: DeadLetterBox, findings: Findings, metrics: Metrics, clock: Clock
    ) -> None:
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._findings = findings
        self._metrics = metrics
        self.work = OrderedWork("tell", _NUM_THREADS, FaultLog("candidates", done="published"), clock)

    def tell(self, candidate: Candidate, ring: FrameRing, assignment: Assignment) -> None:
        """Keep its pictures and publish it, unless its camera is lost meanwhile: then the next owner tells it."""
        message = lru_cache(1)(partial(self._findings.message, candidate, ring))

        def job(wait: Wait) -> None:
            if assignment.is_revoked:
                return
            self._publish(message(), wait)
            if candidate.state is CandidateState.OPENED:
                self._findings.opened(message().candidate, ring)

        self.work.put(candidate.camera_id, job)

    def tell_clip(self, candidate: Candidate, clip_uri: str) -> None:
        """Say where the clip of a candidate is."""
        message = self._findings.clip_message(candidate, clip_uri)
        self.work.put(candidate.camera_id, partial(self._publish, message))

    def afterwards(self, camera_id: str, action: Callable[[], None]) -> None:
        """Once all that was told of a camera until now is durable."""
        self.work.put(camera_id, lambda _: action())

    def set_aside(self, item: RecordInHand, reason: str) -> None:
        """Make a dead letter of a record, which is done once that is durable; of a replayed one there is one."""

        def job(wait: Wait) -> None:
            if not item.record.is_replay and not item.assignment.is_revoked:
                wait(self._dead_letters.put(item.record, reason, STAGE))
            item.done()

        self.work.put(_DEAD_LETTERS, job)

    def _publish(self, message: CandidateMessage, wait: Wait) -> None:
        try:
            wait(self._publisher.publish(Topic.CANDIDATES, *contract_record(message)))
        except InvalidMessage as error:
            log.warning(
                "a candidate is told without details: too large", incident=message.candidate.id, error=str(error)
            )
            self._metrics.invalid_items.labels("candidates", "too large").inc()
            wait(self._publisher.publish(Topic.CANDIDATES, *contract_record(_without_details(message))))


def _without_details(message: CandidateMessage) -> CandidateMessage:
    """The same without boxes on its key frames and notes on its tracks, which a crowd makes long."""
    candidate = message.candidate
    bare = tuple(frame.model_copy(update={"regions": ()}) for frame in candidate.key_frames)
    return message.model_copy(
        update={"candidate": candidate.model_copy(update={"key_frames": bare, "track_notes": ()})}
    )
