"""Spans as a collector has them, whichever way they came, and one to send them to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.receiver import Receiver


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in hexadecimal; `parent` is empty for a root."""

    name: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    """(trace, span) of each."""
    attributes: dict[str, Any]
    seconds: float
    process: str


def kept_by(exporter: InMemorySpanExporter) -> list[Span]:
    """In the order they ended."""
    return [
        Span(
            span.name,
            f"{span.context.trace_id:032x}",
            f"{span.context.span_id:016x}",
            f"{span.parent.span_id:016x}" if span.parent else "",
            tuple((f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}") for one in span.links),
            dict(span.attributes),
            (span.end_time - span.start_time) / 1e9,
            str(span.resource.attributes["sightline.process"]),
        )
        for span in exporter.get_finished_spans()
    ]


def sent_to(collector: Receiver) -> list[Span]:
    """By OTLP over HTTP: what was posted to `/v1/traces`."""
    requests = [ExportTraceServiceRequest.FromString(each.body) for each in collector.received]
    assert {each.path for each in collector.received} <= {"/v1/traces"}
    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            _attributes(span.attributes),
            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            _attributes(group.resource.attributes)["sightline.process"],
        )
        for request in requests
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def of_trace(spans: Iterable[Span], trace: str) -> list[Span]:
    """Those of one trace, each id once: what is done again is told again."""
    return list({span.id: span for span in spans if span.trace == trace}.values())


def path_of(span: Span, spans: Iterable[Span]) -> str:
    """`capture sample perceive …`: from the root to a span; `?` where a parent is missing."""
    by_id = {one.id: one for one in spans}
    names = [span.name]
    while span.parent:
        if span.parent not in by_id:
            return " ".join(["?", *reversed(names)])
        span = by_id[span.parent]
        names.append(span.name)
    return " ".join(reversed(names))


def endpoint_of(collector: Receiver) -> str:
    """What `tracing.endpoint` is to be."""
    return f"http://127.0.0.1:{collector.port}"


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
