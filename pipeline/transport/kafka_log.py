"""kafka-python's own log, brought into ours: warnings only, and each kind of them once a minute.

The client logs every attempt to reach a broker that is away, several a second from each of its connections; what a
caller must know it learns from the errors.
"""

from __future__ import annotations

import logging
import time

import structlog

_REPEAT_AFTER_SECONDS = 60.0


def tame_client_log() -> None:
    """Send kafka-python's log through structlog; may be called any number of times."""
    logger = logging.getLogger("kafka")
    if any(isinstance(handler, _ToStructlog) for handler in logger.handlers):
        return
    logger.setLevel(logging.WARNING)  # below it the client logs its whole configuration, password and all
    logger.addHandler(_ToStructlog())
    logger.propagate = False


class _ToStructlog(logging.Handler):
    """Passes a record on unless one of the same kind (the same unformatted text) came a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock, from any of the client's threads."""
        kind, now = str(record.msg), time.monotonic()
        if now - self._passed_at.get(kind, -_REPEAT_AFTER_SECONDS) < _REPEAT_AFTER_SECONDS:
            return
        self._passed_at[kind] = now
        structlog.get_logger().warning("the Kafka client says", said=record.getMessage(), by=record.name)
