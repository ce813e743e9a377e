from __future__ import annotations

import io
import json
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from pipeline.telemetry import FaultLog, Metrics, SecretFilter, configure_logging, hide_credentials


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(log_format: Literal["text", "json"] = "json", secrets: tuple[str, ...] = (), **values: Any) -> str:
    stream = io.StringIO()
    configure_logging("debug", log_format, secrets, stream)
    structlog.get_logger().info("it happened", **values)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("rtsp://ada:pw@cam/live", "rtsp://***@cam/live"),
        ("rtsp://ada@cam/live", "rtsp://***@cam/live"),
        ("rtsp://ada:p@ss@cam/live", "rtsp://***@cam/live"),
        ("cannot open http://a:b@x/1 nor http://c:d@y/2.", "cannot open http://***@x/1 nor http://***@y/2."),
        ("http://cam/snap?user=a&password=b&size=3", "http://cam/snap?user=a&password=***&size=3"),
        ("http://cam/?api_key=abc&access_token=def", "http://cam/?api_key=***&access_token=***"),
        ("http://cam/?TOKEN=abc", "http://cam/?TOKEN=***"),
        ("http://cam/live", "http://cam/live"),
        ("write to ada@example.org", "write to ada@example.org"),
        ("http://cam/path?mail=ada@example.org", "http://cam/path?mail=ada@example.org"),
    ],
)
def test_credentials_are_taken_out_of_urls(text: str, hidden: str) -> None:
    """User, password and secret query values are masked, and nothing else is."""
    assert hide_credentials(text) == hidden


def test_known_secrets_are_hidden_longest_first() -> None:
    """A secret that contains another is masked whole."""
    assert SecretFilter(["hook", "hook-and-more"]).clean("call hook-and-more, then hook") == "call ***, then ***"


def test_very_short_secrets_are_left_alone() -> None:
    """Masking `1` everywhere would leave no log to read."""
    assert SecretFilter(["1", ""]).clean("11 frames") == "11 frames"


@pytest.mark.parametrize(
    "value",
    [
        "use s3cret now",
        ValueError("s3cret is wrong"),
        ["s3cret"],
        {"inner": ("s3cret", {"deep": "s3cret"})},
        b"s3cret",
        type("Thing", (), {"__str__": lambda self: "s3cret"})(),
    ],
    ids=["text", "exception", "list", "nested", "bytes", "object"],
)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_value_of_a_log_event_shows_a_secret(value: object, log_format: Literal["text", "json"]) -> None:
    """However it is wrapped, a known secret does not reach the log."""
    line = logged(log_format, ("s3cret",), value=value)
    assert "s3cret" not in line
    assert "***" in line


def test_numbers_stay_numbers() -> None:
    """What machines add up is not turned into text."""
    entry = json.loads(logged(count=3, share=0.5, is_on=True, nothing=None, many=[1, 2]))
    assert (entry["count"], entry["share"], entry["is_on"], entry["nothing"]) == (3, 0.5, True, None)
    assert entry["many"] == [1, 2]


def test_a_json_line_has_level_time_and_event() -> None:
    """Machines find what happened, when (UTC) and how bad."""
    entry = json.loads(logged())
    assert (entry["event"], entry["level"]) == ("it happened", "info")
    assert entry["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_is_logged_without_secrets(log_format: Literal["text", "json"]) -> None:
    """An exception's text is cleaned and its traceback kept, without a warning of the library's."""
    stream = io.StringIO()
    configure_logging("info", log_format, ["s3cret"], stream)
    try:
        raise ValueError("the password s3cret is wrong")
    except ValueError:
        structlog.get_logger().exception("it failed")
    assert "s3cret is" not in stream.getvalue()
    assert "ValueError: the password ***" in stream.getvalue()


def test_less_severe_events_are_left_out() -> None:
    """The level is the least severe that shows."""
    stream = io.StringIO()
    configure_logging("warning", "json", (), stream)
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """A closed stream under the log is forgotten, not raised into whoever logs."""
    stream = io.StringIO()
    configure_logging("info", "json", (), stream)
    stream.close()
    structlog.get_logger().error("nobody hears this")


def test_two_sets_of_metrics_live_side_by_side() -> None:
    """Metrics are on a registry of their own, so nothing is shared between two runs."""
    first, second = Metrics(), Metrics()
    first.candidates.labels("gate", "climb").inc()
    name, labels = "sightline_candidates_total", {"camera": "gate", "rule": "climb"}
    assert first.registry.get_sample_value(name, labels) == 1
    assert second.registry.get_sample_value(name, labels) is None


def test_every_metric_begins_with_the_products_name() -> None:
    """Names are part of the product: `sightline_…`, and times in seconds."""
    names = [family.name for family in Metrics().registry.collect()]
    assert names
    assert all(name.startswith("sightline_") for name in names)


def test_metrics_are_served_to_prometheus() -> None:
    """A scrape finds the counters."""
    metrics = Metrics()
    metrics.frames_read.labels("gate").inc(5)
    port = _serve_somewhere(metrics)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        assert b'sightline_frames_read_total{camera="gate"} 5.0' in response.read()


def _serve_somewhere(metrics: Metrics) -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    metrics.serve("127.0.0.1", port)
    return port


def test_a_lasting_fault_is_told_when_it_begins_and_when_it_is_over() -> None:
    """A full disk meets every write; two lines say all there is to say, and the next fault is told anew."""
    stream = io.StringIO()
    configure_logging("info", "json", (), stream)
    fault = FaultLog("the ledger")
    fault.worked()
    for _ in range(5):
        fault.failed(OSError("disk full"))
    fault.worked()
    fault.worked()
    fault.failed(OSError("disk full"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    first, over = "the ledger cannot be stored; trying again", "the ledger can be stored again"
    assert [line["event"] for line in lines] == [first, over, first]
    assert (lines[0]["error"], lines[1]["failures"]) == ("disk full", 5)


def test_a_plain_line_has_level_words_and_values() -> None:
    """What a person reads who waits for a command."""
    stream = io.StringIO()
    configure_logging("info", "plain", ("hunter22",), stream)
    structlog.get_logger().warning("the file ended early", file="a.mp4", frames=3, note="hunter22")
    structlog.get_logger().error("no more")
    assert stream.getvalue() == "warning: the file ended early (file: a.mp4, frames: 3, note: ***)\nerror: no more\n"
