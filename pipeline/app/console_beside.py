"""The console beside a run: served from threads of its own, begun again should it die. None of it reaches the run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.console.server import ConsoleServer
from pipeline.errors import ConfigError
from pipeline.runtime.worker import Worker
from pipeline.telemetry import FaultLog, Metrics

_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 10.0
"""After a death, and between tries."""


class ConsoleBeside:
    """Serves from `start` to `stop`, and says by `sightline_console_up` whether it does."""

    def __init__(
        self,
        open_server: Callable[[], ConsoleServer],
        metrics: Metrics,
        *,
        look_seconds: float = _LOOK_SECONDS,
        again_seconds: float = _AGAIN_SECONDS,
    ) -> None:
        """`open_server` takes the port; `ConfigError` when it cannot be had. Called again after each death."""
        self._open = open_server
        self._metrics = metrics
        self._look_seconds = look_seconds
        self._again_seconds = again_seconds
        self._stop = threading.Event()
        self._fault = FaultLog("the console", "the run goes on without it; it is tried again", done="served")
        self._server = open_server()
        self._watch: Worker | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    def start(self) -> None:
        """Begin to serve."""
        self._begin()
        self._watch = Worker("console-watch", self._look)

    def stop(self) -> None:
        """Finish what is being answered, a few seconds at most, and close the port; may be called twice."""
        self._stop.set()
        if self._watch is not None:
            self._watch.join()
        self._end()

    def _look(self) -> None:
        while not self._stop.wait(self._look_seconds):
            if not self._server.is_serving:
                self._fault.failed(ConfigError("its server has ended; see the log above"))
                self._again()

    def _begin(self) -> None:
        self._server.start()
        self._metrics.console_up.labels(self._server.url).set(1)

    def _end(self) -> None:
        self._metrics.console_up.labels(self._server.url).set(0)
        self._server.stop()

    def _again(self) -> None:
        self._end()
        while not self._stop.wait(self._again_seconds):
            try:
                self._server = self._open()
            except ConfigError as error:
                self._fault.failed(error)
                continue
            self._begin()
            self._fault.worked()
            return
