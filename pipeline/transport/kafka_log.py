"""kafka-python's own log, brought into ours: warnings only, and each kind of them once a minute.

The client logs every attempt to reach a broker that is away, several a second from each of its connections, and says
five things more before a command can say the one that matters: what of that a caller must know it learns from the
errors.
"""

from __future__ import annotations

import logging
import time

import structlog

_REPEAT_AFTER_SECONDS = 60.0
_LEAST_LEVELS = {
    "kafka.net.manager": logging.CRITICAL,
    "kafka.net.connection": logging.CRITICAL,
    "kafka.net.transport": logging.CRITICAL,
    # Warns of each of its turns that took 0.1 s (3.0.12), as they do on a busy machine, with another address of an
    # object each time, so that no two are of one kind.
    "kafka.net.selector": logging.ERROR,
}
"""Of connections, whose state the errors tell, nothing; of the event loop what fails in it."""
_OF_CONNECTIONS = ("KafkaConnectionError", "Metadata refresh: failed", "No node available")
"""Words in lines of other loggers that are of the same kind."""


def tame_client_log() -> None:
    """Send kafka-python's log through structlog; may be called any number of times."""
    logger = logging.getLogger("kafka")
    if any(isinstance(handler, _ToStructlog) for handler in logger.handlers):
        return
    logger.setLevel(logging.WARNING)  # below it the client logs its whole configuration, password and all
    logger.addHandler(_ToStructlog())
    logger.propagate = False
    for name, level in _LEAST_LEVELS.items():
        logging.getLogger(name).setLevel(level)


class _ToStructlog(logging.Handler):
    """Passes a record on unless one of the same kind (the same unformatted text) came a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock, from any of the client's threads."""
        said = record.getMessage()
        if any(words in said for words in _OF_CONNECTIONS):
            return
        kind, now = str(record.msg), time.monotonic()
        if now - self._passed_at.get(kind, -_REPEAT_AFTER_SECONDS) < _REPEAT_AFTER_SECONDS:
            return
        self._passed_at[kind] = now
        structlog.get_logger().warning("the Kafka client says", said=said, by=record.name)
