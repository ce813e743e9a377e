"""The one thread that puts the frames of all cameras on the bus, whatever the broker does.

In: backlogs that have something to send. Out: durable records. A record that could not be published goes back
to the front of its backlog and is sent again after a wait that grows while the broker is away.
"""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import Publisher, Topic
from pipeline.errors import InvalidMessage, Overloaded, TransientError
from pipeline.runtime.ingest.backlog import Backlog, Outgoing
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.telemetry import FaultLog, Metrics

log = structlog.get_logger()
_RETRY_FROM_SECONDS = 0.1
_RETRY_TO_SECONDS = 5.0
_RATE_OVER_SECONDS = 10
_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 5.0
"""A broker that acknowledges nothing for so long is told of; the publisher itself gives up later."""


@dataclass(slots=True)
class SentCounts:
    """What became of the records; frames only."""

    frames_published: int = 0
    bytes_published: int = 0
    frames_refused: int = 0
    """Too large for the broker."""


class FrameSender:
    """`run` is the body of a thread; `offer` is for backlogs; the rest is for any thread."""

    def __init__(self, publisher: Publisher, prepare: Callable[[], None], metrics: Metrics, clock: Clock) -> None:
        """`prepare` makes what must be there before the first record (the topics); `TransientError` to try again."""
        self.counts = SentCounts()
        self.pulse = Pulse("publishing", clock)
        self._publisher = publisher
        self._prepare = prepare
        self._metrics = metrics
        self._clock = clock
        self._ready: queue.SimpleQueue[Backlog | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._is_prepared = False
        self._error: BaseException | None = None
        self._retry_at = 0.0
        self._wait_seconds = _RETRY_FROM_SECONDS
        self._num_under_way = 0
        self._quiet_since = 0.0
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RATE_OVER_SECONDS + 1)
        """(second, frames published in it), newest last."""
        self._refused_cameras: set[str] = set()
        self._fault = FaultLog("frames", "files wait, live cameras keep their newest", done="published")

    def prepare(self) -> None:
        """Try once before the thread starts: `ConfigError` when it can never work. A broker may be away."""
        try:
            self._prepare()
            self._is_prepared = True
        except (TransientError, Overloaded) as error:
            self._fault.failed(error)

    def offer(self, backlog: Backlog) -> None:
        """This backlog has something to send."""
        self._ready.put(backlog)

    def run(self) -> None:
        """Send what is offered until closed. Raises what no publisher should have answered."""
        if not self._is_prepared:
            with suppress(Stopping):
                until_it_works(self._prepare, self._closed, self.pulse, self._fault)
        while not self._closed.is_set():
            self.pulse.rest()
            with suppress(queue.Empty):
                backlog = self._ready.get(timeout=_LOOK_SECONDS)
                self._closed.wait(max(self._retry_at - self._clock.monotonic(), 0.0))
                if backlog is not None:
                    self.pulse.beat()
                    self._send(backlog)
            self._look()
        self.pulse.rest()

    def close(self) -> None:
        """End the thread; what is under way still is reported to its backlog."""
        self._closed.set()
        self._ready.put(None)

    def frames_per_second(self) -> float:
        """Published in the last ten whole seconds."""
        this_second = int(self._clock.monotonic())
        with self._lock:
            recent = [number for second, number in self._recent if 0 < this_second - second <= _RATE_OVER_SECONDS]
        return sum(recent) / _RATE_OVER_SECONDS

    def _look(self) -> None:
        """What the publisher's thread found, and what it does not find for long."""
        if self._error is not None:
            raise self._error
        with self._lock:
            is_quiet = self._num_under_way and self._clock.monotonic() - self._quiet_since > _QUIET_SECONDS
            if is_quiet:
                self._quiet_since = math.inf
        if is_quiet:
            self._fault.failed(TransientError(f"no acknowledgement for {_QUIET_SECONDS:g} s"))

    def _send(self, backlog: Backlog) -> None:
        item = backlog.take()
        if item is None:
            return
        try:
            future = self._publisher.publish(Topic.FRAMES, item.key, item.value, item.headers)
        except (TransientError, Overloaded) as error:
            self._try_again(backlog, item, error)
            return
        with self._lock:
            self._num_under_way += 1
            if self._num_under_way == 1:
                self._quiet_since = self._clock.monotonic()
        future.add_done_callback(partial(self._answered, backlog, item))

    def _answered(self, backlog: Backlog, item: Outgoing, future: Future[None]) -> None:
        """Called by the publisher's thread."""
        with self._lock:
            self._num_under_way -= 1
            self._quiet_since = self._clock.monotonic()
        error = future.exception()
        if error is None:
            self._published(item)
            backlog.finished()
        elif isinstance(error, InvalidMessage):
            self._refused(item, error)
            backlog.finished()
        elif isinstance(error, TransientError | Overloaded):
            self._try_again(backlog, item, error)
        else:
            self._error = error
            self._ready.put(None)

    def _published(self, item: Outgoing) -> None:
        self._fault.worked()
        self._wait_seconds = _RETRY_FROM_SECONDS
        if item.captured_at is None:
            return
        self.counts.frames_published += 1
        self.counts.bytes_published += len(item.value)
        self._metrics.frames_published.labels(item.camera_id).inc()
        self._metrics.bytes_published.labels(item.camera_id).inc(len(item.value))
        second = int(self._clock.monotonic())
        with self._lock:
            number = self._recent.pop()[1] if self._recent and self._recent[-1][0] == second else 0
            self._recent.append((second, number + 1))

    def _refused(self, item: Outgoing, error: Exception) -> None:
        """A camera whose frames are too large sends such a one several times a second: told once."""
        self.counts.frames_refused += 1
        self._metrics.invalid_items.labels("ingest", "refused by the broker").inc()
        if item.camera_id not in self._refused_cameras:
            self._refused_cameras.add(item.camera_id)
            log.error("frame cannot be published", camera=item.camera_id, bytes=len(item.value), reason=str(error))

    def _try_again(self, backlog: Backlog, item: Outgoing, error: Exception) -> None:
        self._fault.failed(error, camera=item.camera_id)
        self._retry_at = self._clock.monotonic() + self._wait_seconds
        self._wait_seconds = min(self._wait_seconds * 2, _RETRY_TO_SECONDS)
        backlog.again()
