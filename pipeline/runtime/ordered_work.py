"""Jobs that must not be lost, of one key in their order, of several keys at once.

A job is tried until it works: nothing after it of the same key begins before. Jobs of other keys go on meanwhile,
as far as there are threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial

from pipeline.clock import Clock
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.runtime.worker import Worker
from pipeline.telemetry import FaultLog

Wait = Callable[[Future[None]], None]
"""Waits for a future for as long as it takes, and raises what it failed with."""
Job = Callable[[Wait], None]
"""`TransientError` and `Overloaded`: try again; anything else it raises is a fault of this program."""
_LOOK_SECONDS = 0.5


class OrderedWork:
    """Any thread puts; `num_workers` threads of its own work."""

    def __init__(self, name: str, num_workers: int, fault: FaultLog, clock: Clock) -> None:
        self._fault = fault
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._jobs: dict[str, deque[Job]] = {}
        """By key; the first of each is being worked on, or its key is in `_ready`."""
        self._ready: deque[str] = deque()
        self.pulses = tuple(Pulse(f"{name}-{number}", clock) for number in range(num_workers))
        self.workers: tuple[Worker, ...] = ()

    def start(self) -> None:
        """Begin."""
        self.workers = tuple(Worker(pulse.name, partial(self._run, pulse)) for pulse in self.pulses)

    def put(self, key: str, job: Job) -> None:
        """Work on it after all that was put under this key before."""
        with self._changed:
            jobs = self._jobs.get(key)
            if jobs is None:
                jobs = self._jobs[key] = deque()
                self._ready.append(key)
            jobs.append(job)
            self._changed.notify_all()

    def wait_until_done(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left to do; False when time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, max(timeout_seconds, 0.0))

    def stop(self) -> None:
        """Give up what is not done, after the attempt that is under way."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        for worker in self.workers:
            worker.join()

    def _run(self, pulse: Pulse) -> None:
        while (key := self._next()) is not None:
            job = self._jobs[key][0]
            try:
                until_it_works(partial(job, partial(self._wait, pulse)), self._stop, pulse, self._fault)
            except Stopping:
                return
            pulse.rest()
            self._finished(key)

    def _wait(self, pulse: Pulse, future: Future[None]) -> None:
        """A broker that is away is no reason to restart this process: the pulse goes on."""
        while not wait((future,), _LOOK_SECONDS).done:
            pulse.beat()
            if self._stop.is_set():
                raise Stopping
        future.result()

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._ready)
            return None if self._stop.is_set() else self._ready.popleft()

    def _finished(self, key: str) -> None:
        with self._changed:
            self._jobs[key].popleft()
            if self._jobs[key]:
                self._ready.append(key)
            else:
                del self._jobs[key]
            self._changed.notify_all()
