"""The cameras of one ingest process: a thread each to read, one to publish.

    a thread a camera ──► its backlog ──► one publishing thread ──► topic `frames`
      read, thin, JPEG      bounded          one record a camera
                                             under way

The broker may be away for as long as it likes: files wait, live cameras keep their newest, and it goes on by
itself. Stopping drains: cameras close, what was read is published, bounded.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from pipeline.clock import Clock
from pipeline.contracts.bus import Publisher
from pipeline.runtime.housekeeping import Housekeeping
from pipeline.runtime.ingest.feed import CameraFeed
from pipeline.runtime.ingest.frame_sender import FrameSender
from pipeline.runtime.pulse import raise_stuck
from pipeline.runtime.worker import Worker, raise_first

log = structlog.get_logger()
_LOOK_SECONDS = 0.05


def new_producer(clock: Clock) -> str:
    """The identity of one start of an ingest process; see `PublishedFrame.producer`."""
    return f"{int(clock.now().timestamp() * 1000)}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What an ingest process did and what it left."""

    cameras: int
    frames_read: int
    frames_published: int
    bytes_published: int
    frames_dropped: int
    frames_refused: int
    """Too large for the broker, or no picture."""
    records_unsent: int
    """Read, and still not on the bus when it had to stop."""
    elapsed_seconds: float
    failures: tuple[str, ...]
    """`camera: why it could not be read`."""


class IngestService:
    """A `Service`. Its cameras may all end (files): then `is_finished`."""

    def __init__(
        self,
        feeds: Sequence[CameraFeed],
        sender: FrameSender,
        publisher: Publisher,
        *,
        stale_after_seconds: float,
        clock: Clock,
        housekeeping: Housekeeping | None = None,
        on_close: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`housekeeping` keeps the ledger, where there is a database; `on_close` is called in order at the end."""
        self._feeds = tuple(feeds)
        self._sender = sender
        self._publisher = publisher
        self._stale_after_seconds = stale_after_seconds
        self._clock = clock
        self._housekeeping = housekeeping
        self._on_close = tuple(on_close)
        self._stop = threading.Event()
        self._is_stopped = False
        self._readers: list[Worker] = []
        self._workers: list[Worker] = []
        self._started_seconds = clock.monotonic()
        self._ended_seconds: float | None = None

    def start(self) -> None:
        """Begin to read and publish."""
        self._sender.prepare()
        self._started_seconds = self._clock.monotonic()
        self._workers.append(Worker("publishing", self._sender.run))
        housekeeping = self._housekeeping
        if housekeeping is not None:
            self._workers.append(Worker("ledger", lambda: housekeeping.run(self._stop)))
        self._readers = [Worker(f"camera-{feed.camera_id}", feed.run) for feed in self._feeds]

    @property
    def is_finished(self) -> bool:
        """Every camera has ended, and all that was read is on the bus. Never, without cameras."""
        has_ended = bool(self._readers) and not any(reader.is_alive() for reader in self._readers)
        return has_ended and not self._num_unsent()

    def stop(self, drain_seconds: float) -> None:
        """Close the cameras, publish what was read within the bound, close. Ends no live camera's stream."""
        if self._is_stopped:
            return
        self._is_stopped = True
        until = self._clock.monotonic() + drain_seconds
        for feed in self._feeds:
            feed.close()
            feed.backlog.close()
        for reader in self._readers:
            reader.join()
        while self._num_unsent() and self._workers and self._workers[0].is_alive():
            if self._clock.monotonic() >= until:
                log.error("time to drain is over: frames stay unpublished", frames=self._num_unsent())
                break
            self._clock.sleep(_LOOK_SECONDS)
        self._close_all()

    def check_health(self) -> None:
        """`StageFailed` when a thread died or publishing hangs. A camera or broker that is away is no fault of ours."""
        raise_first([*self._workers, *self._readers])
        raise_stuck([self._sender.pulse], self._stale_after_seconds)

    def stats(self) -> Mapping[str, float]:
        """`oldest_age_seconds` and `lag` are of records not on the bus yet; the rest is for people."""
        return {
            "oldest_age_seconds": self._oldest_age_seconds(),
            "lag": self._num_unsent(),
            "cameras": len(self._feeds),
            "cameras_up": sum(feed.is_up for feed in self._feeds),
            "frames_per_second": self._sender.frames_per_second(),
            "frames_published": self._sender.counts.frames_published,
            "frames_dropped": sum(feed.counts.frames_dropped for feed in self._feeds),
        }

    def summary(self) -> IngestSummary:
        """What was done until now, or until it stopped."""
        sent, read = self._sender.counts, [feed.counts for feed in self._feeds]
        return IngestSummary(
            cameras=len(self._feeds),
            frames_read=sum(counts.frames_read for counts in read),
            frames_published=sent.frames_published,
            bytes_published=sent.bytes_published,
            frames_dropped=sum(counts.frames_dropped for counts in read),
            frames_refused=sent.frames_refused + sum(counts.frames_refused for counts in read),
            records_unsent=self._num_unsent(),
            elapsed_seconds=(self._ended_seconds or self._clock.monotonic()) - self._started_seconds,
            failures=tuple(f"{feed.camera_id}: {feed.counts.failure}" for feed in self._feeds if feed.counts.failure),
        )

    def _num_unsent(self) -> int:
        return sum(len(feed.backlog) for feed in self._feeds)

    def _oldest_age_seconds(self) -> float:
        queued = [feed.backlog.oldest_queued_seconds() for feed in self._feeds]
        return max((self._clock.monotonic() - at for at in queued if at is not None), default=0.0)

    def _close_all(self) -> None:
        """In an order in which nobody uses what is closed already."""
        self._stop.set()
        self._sender.close()
        with ExitStack() as closing:
            for action in reversed(self._on_close):
                closing.callback(action)
            closing.callback(self._publisher.close)
            for worker in self._workers:
                worker.join()
            if self._housekeeping is not None:
                self._housekeeping.finish()
        self._ended_seconds = self._clock.monotonic()
