"""The gate's thread of a watcher: records of cameras in turn, through the gate, into batches for the models.

A batch goes when it is full, or when its first frame has waited `cluster.batch_wait` and no other is under way: behind
another one it would only wait, and a call of few frames costs as much as one of many. So there is one call at a time
while little happens, and full ones side by side when much does. While the models are busy a full batch waits here,
records wait in the intake, the consumer pauses, and frames wait on the bus.
"""

from __future__ import annotations

import threading

from pipeline.clock import Clock
from pipeline.runtime.mean_over_time import MeanOverTime
from pipeline.runtime.pulse import Pulse
from pipeline.runtime.retry import Stopping
from pipeline.runtime.watcher.frame_gate import FrameGate, Passed
from pipeline.runtime.watcher.handover import Handover
from pipeline.runtime.watcher.intake import Intake
from pipeline.runtime.watcher.vision_calls import VisionCalls
from pipeline.settings import ClusterSettings

_IDLE_SECONDS = 0.2
_SWEEP_SECONDS = 1.0


class GateLoop:
    """`run` is the body of the thread."""

    def __init__(
        self,
        intake: Intake,
        handover: Handover,
        gate: FrameGate,
        calls: VisionCalls,
        settings: ClusterSettings,
        stop: threading.Event,
        pulse: Pulse,
        clock: Clock,
    ) -> None:
        self._intake = intake
        self._handover = handover
        self._gate = gate
        self._calls = calls
        self._full = settings.batch_frames
        self._batch_wait_seconds = settings.batch_wait
        self._stop = stop
        self._pulse = pulse
        self._clock = clock
        self.waiting = MeanOverTime()
        """Share of time in which a full batch waited for the models."""
        self._batch: list[Passed] = []
        self._send_at = 0.0
        self._sweep_at = 0.0

    def run(self) -> None:
        """Until told to stop; `Stopping` when that interrupts something."""
        while not self._stop.is_set():
            self._turn()

    def _turn(self) -> None:
        self._pulse.rest()
        item = self._intake.take(self._batch_wait_seconds if self._batch else _IDLE_SECONDS)
        self._pulse.beat()
        now = self._clock.monotonic()
        if item is not None:
            if not item.assignment.is_covered:
                self._handover.cover(item.assignment, item.record, self._intake.num_assigned)
                item.assignment.is_covered = True
            passed = self._gate.look(item)
            if passed is not None:
                self._send_at = self._send_at if self._batch else now + self._batch_wait_seconds
                self._batch.append(passed)
        if self._may_go(has_waited=item is None or now >= self._send_at):
            self._send()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_SECONDS
            self._gate.sweep()

    def _may_go(self, *, has_waited: bool) -> bool:
        return len(self._batch) >= self._full or (bool(self._batch) and has_waited and self._calls.is_idle)

    def _send(self) -> None:
        with self.waiting.more():
            while not self._calls.submit(self._batch, _IDLE_SECONDS):
                self._pulse.beat()
                if self._stop.is_set():
                    raise Stopping
        self._batch = []
