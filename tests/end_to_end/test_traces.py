"""From a frame to the receiver's 2xx in one trace: a rendered scene through both runtimes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pipeline.app.local import build_local
from pipeline.clock import SystemClock
from pipeline.ingest.pace import Pace
from pipeline.settings import TracingSettings
from pipeline.site import Site
from pipeline.tracing import trace_id_of
from pipeline.tracing.otel import OtelTracing
from tests.support.broker import running_broker
from tests.support.cluster import cluster_settings, run_cluster
from tests.support.local import Listener, incidents_of, settings_of, site_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver, answer
from tests.support.traces import Span, endpoint_of, kept_by, of_trace, path_of, sent_to

SCENE = """
models: {{vlm: "openai:http://127.0.0.1:{vlm}/v1#judge"}}
cameras:
  - id: yard
    url: "synthetic:yard?seed=1&seconds={seconds}&fps=5&size=320x180"
rules:
  - {{id: someone, track: {{object: any, count_above: 0}}, cooldown: 0s}}
channels:
  guards: {{webhook: "{receiver}", allow_private: true}}
settings: {{drain_for: {drain}, alerting: {{retry_from: 0.05s, retry_to: 0.2s}}}}
"""
AWAY = TracingSettings(endpoint="http://127.0.0.1:9", sample=1.0)
OPENED = "capture sample perceive candidate"


def scene(receiver: Receiver, vlm: Receiver, seconds: int = 12, drain: str = "20s") -> Site:
    return site_of(SCENE.format(receiver=receiver.url, vlm=vlm.port, seconds=seconds, drain=drain))


def run_traced(site: Site, folder: Path, sample: float = 0.0, stop: threading.Event | None = None) -> list[Span]:
    """Run a site on one machine; when `stop` is given, until its first incident."""
    exporter = InMemorySpanExporter()
    tracing = OtelTracing(exporter, SystemClock(), sample=sample, process="local")
    listener = Listener(lambda _: stop.set() if stop else None)
    settings = settings_of(site, folder)
    with build_local(site, settings, pace=Pace(speed=0.0), listener=listener, tracing=tracing) as runtime:
        runtime.warm_up()
        runtime.run(stop or threading.Event())
    return kept_by(exporter)


@pytest.fixture
def vlm() -> Iterator[Receiver]:
    with Receiver(otherwise=judge(0.95)) as server:
        yield server


def test_an_incident_is_one_trace_from_the_camera_to_the_receiver(tmp_path: Path, vlm: Receiver) -> None:
    """Every step hangs together; the verdict has its model and tokens, each delivery its channel and status."""
    with Receiver() as receiver:
        site = scene(receiver, vlm)
        spans = run_traced(site, tmp_path)
    (incident,) = incidents_of(site, tmp_path)
    assert {span.trace for span in spans} == {trace_id_of(incident.id)}
    paths = [path_of(span, spans) for span in spans]
    assert {f"{OPENED} store delivery", f"{OPENED} verdict report", f"{OPENED} verdict store delivery"} <= set(paths)
    assert paths.count("capture") == 1
    assert not [path for path in paths if path.startswith("?")]
    assert all(span.seconds >= 0 for span in spans)
    (verdict,) = [span for span in spans if span.name == "verdict"]
    assert (verdict.attributes["sightline.verdict"], verdict.attributes["gen_ai.request.model"]) == (
        "confirmed",
        incident.assessment.model_id if incident.assessment else "",
    )
    assert verdict.attributes["gen_ai.usage.input_tokens"] > 0
    deliveries = [span.attributes for span in spans if span.name == "delivery"]
    assert {each["sightline.change"] for each in deliveries} == {"provisional", "confirmed", "closed"}
    assert {(each["sightline.channel"], each["http.response.status_code"]) for each in deliveries} == {("guards", 200)}


def test_the_request_carries_the_trace(tmp_path: Path, vlm: Receiver) -> None:
    """A webhook's `traceparent` names its very attempt: what the receiver does can follow in the same trace."""
    with Receiver([answer(503)]) as receiver:
        site = scene(receiver, vlm)
        spans = run_traced(site, tmp_path)
        carried = [request.headers["traceparent"] for request in receiver.received]
    deliveries = {f"00-{span.trace}-{span.id}-01": span.attributes for span in spans if span.name == "delivery"}
    assert set(carried) == set(deliveries)
    first = deliveries[carried[0]]
    assert (first["sightline.attempt"], first["http.response.status_code"]) == (1, 503)
    assert any(each["sightline.attempt"] == 2 for each in deliveries.values())


def test_a_restart_goes_on_with_the_same_trace(tmp_path: Path, vlm: Receiver) -> None:
    """What one run opened and the next one delivers is one trace, connected."""
    with Receiver(otherwise=answer(503)) as receiver:
        first = run_traced(scene(receiver, vlm, drain="0.2s"), tmp_path, stop=threading.Event())
    with Receiver() as receiver:
        site = scene(receiver, vlm, seconds=1)
        second = run_traced(site, tmp_path)
        assert receiver.received
    (incident,) = incidents_of(site, tmp_path)
    told = [span for span in second if span.name == "delivery"]
    assert told
    assert {span.trace for span in (*first, *told)} == {trace_id_of(incident.id)}
    spans = of_trace([*first, *second], trace_id_of(incident.id))
    assert not [span.name for span in spans if path_of(span, spans).startswith("?")]
    assert len([span for span in spans if not span.parent]) == 1


def test_an_incident_is_linked_to_the_frame_that_opened_it(tmp_path: Path, vlm: Receiver) -> None:
    """A frame that was drawn has a small trace of its own; the incident it opens has another, and a link."""
    with Receiver() as receiver:
        site = scene(receiver, vlm)
        spans = run_traced(site, tmp_path, sample=1.0)
    (opened,) = [span for span in spans if span.name == "candidate"]
    ((trace, seen),) = opened.links
    assert trace != opened.trace
    frame = of_trace(spans, trace)
    assert {path_of(span, frame) for span in frame} == {"capture", "capture sample", "capture sample perceive"}
    assert [span.name for span in frame if span.id == seen] == ["perceive"]


def test_an_endpoint_that_is_away_costs_spans_alone(tmp_path: Path, vlm: Receiver) -> None:
    """Nobody listens: the same alerts go out, and the run ends well."""
    with Receiver() as receiver:
        site = scene(receiver, vlm)
        settings = settings_of(site, tmp_path).model_copy(update={"tracing": AWAY})
        with build_local(site, settings, pace=Pace(speed=0.0)) as runtime:
            runtime.warm_up()
            summary = runtime.run(threading.Event())
    assert (summary.incidents, summary.pending_deliveries, summary.failures) == (1, 0, ())
    assert len(receiver.received) == 3


def test_the_processes_of_a_cluster_share_a_trace(tmp_path: Path, vlm: Receiver) -> None:
    """Ingest, watcher, reasoner and alerting each send their part to a collector by OTLP; it is one trace there."""
    with running_broker() as broker, Receiver() as receiver, Receiver() as collector:
        site = scene(receiver, vlm)
        tracing = {"endpoint": endpoint_of(collector), "sample": 1.0}
        settings = cluster_settings(site, tmp_path, broker, "traced", tracing=tracing)
        run_cluster(site, settings, datetime(2026, 3, 1, 12, tzinfo=UTC), num_watchers=1)
        spans = sent_to(collector)
    (incident,) = incidents_of(site, tmp_path)
    whole = of_trace(spans, trace_id_of(incident.id))
    paths = {path_of(span, whole) for span in whole}
    assert {f"{OPENED} store delivery", f"{OPENED} verdict store delivery"} <= paths
    assert not [path for path in paths if path.startswith("?")]
    assert {(span.name, span.process) for span in whole} >= {
        ("candidate", "watcher"), ("verdict", "reasoner"), ("store", "reasoner"), ("delivery", "alerting"),
    }  # fmt: skip
    (opened,) = [span for span in whole if span.name == "candidate"]
    frame = of_trace(spans, opened.links[0][0])
    assert {(path_of(span, frame), span.process) for span in frame} == {
        ("capture", "ingest"), ("capture sample", "watcher"), ("capture sample perceive", "watcher"),
    }  # fmt: skip
