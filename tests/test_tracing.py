"""Tracing itself: off it is nothing, on it never stands in the way. Whole traces are in `end_to_end/test_traces.py`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError
from structlog.testing import capture_logs

from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import ManualClock
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame, Motion, SampledFrame
from pipeline.contracts.incident import Link
from pipeline.settings import TracingSettings, load_settings
from pipeline.tracing import OFF, open_tracing, trace_id_of
from pipeline.tracing.otel import OtelTracing
from tests.support.alerting import OPENED_AT, make_candidate, make_change, make_channel
from tests.support.receiver import Receiver, answer, hang
from tests.support.traces import Span, endpoint_of, kept_by, sent_to

NOW = OPENED_AT + timedelta(seconds=1)
WITHOUT_LIBRARY = """
import sys
sys.modules["opentelemetry"] = None
from pipeline.clock import SystemClock
from pipeline.errors import ConfigError
from pipeline.settings import TracingSettings
from pipeline.tracing import open_tracing
try:
    open_tracing(TracingSettings(endpoint="http://127.0.0.1:4318"), SystemClock(), "local")
except ConfigError as error:
    print(error)
"""
RUN_OFF = """
import sys, threading
from pathlib import Path
from pipeline.app.local import build_local
from pipeline.ingest.pace import Pace
from pipeline.settings import load_settings
from pipeline.site import parse_site
site = parse_site('cameras: [{id: yard, url: "synthetic:yard?seed=1&seconds=1&fps=4&size=160x90"}]', "site.yaml", {})
with build_local(site, load_settings(data_dir=Path(sys.argv[1])), pace=Pace(speed=0.0)) as runtime:
    print(runtime.run(threading.Event()).frames_read > 0)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


class Traced:
    """Tracing into memory; `spans` closes it."""

    def __init__(self, sample: float = 0.0) -> None:
        self._exporter = InMemorySpanExporter()
        self.on = OtelTracing(self._exporter, ManualClock(NOW), sample=sample, process="test")

    def spans(self) -> list[Span]:
        self.on.close()
        return kept_by(self._exporter)

    def see(self, number: int, *candidates: Candidate, traceparent: str = "") -> None:
        """A frame that came by the bus, through gate, model and rules."""
        sampled = sampled_frame(number)
        self.on.sampled(sampled, self.on.received(traceparent, OPENED_AT))
        self.on.perceived([sampled], NOW)
        self.on.judged(sampled, candidates)


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    traced.on.close()


def frame(number: int) -> EncodedFrame:
    return EncodedFrame("gate-north", number, OPENED_AT, 0.0, 64, 36, b"jpeg")


def sampled_frame(number: int) -> SampledFrame:
    return SampledFrame(frame(number), Motion((), 0.0, False), np.zeros((36, 64), np.uint8), "motion")


def python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_off_imports_nothing(tmp_path: Path) -> None:
    """A whole run without an endpoint never loads OpenTelemetry."""
    assert python(RUN_OFF, str(tmp_path)).split("\n")[:2] == ["True", "[]"]


def test_off_adds_no_header() -> None:
    """A webhook without tracing is what it was."""
    with Receiver() as receiver:
        WebhookSender("depot-7", "UTC").send(make_change(), make_channel(receiver.url, allow_private=True))
    assert "traceparent" not in receiver.received[0].headers


def test_off_unless_an_endpoint_is_given() -> None:
    """By default nothing is traced."""
    assert open_tracing(load_settings().tracing, ManualClock(NOW), "local") is OFF
    assert OFF.arrived(frame(0)).traceparent == ""


def test_the_standard_variable_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for any other program that sends traces; the program's own setting beats it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert load_settings().tracing == TracingSettings(endpoint="http://collector:4318", sample=0.01)
    own = {"tracing": {"endpoint": "http://other:4318"}}
    assert load_settings(own).tracing.endpoint == "http://other:4318"


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://collector:4317", "http://", "http://a b", "http://u:p@host"]
)
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    """Only an address for HTTP is taken, without credentials, and said so."""
    with pytest.raises(ValidationError, match="expected an address for OTLP over HTTP"):
        load_settings({"tracing": {"endpoint": endpoint}})


def test_without_the_library_it_says_what_to_install() -> None:
    """An endpoint without OpenTelemetry is refused at the start, with the way out."""
    assert "pip install 'sightline[otel]'" in python(WITHOUT_LIBRARY)


def test_a_trace_is_found_by_the_incident() -> None:
    """`printf %s ID | sha256sum | cut -c1-32`."""
    assert trace_id_of("incident1") == hashlib.sha256(b"incident1").hexdigest()[:32]


def test_spans_go_out_by_otlp() -> None:
    """A collector gets them at `/v1/traces`, under the process's name."""
    with Receiver() as collector:
        settings = TracingSettings(endpoint=endpoint_of(collector) + "/", sample=0.0)
        tracing = open_tracing(settings, ManualClock(NOW), "alerting")
        tracing.stored(make_change(), OPENED_AT)
        tracing.close()
        (span,) = sent_to(collector)
    assert (span.name, span.process, span.seconds) == ("store", "alerting", 1.0)
    assert span.trace == trace_id_of(span.attributes["sightline.incident"])


def test_what_cannot_be_sent_is_told_once_and_forgotten() -> None:
    """A collector that refuses costs one line in the log."""
    with Receiver(otherwise=answer(400)) as collector, capture_logs() as logs:
        tracing = open_tracing(TracingSettings(endpoint=endpoint_of(collector)), ManualClock(NOW), "local")
        for number in range(1200):  # more than two batches
            tracing.stored(make_change(), OPENED_AT - timedelta(seconds=number))
        tracing.close()
    assert len(collector.received) > 1
    assert [log["event"] for log in logs] == [
        "traces cannot be exported; they are dropped; nothing else waits for them"
    ]


def test_a_collector_that_hangs_holds_nobody_up() -> None:
    """The end does not wait for its answer."""
    with Receiver(otherwise=hang()) as collector:
        tracing = open_tracing(TracingSettings(endpoint=endpoint_of(collector)), ManualClock(NOW), "local")
        tracing.stored(make_change(), OPENED_AT)
        tracing.close()
        assert not collector.is_closing.is_set()  # it had not answered when `close` came back
        tracing.stored(make_change(), OPENED_AT)


@pytest.mark.parametrize(("sample", "share"), [(0.0, 0.0), (1.0, 1.0), (0.1, 0.1)])
def test_the_drawn_share_of_frames_is_traced(sample: float, share: float) -> None:
    """Of 5,000 frames a tenth, within five standard deviations (of the binomial: 21 frames)."""
    traced = Traced(sample)
    drawn = [traced.on.arrived(frame(number)).traceparent != "" for number in range(5000)]
    traced.on.close()
    assert sum(drawn) == pytest.approx(5000 * share, abs=0 if share in (0, 1) else 106)


@pytest.mark.parametrize(
    "header", ["", "nonsense", "00-x-y-01", f"00-{'0' * 32}-{'0' * 16}-01", f"00-{'a' * 32}-{'b' * 16}-00"]
)
def test_a_header_that_names_no_trace_counts_as_none(traced: Traced, header: str) -> None:
    """Whoever published it: the incident has its own trace, and no link."""
    candidate = make_candidate()
    traced.see(1, candidate, traceparent=header)
    traced.on.opened(candidate)
    spans = traced.spans()
    assert [span.name for span in spans] == ["capture", "sample", "perceive", "candidate"]
    assert all(span.links == () and span.trace == trace_id_of(candidate.id) for span in spans)


def test_a_candidate_about_the_camera_itself_is_a_root(traced: Traced) -> None:
    """No frame opened it."""
    traced.on.opened(make_candidate())
    (span,) = traced.spans()
    assert (span.name, span.parent) == ("candidate", "")


def test_what_was_merged_is_linked(traced: Traced) -> None:
    """A repeat stands in the incident's trace, with a link to the frame that met the rule again."""
    again = make_candidate(repeats=2, repeated_at=OPENED_AT)
    traced.see(7, again, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    (repeat,) = [span for span in traced.spans() if span.name == "repeat"]
    assert (repeat.trace, repeat.links[0][0]) == (trace_id_of(again.id), "a" * 32)
    assert repeat.attributes["sightline.repeats"] == 2


def test_incidents_of_two_cameras_are_linked(traced: Traced) -> None:
    """Each keeps its own trace."""
    traced.on.linked([Link("one", "two", 3.0, 0.9)])
    (span,) = traced.spans()
    assert (span.trace, span.links[0][0]) == (trace_id_of("one"), trace_id_of("two"))


def test_what_is_done_again_has_the_ids_it_had() -> None:
    """A second process that stores the same change names the same span."""
    first, second = Traced(), Traced()
    for traced in (first, second):
        traced.on.stored(make_change(), OPENED_AT)
    assert [(span.trace, span.id) for span in first.spans()] == [(span.trace, span.id) for span in second.spans()]


def test_clocks_that_differ_make_no_negative_time(traced: Traced) -> None:
    """A camera whose clock is ahead gives a span without length."""
    traced.on.stored(make_change(), datetime(2099, 1, 1, tzinfo=UTC))
    assert [span.seconds for span in traced.spans()] == [0.0]


def test_frames_that_no_rule_ever_sees_are_forgotten(traced: Traced) -> None:
    """Those that a full inbox dropped do not pile up."""
    candidate = make_candidate()
    for number in range(10_001):
        traced.on.sampled(sampled_frame(number), traced.on.received("", OPENED_AT))
    traced.on.judged(sampled_frame(0), [candidate])
    traced.on.opened(candidate)
    assert [span.name for span in traced.spans()] == ["candidate"]
