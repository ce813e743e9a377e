"""Which ingest process a camera is followed from, when two of them read it: the one that started later.

It happens when one is replaced while it still runs, or when a network keeps it from hearing that it was.
"""

from __future__ import annotations

import structlog

log = structlog.get_logger()


class Producers:
    """The latest producer of each camera. For one thread."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, str]] = {}
        self._told_of: dict[str, str] = {}

    def admit(self, camera_id: str, producer: str) -> bool:
        """Whether what this producer says of the camera counts; told once in the log when not."""
        started = _start_of(producer)
        latest = self._latest.setdefault(camera_id, started)
        if started > latest:
            self._latest[camera_id] = started
        elif started < latest:
            if self._told_of.get(camera_id) != producer:
                self._told_of[camera_id] = producer
                log.warning(
                    "a camera is read by two ingest processes: frames of the one that started earlier are dropped",
                    camera=camera_id,
                    dropped=producer,
                    followed="-".join(map(str, latest)),
                )
            return False
        return True

    def forget(self, camera_id: str) -> None:
        """The camera is another process's now."""
        self._latest.pop(camera_id, None)
        self._told_of.pop(camera_id, None)


def _start_of(producer: str) -> tuple[int, str]:
    """`{milliseconds since 1970}-{random}`, as the codec has checked."""
    milliseconds, _, name = producer.partition("-")
    return int(milliseconds), name
