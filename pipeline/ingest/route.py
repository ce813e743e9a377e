"""Which of a camera's two addresses is tried next."""

from __future__ import annotations

_TRIES = 2
"""So often in a row must the address itself fail before its fallback is read."""


class Route:
    """Failures and successes in, the choice out. Times are the clock's monotonic seconds."""

    def __init__(self, fallback_seconds: float | None) -> None:
        """`fallback_seconds`: how long to stay on the fallback before looking back; None where there is none."""
        self.on_fallback = False
        self._fallback_seconds = fallback_seconds
        self._num_failures = 0
        self._look_back_at = 0.0

    def failed(self, now_seconds: float) -> None:
        """The address that was tried gives no frames (any more)."""
        if self.on_fallback:
            self.on_fallback, self._num_failures = False, 0
            return
        self._num_failures += 1
        if self._fallback_seconds is not None and self._num_failures >= _TRIES:
            self.on_fallback = True
            self.stays(now_seconds)

    def worked(self) -> None:
        """A frame came."""
        self._num_failures = 0

    def looks_back(self, now_seconds: float) -> bool:
        """Whether the address itself is to be tried again, from a fallback that works."""
        return self.on_fallback and now_seconds >= self._look_back_at

    def stays(self, now_seconds: float) -> None:
        """It does not answer yet."""
        self._look_back_at = now_seconds + (self._fallback_seconds or 0.0)

    def returns(self) -> None:
        """It answers."""
        self.on_fallback, self._num_failures = False, 0
