"""What hosts tell of, as spans of OpenTelemetry.

Spans are made when they are over, queued, and sent by a thread of the library's: an endpoint that is away costs the
spans and nothing else. Words and pictures of a scene stay out of them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link as SpanLink
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pipeline.clock import Clock
from pipeline.contracts.alert import DueDelivery
from pipeline.contracts.assessment import Assessment
from pipeline.contracts.candidate import Candidate, CandidateState
from pipeline.contracts.frame import EncodedFrame, Frame, SampledFrame
from pipeline.contracts.incident import ChangeKind, IncidentChange, Link
from pipeline.errors import TransientError
from pipeline.settings import TracingSettings
from pipeline.telemetry import FaultLog
from pipeline.tracing import Arrival, Tracing, trace_id_of
from pipeline.tracing.attributes import Attributes, of_candidate, of_claims, of_frame, of_verdict
from pipeline.tracing.recent import Recent

_TRACES_PATH = "/v1/traces"
_CLOSE_SECONDS = 2.0
"""Longest wait for the endpoint at the end."""
_MAX_IN_HAND = 10_000
"""Frames between gate and rules, and candidates that are not durable yet, kept in mind; of what is dropped there
nobody tells, so the oldest go."""
_QUIET_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""They tell of every attempt that failed; `FaultLog` does it once."""
_VERDICTS = (ChangeKind.CONFIRMED, ChangeKind.REJECTED, ChangeKind.UNVERIFIED)


def open_otlp(settings: TracingSettings, clock: Clock, process: str) -> OtelTracing:
    """To the collector at `settings.endpoint`, by OTLP over HTTP; headers and certificates are the library's variables
    (`OTEL_EXPORTER_OTLP_HEADERS`, …)."""
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    exporter = OTLPSpanExporter(endpoint=settings.endpoint.rstrip("/") + _TRACES_PATH)
    return OtelTracing(exporter, clock, sample=settings.sample, process=process)


@dataclass(frozen=True, slots=True)
class _Course:
    """A frame on its way through this process."""

    frame: Frame | EncodedFrame
    arrival: Arrival
    reason: str
    sampled_at: datetime
    perceived_from: datetime
    perceived_to: datetime
    batch: int = 0


@dataclass(frozen=True, slots=True)
class _Opening:
    """A candidate that is not durable yet."""

    course: _Course
    links: Sequence[SpanContext]


@dataclass(slots=True)
class _Attempt:
    """A delivery that a thread is trying."""

    context: SpanContext
    began_at: datetime
    status: int = 0


class OtelTracing(Tracing):
    """See `Tracing`."""

    def __init__(self, exporter: SpanExporter, clock: Clock, *, sample: float, process: str) -> None:
        """`sample` is the share of frames that have a trace; incidents always have one. Closes `exporter`."""
        name = os.environ.get("OTEL_SERVICE_NAME") or "sightline"
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            ALWAYS_ON,
            Resource.create({"service.name": name, "sightline.process": process}),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._provider.add_span_processor(BatchSpanProcessor(_PatientExporter(exporter)))
        self._tracer = self._provider.get_tracer("sightline")
        self._clock = clock
        self._sample = sample
        self._random = Random()  # noqa: S311 - a draw, and ids that need not be secret
        self._frames: Recent[tuple[str, int], _Course] = Recent(_MAX_IN_HAND)
        self._openings: Recent[str, _Opening] = Recent(_MAX_IN_HAND)
        self._here = threading.local()
        self._is_closed = False

    def now(self) -> datetime:
        """See `Tracing`."""
        return self._clock.now()

    def arrived(self, frame: EncodedFrame) -> Arrival:
        """See `Tracing`."""
        now = self.now()
        if self._random.random() >= self._sample:
            return Arrival("", now, now)
        context = self._context(self._random.getrandbits(128) or 1)
        self._record("capture", context, None, frame.captured_at, now, of_frame(frame))
        return Arrival(_traceparent(context), now, now)

    def received(self, traceparent: str, published_at: datetime) -> Arrival:
        """See `Tracing`."""
        return Arrival(traceparent, published_at, self.now())

    def sampled(self, sampled: SampledFrame, arrival: Arrival) -> None:
        """See `Tracing`."""
        now, frame = self.now(), sampled.frame
        course = _Course(frame, arrival, sampled.reason, now, now, now)
        self._frames.put((frame.camera_id, frame.sequence), course)

    def perceived(self, frames: Sequence[SampledFrame], began_at: datetime) -> None:
        """See `Tracing`."""
        now = self.now()
        for sampled in frames:
            key = sampled.frame.camera_id, sampled.frame.sequence
            course = self._frames.pop(key)
            if course is not None:
                self._frames.put(key, replace(course, perceived_from=began_at, perceived_to=now, batch=len(frames)))

    def judged(self, sampled: SampledFrame, candidates: Sequence[Candidate]) -> None:
        """See `Tracing`."""
        course = self._frames.pop((sampled.frame.camera_id, sampled.frame.sequence))
        if course is None:
            return
        capture = _remote(course.arrival.traceparent)
        links: list[SpanContext] = []
        if capture is not None:
            steps = self._context(capture.trace_id), self._context(capture.trace_id)
            self._record_steps(course, capture, *steps)
            links.append(steps[-1])
        for candidate in candidates:
            if candidate.repeats:
                self._record_repeat(candidate, course, links)
            elif candidate.state is CandidateState.OPENED:
                self._openings.put(candidate.id, _Opening(course, links))

    def opened(self, candidate: Candidate) -> None:
        """See `Tracing`."""
        incident, opening = candidate.id, self._openings.pop(candidate.id)
        about = of_candidate(candidate) | {
            "sightline.score": candidate.peak_score,
            "sightline.threshold": candidate.threshold,
        }
        context = _own(incident, "candidate")
        if opening is None:  # of the camera itself, not of a frame
            self._record("candidate", context, None, candidate.opened_at, self.now(), about)
            return
        course = opening.course
        capture, sample, perceive = (_own(incident, step) for step in ("capture", "sample", "perceive"))
        self._record("capture", capture, None, course.frame.captured_at, course.arrival.left_at, of_frame(course.frame))
        self._record_steps(course, capture, sample, perceive)
        self._record("candidate", context, perceive, course.perceived_to, self.now(), about, links=opening.links)

    def stored(self, change: IncidentChange, began_at: datetime) -> None:
        """See `Tracing`."""
        incident = change.incident
        is_judged = change.kind in _VERDICTS and incident.assessment is not None
        about = of_candidate(incident.candidate) | {
            "sightline.change": change.kind.value,
            "sightline.sequence": change.sequence,
        }
        context = _own(incident.id, "store", change.sequence)
        parent = _own(incident.id, "verdict" if is_judged else "candidate")
        self._record("store", context, parent, began_at, self.now(), about)

    def linked(self, links: Sequence[Link]) -> None:
        """See `Tracing`."""
        now = self.now()
        for link in links:
            about: Attributes = {"sightline.incident": link.incident_id, "sightline.other": link.other_id}
            context, parent = _own(link.incident_id, "link", link.other_id), _own(link.incident_id, "candidate")
            self._record("link", context, parent, now, now, about, links=[_own(link.other_id, "candidate")])

    def assessed(self, assessment: Assessment, report_seconds: float) -> None:
        """See `Tracing`."""
        incident, began_at, ended_at = assessment.candidate_id, assessment.started_at, assessment.finished_at
        context = _own(incident, "verdict")
        about = of_verdict(assessment)
        self._record("verdict", context, _own(incident, "candidate"), began_at, ended_at, about)
        if assessment.report is not None:
            began_at = max(began_at, ended_at - timedelta(seconds=report_seconds))
            claims = of_claims(assessment)
            self._record("report", _own(incident, "report"), context, began_at, ended_at, claims)

    def delivering(self, due: DueDelivery) -> None:
        """See `Tracing`."""
        trace_id = int(trace_id_of(due.change.incident.id), 16)
        self._here.attempt = _Attempt(self._context(trace_id), self.now())

    def traceparent(self) -> str:
        """See `Tracing`."""
        attempt = self._attempt
        return _traceparent(attempt.context) if attempt is not None else ""

    def answered(self, status: int) -> None:
        """See `Tracing`."""
        if self._attempt is not None:
            self._attempt.status = status

    def delivered(self, due: DueDelivery, error: Exception | None) -> None:
        """See `Tracing`."""
        attempt, self._here.attempt = self._attempt, None
        if attempt is None:
            return
        about = of_candidate(due.change.incident.candidate) | {
            "sightline.change": due.change.kind.value,
            "sightline.channel": due.delivery.channel,
            "sightline.attempt": due.delivery.attempts + 1,
        }
        if attempt.status:
            about["http.response.status_code"] = attempt.status
        parent = _own(due.change.incident.id, "store", due.change.sequence)
        self._record(
            "delivery", attempt.context, parent, attempt.began_at, self.now(), about,
            kind=SpanKind.CLIENT, error=str(error) if error is not None else "",
        )  # fmt: skip

    def close(self) -> None:
        """See `Tracing`."""
        if self._is_closed:
            return
        self._is_closed = True
        # An endpoint that hangs would hold the library's own shutdown for half a minute.
        closing = threading.Thread(target=self._provider.shutdown, name="close-tracing", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    @property
    def _attempt(self) -> _Attempt | None:
        return getattr(self._here, "attempt", None)

    def _context(self, trace_id: int) -> SpanContext:
        """A span that no other process needs to know."""
        return SpanContext(trace_id, self._random.getrandbits(64) or 1, False, TraceFlags(TraceFlags.SAMPLED))

    def _record_steps(self, course: _Course, capture: SpanContext, sample: SpanContext, perceive: SpanContext) -> None:
        place, arrival = of_frame(course.frame), course.arrival
        reason: Attributes = {"sightline.reason": course.reason}
        self._record("sample", sample, capture, arrival.taken_at, course.sampled_at, place | reason)
        batch: Attributes = {"sightline.batch": course.batch}
        self._record("perceive", perceive, sample, course.perceived_from, course.perceived_to, place | batch)

    def _record_repeat(self, candidate: Candidate, course: _Course, links: Sequence[SpanContext]) -> None:
        context, parent = _own(candidate.id, "repeat", candidate.repeats), _own(candidate.id, "candidate")
        about = of_candidate(candidate) | of_frame(course.frame) | {"sightline.repeats": candidate.repeats}
        self._record("repeat", context, parent, course.perceived_to, self.now(), about, links=links)

    def _record(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        began_at: datetime,
        ended_at: datetime,
        attributes: Attributes,
        *,
        links: Sequence[SpanContext] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        error: str = "",
    ) -> None:
        """A span that is over. Clocks of cameras and processes differ: none ends before it begins."""
        self._ids.give(context)
        span = self._tracer.start_span(
            name,
            set_span_in_context(NonRecordingSpan(parent)) if parent is not None else None,
            kind,
            dict(attributes),
            [SpanLink(linked) for linked in links],
            _nanoseconds(began_at),
        )
        if error:
            span.set_status(StatusCode.ERROR, error)
        span.end(_nanoseconds(max(began_at, ended_at)))


class _GivenIds(IdGenerator):
    """The ids of the span that this thread makes next."""

    def __init__(self) -> None:
        self._here = threading.local()

    def give(self, context: SpanContext) -> None:
        """What the next span is to be."""
        self._here.context = context

    def generate_span_id(self) -> int:
        """See `IdGenerator`."""
        return int(self._here.context.span_id)

    def generate_trace_id(self) -> int:
        """See `IdGenerator`."""
        return int(self._here.context.trace_id)


class _PatientExporter(SpanExporter):
    """An exporter whose failures are told once, until it works again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fault = FaultLog("traces", "they are dropped; nothing else waits for them", done="exported")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._fault.worked()
        else:
            self._fault.failed(TransientError("the endpoint is away, or does not take them"))
        return result

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._exporter.shutdown()


def _own(incident_id: str, step: str, number: int | str = "") -> SpanContext:
    """A span of an incident that any process can name."""
    span_id = hashlib.sha256("\x1f".join((incident_id, step, str(number))).encode()).digest()[:8]
    trace_id = int(trace_id_of(incident_id), 16)
    return SpanContext(trace_id, int.from_bytes(span_id), True, TraceFlags(TraceFlags.SAMPLED))


def _remote(traceparent: str) -> SpanContext | None:
    """The span a sampled `traceparent` names (https://www.w3.org/TR/trace-context/#traceparent-header)."""
    parts = traceparent.split("-")
    if len(parts) != 4 or parts[3] != "01":
        return None
    try:
        context = SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(TraceFlags.SAMPLED))
    except ValueError:
        return None
    return context if context.is_valid else None


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def _nanoseconds(at: datetime) -> int:
    """Since 1970, exact to the microsecond."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
