"""Batches on their way through the models: a few calls under way at once, answers in the order of the batches.

The models may be in this process or in others, busy, full or away: a batch is offered again until it is
answered. Meanwhile no further batch is accepted, frames wait on the bus, and the gate sheds by their age.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.clock import Clock
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Sight, Vision
from pipeline.errors import InvalidMessage, StageFailed
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping, until_it_works
from pipeline.runtime.watcher.frame_gate import Passed
from pipeline.runtime.worker import Worker
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing

Sights = Sequence[Sight | InvalidMessage | None]
"""One a passed record, in order; None for the end of a stream, which no model needs to see."""


@dataclass(slots=True, eq=False)
class _Call:
    batch: Sequence[Passed]
    is_taken: bool = False
    sights: Sights | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch with what the models made of it."""

    batch: Sequence[Passed]
    sights: Sights


class VisionCalls:
    """One thread submits, one takes; `num_calls` threads of its own call the models."""

    def __init__(self, vision: Vision, num_calls: int, metrics: Metrics, clock: Clock, tracing: Tracing = OFF) -> None:
        self._vision = vision
        self._num_calls = num_calls
        self._metrics = metrics
        self._tracing = tracing
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._fault = FaultLog("frames", "they wait on the bus", done="seen")
        self.pulses = tuple(Pulse(f"vision-{number}", clock) for number in range(num_calls))
        self.workers: tuple[Worker, ...] = ()

    def start(self) -> None:
        """Begin."""
        self.workers = tuple(Worker(pulse.name, partial(self._run, pulse)) for pulse in self.pulses)

    def stop(self) -> None:
        """Give up what is not answered yet; it stays on the bus."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        for worker in self.workers:
            worker.join()

    def submit(self, batch: Sequence[Passed], timeout_seconds: float) -> bool:
        """Accept a batch; False when there was no room in time: as many calls are under way, and one waits."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._calls) <= self._num_calls, timeout_seconds):
                return False
            self._calls.append(_Call(batch))
            self._changed.notify_all()
            return True

    @property
    def is_idle(self) -> bool:
        """Every batch is answered: the models have nothing to do."""
        with self._changed:
            return all(call.sights is not None for call in self._calls)

    def take(self, timeout_seconds: float) -> Seen | None:
        """The oldest batch, once it is answered; None when it is not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls and self._calls[0].sights is not None, timeout_seconds)
            call = self._calls[0] if self._calls else None
            if call is None or call.sights is None:
                return None
            self._calls.popleft()
            self._changed.notify_all()
            return Seen(call.batch, call.sights)

    def _run(self, pulse: Pulse) -> None:
        while (call := self._next()) is not None:
            try:
                sights = until_it_works(partial(self._see, call.batch), self._stop, pulse, self._fault)
            except Stopping:
                return
            with self._changed:
                call.sights = sights
                self._changed.notify_all()
            pulse.rest()

    def _next(self) -> _Call | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or any(not call.is_taken for call in self._calls))
            if self._stop.is_set():
                return None
            call = next(call for call in self._calls if not call.is_taken)
            call.is_taken = True
            return call

    def _see(self, batch: Sequence[Passed]) -> Sights:
        frames = [passed.frame for passed in batch if passed.frame is not None]
        answers = iter(self._ask(frames))
        return [next(answers) if passed.frame is not None else None for passed in batch]

    def _ask(self, frames: Sequence[SampledFrame]) -> Sequence[Sight | InvalidMessage]:
        if not frames:
            return ()
        began_at = self._tracing.now()
        with self._metrics.stage_seconds.labels("vision").time():
            answers = self._vision.see(frames)
        self._tracing.perceived(frames, began_at)
        if len(answers) != len(frames):
            raise StageFailed(f"expected {len(frames)} answers to a batch, got {len(answers)}")
        return answers
