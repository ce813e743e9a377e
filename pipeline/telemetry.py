"""Logs without secrets and the metrics, each named once.

`configure_logging` is called once by the command; every module then does `log = structlog.get_logger()`.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from structlog.typing import EventDict, WrappedLogger

_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s]*@")
_QUERY_SECRET = re.compile(r"(?i)\b([\w-]*(?:password|passwd|pwd|token|secret|key|auth|signature))=[^&\s\"']+")
_MIN_SECRET_LENGTH = 4


def hide_credentials(text: str) -> str:
    """Take user, password and secret query values out of any URL in `text`."""
    text = _CREDENTIALS.sub(r"\g<scheme>***@", text)
    return _QUERY_SECRET.sub(lambda match: f"{match.group(1)}=***", text)


class SecretFilter:
    """A structlog processor that hides URL credentials and the secrets it was told of, in every value."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({s for s in secrets if len(s) >= _MIN_SECRET_LENGTH}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """`text` without credentials and known secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return hide_credentials(text)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Clean all values of a log event."""
        return {key: self._clean_value(value) for key, value in event.items()}

    def _clean_value(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {key: self._clean_value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean_value(inner) for inner in value]
        return self.clean(str(value))


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["text", "json", "plain"] = "text",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send structured logs to `stream` (standard error), cleaned of `secrets`.

    `plain` is for a command somebody waits for: level and words, no time.
    """
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            SecretFilter(secrets),
            _renderer(log_format, is_terminal=stream.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unbreakable(stream))),
        cache_logger_on_first_use=False,
    )


class _Unbreakable:
    """A stream that forgets what it cannot write: a closed pipe or a full disk under the log stops no camera."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, or forget."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, or forget."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _renderer(log_format: Literal["text", "json", "plain"], *, is_terminal: bool) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    if log_format == "plain":
        return _plain_line
    return structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)


def _plain_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """`warning: what happened (name: value, …)`, and a traceback on lines of its own."""
    level, words, traceback = event.pop("level"), event.pop("event"), event.pop("exception", "")
    event.pop("timestamp", None)
    values = ", ".join(f"{name}: {value}" for name, value in event.items())
    line = f"{level}: {words}" + (f" ({values})" if values else "")
    return f"{line}\n{traceback}" if traceback else line


class FaultLog:
    """One line when something can no longer be stored and one when it can again, however often it is met between.

    A full disk meets every write of every thread: told each time, it would bury everything else.
    """

    def __init__(self, what: str, so: str = "trying again", *, done: str = "stored") -> None:
        """`what` is to be stored (or `done`), e.g. `verdicts`; `so` says what follows while it cannot be."""
        self._what = what
        self._so = so
        self._done = done
        self._lock = threading.Lock()
        self._num_failures = 0

    def failed(self, error: Exception, **context: object) -> None:
        """It failed; told only the first time in a row."""
        with self._lock:
            self._num_failures += 1
            is_first = self._num_failures == 1
        if is_first:
            structlog.get_logger().error(
                f"{self._what} cannot be {self._done}; {self._so}", error=str(error), **context
            )

    def worked(self) -> None:
        """It worked; told only when it had failed."""
        with self._lock:
            num_failures, self._num_failures = self._num_failures, 0
        if num_failures:
            structlog.get_logger().warning(f"{self._what} can be {self._done} again", failures=num_failures)


class Metrics:
    """Every metric of the program, on a registry of its own so that several can live in one test."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        self.frames_read = Counter("sightline_frames_read", "Frames decoded", ["camera"], registry=r)
        self.frames_dropped = Counter(
            "sightline_frames_dropped", "Frames discarded before sampling", ["camera", "reason"], registry=r
        )
        self.frames_published = Counter(
            "sightline_frames_published", "Frames durable on the bus", ["camera"], registry=r
        )
        self.bytes_published = Counter(
            "sightline_bytes_published", "JPEG bytes durable on the bus", ["camera"], registry=r
        )
        self.frames_sampled = Counter(
            "sightline_frames_sampled", "Frames that reached perception", ["camera", "reason"], registry=r
        )
        self.frames_skipped = Counter(
            "sightline_frames_skipped", "Frames not sampled", ["camera", "reason"], registry=r
        )
        self.camera_up = Gauge("sightline_camera_up", "1 while frames arrive", ["camera"], registry=r)
        self.console_up = Gauge(
            "sightline_console_up", "1 while the console is served beside the run", ["address"], registry=r
        )
        self.frame_age = Gauge(
            "sightline_frame_age_seconds", "Age of the last frame when perception was done", ["camera"], registry=r
        )
        self.stage_seconds = Histogram(
            "sightline_stage_seconds",
            "Time one call of a stage takes",
            ["stage"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=r,
        )
        self.candidates = Counter("sightline_candidates", "Candidates opened", ["camera", "rule"], registry=r)
        self.verdicts = Counter("sightline_verdicts", "Assessments", ["rule", "verdict"], registry=r)
        self._add_reasoning(r)
        self.alert_seconds = Histogram(
            "sightline_alert_seconds",
            "From the frame's time to the provisional incident being stored",
            buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=r,
        )
        self.deliveries = Counter(
            "sightline_deliveries", "Attempts to tell a channel", ["channel", "outcome"], registry=r
        )
        self.deliveries_by_state = Gauge(
            "sightline_deliveries_by_state", "Deliveries in the outbox", ["state"], registry=r
        )
        self.invalid_items = Counter("sightline_invalid_items", "Items set aside", ["stage", "reason"], registry=r)
        self.forecasts = Counter("sightline_forecasts", "Forecasts looked up", ["source", "outcome"], registry=r)
        self.forecast_error = Counter(
            "sightline_forecast_error", "Squared errors of forecasts that came true or not, summed (Brier)", ["source"],
            registry=r,
        )  # fmt: skip

    def _add_reasoning(self, r: CollectorRegistry) -> None:
        self.claims = Counter(
            "sightline_claims", "Claims of reports, `supported` by the evidence or `removed`", ["rule", "outcome"],
            registry=r,
        )  # fmt: skip
        self.verdicts_degraded = Counter(
            "sightline_verdicts_degraded", "Verdicts made cheaper than asked for", ["camera", "rule", "how"], registry=r
        )
        self.verdicts_waiting = Gauge("sightline_verdicts_waiting", "Verdicts owed, in nobody's hand", registry=r)
        self.verdict_limit = Gauge("sightline_verdict_limit", "Verifications at the same time, at most", registry=r)
        self.breaker_state = Gauge("sightline_breaker_state", "0 closed, 1 half open, 2 open", registry=r)
        self.reasoning_tokens = Counter(
            "sightline_reasoning_tokens", "Tokens of models", ["camera", "rule", "direction"], registry=r
        )
        self.reasoning_seconds = Counter(
            "sightline_reasoning_seconds", "Spent waiting for models", ["camera", "rule"], registry=r
        )
        self.reasoning_cost = Counter(
            "sightline_reasoning_cost", "At `reasoning.price_…`", ["camera", "rule"], registry=r
        )

    def serve(self, host: str, port: int) -> None:
        """Answer Prometheus on `host:port` from a daemon thread."""
        start_http_server(port, addr=host, registry=self.registry)
