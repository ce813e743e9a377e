"""Traces from frame to delivery. Off, and free of cost, unless an endpoint is configured.

    capture ─► sample ─► perceive ─► candidate ─┬─► store (provisional) ─► delivery …
                                                └─► verdict ─┬─► report
                                                             └─► store (confirmed) ─► delivery …

One trace an incident. Its id is made from the incident's, and so are the ids of spans that another process may
continue: processes, restarts and leases share a trace without telling each other, and what is done again after a
crash has the ids it had before. Of frames a drawn share has a small trace of its own (capture, sample, perceive), to
which an incident that such a frame opened or repeated is linked.

Hosts say here what happened, a line each; `otel` makes spans of it, alone knows OpenTelemetry, and is imported only
when tracing is on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.clock import Clock
from pipeline.contracts.alert import DueDelivery
from pipeline.contracts.assessment import Assessment
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame, SampledFrame
from pipeline.contracts.incident import IncidentChange, Link
from pipeline.errors import ConfigError
from pipeline.settings import TracingSettings

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame came to the process that samples it."""

    traceparent: str = ""
    """W3C `traceparent` of a frame that was drawn; of others empty."""
    left_at: datetime = _NEVER
    """When it had left its camera: read, or published."""
    taken_at: datetime = _NEVER
    """When it came to the gate."""


_NOWHERE = Arrival()


def trace_id_of(incident_id: str) -> str:
    """The trace of an incident, 32 hexadecimal digits: `printf %s ID | sha256sum | cut -c1-32`."""
    return hashlib.sha256(incident_id.encode()).hexdigest()[:32]


class Tracing:
    """What a host tells as it goes, on any thread; never blocks, never raises. This one is off: it does nothing."""

    def now(self) -> datetime:
        """When something begins, for what is told when it is over."""
        return _NEVER

    def arrived(self, frame: EncodedFrame) -> Arrival:  # noqa: ARG002 - off
        """A frame was read from its camera; here it is drawn whether it is traced."""
        return _NOWHERE

    def received(self, traceparent: str, published_at: datetime) -> Arrival:  # noqa: ARG002
        """A frame came by the bus, with its header or `""`."""
        return _NOWHERE

    def sampled(self, sampled: SampledFrame, arrival: Arrival) -> None:
        """The gate let it pass."""

    def perceived(self, frames: Sequence[SampledFrame], began_at: datetime) -> None:
        """A model has seen a batch, since `began_at` (`now()`)."""

    def judged(self, sampled: SampledFrame, candidates: Sequence[Candidate]) -> None:
        """The rules have looked at a frame, and told these."""

    def opened(self, candidate: Candidate) -> None:
        """A candidate that just opened is durable."""

    def stored(self, change: IncidentChange, began_at: datetime) -> None:
        """A change is in the database."""

    def linked(self, links: Sequence[Link]) -> None:
        """Incidents of different cameras may be one happening."""

    def assessed(self, assessment: Assessment, report_seconds: float) -> None:
        """A verdict was given; its report, if there is one, was the last `report_seconds` of it."""

    def delivering(self, due: DueDelivery) -> None:
        """This thread begins an attempt."""

    def traceparent(self) -> str:
        """W3C `traceparent` of this thread's attempt, for its request; `""` without one."""
        return ""

    def answered(self, status: int) -> None:
        """The receiver of this thread's attempt gave this HTTP status."""

    def delivered(self, due: DueDelivery, error: Exception | None) -> None:
        """This thread's attempt is over."""

    def close(self) -> None:
        """Send what is left, for a moment; may be called twice."""


OFF = Tracing()


def open_tracing(settings: TracingSettings, clock: Clock, process: str) -> Tracing:
    """Tracing as the settings have it, by the name of this process; `ConfigError` where the library is missing."""
    if not settings.endpoint:
        return OFF
    try:
        from pipeline.tracing.otel import open_otlp
    except ImportError as error:
        raise ConfigError("tracing.endpoint needs OpenTelemetry: pip install 'sightline[otel]'") from error
    return open_otlp(settings, clock, process)
