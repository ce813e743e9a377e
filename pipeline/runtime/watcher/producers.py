"""Which ingest process a camera is followed from, when several have read it: the one that started last.

Two at once happen when one is replaced while it still runs, or when a network keeps it from hearing that it was. And
a recording may be read again from its beginning, when the process that read it was killed and is started with the
same `--start-at`: what was seen of it is passed over, and it goes on where it had come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from pipeline.contracts.bus import PublishedFrame, StreamEnd
from pipeline.contracts.frame import EncodedFrame
from pipeline.runtime.watcher.intake import Assignment

log = structlog.get_logger()
OVERTAKEN = "overtaken producer"
SEEN_BEFORE = "seen before"
_SAME_BEGINNING = timedelta(milliseconds=1)
"""Of a recording: what its frames' times say is the same to the microsecond, but for rounding."""


@dataclass(slots=True)
class _Followed:
    """One camera under one assignment."""

    assignment: Assignment
    started: tuple[int, str]
    """Of its producer."""
    began_at: datetime | None = None
    """When the stream's own time was 0."""
    seen_until: datetime | None = None
    may_repeat: bool = False
    """A later producer took over, and nothing new has come from it yet."""
    told_of: str = ""
    """The last producer that was dropped, and logged."""

    def has_seen(self, frame: EncodedFrame) -> bool:
        """Whether the frame is one of those a later producer reads again; else it is the newest that was seen."""
        began_at = frame.captured_at - timedelta(seconds=frame.pts_seconds)
        if self.may_repeat and self.began_at is not None and self.seen_until is not None:
            is_same = abs(began_at - self.began_at) <= _SAME_BEGINNING
            if is_same and frame.captured_at <= self.seen_until:
                return True
        self.may_repeat, self.began_at, self.seen_until = False, began_at, frame.captured_at
        return False


class Producers:
    """The last producer of each camera. For one thread."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}

    def why_not(self, message: PublishedFrame | StreamEnd, assignment: Assignment) -> str:
        """Why what is said of a camera does not count; empty when it does."""
        camera_id = message.camera_id if isinstance(message, StreamEnd) else message.frame.camera_id
        started = _start_of(message.producer)
        followed = self._followed.get(camera_id)
        if followed is None or followed.assignment is not assignment:
            followed = self._followed[camera_id] = _Followed(assignment, started)
        if started < followed.started:
            _tell(followed, camera_id, message.producer)
            return OVERTAKEN
        if started > followed.started:
            followed.started, followed.may_repeat = started, True
        is_repeated = isinstance(message, PublishedFrame) and followed.has_seen(message.frame)
        return SEEN_BEFORE if is_repeated else ""

    def forget(self, camera_id: str) -> None:
        """The camera is another process's now."""
        self._followed.pop(camera_id, None)


def _tell(followed: _Followed, camera_id: str, dropped: str) -> None:
    if followed.told_of != dropped:
        followed.told_of = dropped
        log.warning(
            "a camera is read by two ingest processes: frames of the one that started earlier are dropped",
            camera=camera_id,
            dropped=dropped,
            followed="-".join(map(str, followed.started)),
        )


def _start_of(producer: str) -> tuple[int, str]:
    """`{milliseconds since 1970}-{random}`, as the codec has checked."""
    milliseconds, _, name = producer.partition("-")
    return int(milliseconds), name
