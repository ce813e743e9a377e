"""What was published and is not acknowledged: bounded in bytes, each with the future its publisher waits for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from pipeline.errors import Overloaded, SightlineError


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """One record on its way."""

    lane: str
    num_bytes: int
    since: float = field(default_factory=time.monotonic)
    future: Future[None] = field(default_factory=Future)


class Unsent:
    """The records on their way, oldest first. Every method may be called from any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._waiting: dict[Waiting, None] = {}
        self._emptied = threading.Condition()

    def admit(self, lane: str, num_bytes: int) -> Waiting:
        """Take a record in; `Overloaded` when there is no room. One record always fits."""
        with self._emptied:
            if self._waiting and self._num_bytes + num_bytes > self._max_bytes:
                room = f"{self._num_bytes} bytes wait for the broker already, of {self._max_bytes} at most"
                raise Overloaded(f"no room for {num_bytes} bytes: {room}")
            waiting = Waiting(lane, num_bytes)
            waiting.future.set_running_or_notify_cancel()
            self._waiting[waiting] = None
            self._num_bytes += num_bytes
            return waiting

    def settle(self, waiting: Waiting, error: SightlineError | None = None) -> None:
        """Its end, once: durable, or failed with `error`. A second end is ignored."""
        if not self._forget([waiting]):
            return
        if error is None:
            waiting.future.set_result(None)
        else:
            waiting.future.set_exception(error)

    def take(self, lane: str) -> list[Waiting]:
        """Whatever is on its way in one lane, in the order it came; to end it is the caller's now."""
        with self._emptied:
            return self._forget([waiting for waiting in self._waiting if waiting.lane == lane])

    def oldest(self) -> Waiting | None:
        """The one that waits longest."""
        with self._emptied:
            return next(iter(self._waiting), None)

    def wait_until_empty(self, timeout_seconds: float) -> bool:
        """Whether nothing was on its way any more within the time."""
        with self._emptied:
            return self._emptied.wait_for(lambda: not self._waiting, timeout_seconds)

    def _forget(self, leaving: list[Waiting]) -> list[Waiting]:
        """Those of them that were still on their way."""
        with self._emptied:
            left = [waiting for waiting in leaving if waiting in self._waiting]
            for waiting in left:
                del self._waiting[waiting]
                self._num_bytes -= waiting.num_bytes
            if not self._waiting:
                self._emptied.notify_all()
            return left
