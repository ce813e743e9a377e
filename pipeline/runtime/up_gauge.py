"""Whether a camera's frames come, as a metric; whoever else wants to hear of the stream hears it through here."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Gauge

from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.health import StreamListener


class UpGauge:
    """A `StreamListener`: 1 while frames come, 0 while they do not."""

    def __init__(self, gauge: Gauge, then: StreamListener | None) -> None:
        """`then` is told after the gauge."""
        self.is_up = False
        self._gauge = gauge
        self._then = then

    def connected(self, at: datetime) -> None:
        """See `StreamListener`."""
        self._set(True)
        if self._then is not None:
            self._then.connected(at)

    def lost(self, at: datetime, reason: str) -> None:
        """See `StreamListener`."""
        self._set(False)
        if self._then is not None:
            self._then.lost(at, reason)

    def frame(self, frame: Frame | EncodedFrame) -> None:
        """See `StreamListener`."""
        if self._then is not None:
            self._then.frame(frame)

    def clock_off(self, at: datetime, offset_seconds: float | None) -> None:
        """See `StreamListener`."""
        if self._then is not None:
            self._then.clock_off(at, offset_seconds)

    def ended(self) -> None:
        """Nobody reads the camera any more."""
        self._set(False)

    def _set(self, is_up: bool) -> None:
        self.is_up = is_up
        self._gauge.set(is_up)
