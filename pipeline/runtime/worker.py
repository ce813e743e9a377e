"""A thread that cannot die unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from pipeline.errors import StageFailed

log = structlog.get_logger()


class Worker(threading.Thread):
    """Runs `body` from now on, and remembers the exception that ended it."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        super().__init__(name=name)
        self.error: Exception | None = None
        self._body = body
        self.start()

    def run(self) -> None:
        """The thread itself; not to be called."""
        try:
            self._body()
        except Exception as error:
            self.error = error
            log.exception("a worker failed", worker=self.name)


def raise_first(workers: Sequence[Worker]) -> None:
    """`StageFailed` for the first worker that died of an error: the process is to be restarted."""
    for worker in workers:
        if worker.error is not None:
            raise StageFailed(f"the {worker.name} worker failed: {worker.error}") from worker.error
