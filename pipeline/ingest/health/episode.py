"""Debounce: a condition begins when it has lasted, and is over when it has been gone for a while."""

from __future__ import annotations

from datetime import datetime

from pipeline.ingest.health.pictures import Verdict

_NUM_LOOKS = 2
"""One look is no evidence, however long ago the last one was."""


class Episode:
    """One condition of one camera, from suspicion to its end. Seconds and times are of whatever clock the caller
    counts the condition by; not thread-safe."""

    def __init__(
        self, after_seconds: float, clear_seconds: float, started_at: datetime, started_seconds: float
    ) -> None:
        self._after_seconds = after_seconds
        self._clear_seconds = clear_seconds
        self._good: tuple[datetime, float] | None = (started_at, started_seconds)
        self._bad: tuple[datetime, float] | None = None
        self._well: tuple[datetime, float] | None = None
        self._num_bad = 0
        self.is_on = False
        self.verdict: Verdict | None = None
        """Of the last bad look."""

    @property
    def since(self) -> datetime | None:
        """The last good moment before what is going on."""
        return self._bad[0] if self._bad else None

    @property
    def well_at(self) -> datetime | None:
        """The first good moment after it."""
        return self._well[0] if self._well else None

    def update(self, verdict: Verdict, at: datetime, seconds: float) -> None:
        """Take a look's verdict; one that cannot tell ends a suspicion, but not what was found."""
        if verdict.is_bad:
            self._is_bad(verdict, at, seconds)
        elif not self.is_on:
            self.forget()
            self._good = (at, seconds) if verdict.is_bad is False else None
        elif verdict.is_bad is False:
            self._is_good(at, seconds)

    def forget(self) -> None:
        """What comes next has nothing to do with what was."""
        self.is_on, self._num_bad = False, 0
        self._good = self._bad = None

    def _is_bad(self, verdict: Verdict, at: datetime, seconds: float) -> None:
        self.verdict, self._well = verdict, None
        if self._bad is None:
            self._bad = self._good or (at, seconds)
        self._num_bad += 1
        self.is_on = self.is_on or (self._num_bad >= _NUM_LOOKS and seconds - self._bad[1] >= self._after_seconds)

    def _is_good(self, at: datetime, seconds: float) -> None:
        self._well = self._well or (at, seconds)
        if seconds - self._well[1] >= self._clear_seconds:
            self.forget()
            self._good = (at, seconds)
