from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from pipeline.alerting.addresses import AddressGuard
from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.webhook import MAX_ANSWER_BYTES, WebhookSender
from pipeline.clock import ManualClock, SystemClock
from pipeline.contracts.alert import Channel
from tests.support.alerting import make_change, make_channel
from tests.support.receiver import Receiver, Step, answer, drip, hang, pour, send_raw

PLAIN_SECRET = "plain-words"
BASE64_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def make_sender(**options: Any) -> WebhookSender:
    return WebhookSender("depot-7", "Europe/Berlin", **options)


def local(receiver: Receiver, **fields: Any) -> Channel:
    return make_channel(receiver.url, allow_private=True, **fields)


def fail(step: Step, **fields: Any) -> DeliveryError:
    with Receiver([step]) as receiver, pytest.raises(DeliveryError) as caught:
        make_sender().send(make_change(), local(receiver, **fields))
    return caught.value


def test_a_2xx_is_a_delivery() -> None:
    """The receiver gets one POST with the message and its type, and the attempt ends without error."""
    with Receiver([answer(204)]) as receiver:
        make_sender().send(make_change(sequence=3), local(receiver))
        (request,) = receiver.received
    assert request.path == "/hook"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.json["id"] == request.headers["webhook-id"] == "incident1.3"


@pytest.mark.parametrize("form", ["slack", "pagerduty", "alertmanager"])
def test_other_formats_are_plain_json(form: str) -> None:
    """Each format arrives as JSON under the type its receiver expects."""
    with Receiver() as receiver:
        make_sender().send(make_change(), local(receiver, format=form, secret="key"))
        (request,) = receiver.received
    assert request.headers["content-type"] == "application/json"
    assert request.json
    assert ("webhook-signature" in request.headers) is (form == "alertmanager")


@pytest.mark.parametrize(
    ("secret", "key"),
    [(BASE64_SECRET, BASE64_SECRET), (PLAIN_SECRET, PLAIN_SECRET.encode())],
    ids=["whsec_ base64", "plain words"],
)
def test_the_receiver_can_verify_the_signature(secret: str, key: str | bytes) -> None:
    """The receiver's own Standard Webhooks library accepts the message, and refuses it once it is changed."""
    with Receiver() as receiver:
        make_sender(clock=SystemClock()).send(make_change(), local(receiver, secret=secret))
        (request,) = receiver.received
    Webhook(key).verify(request.body, request.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(key).verify(request.body.replace(b"fence", b"wall!"), request.headers)


def test_without_a_secret_there_is_no_signature() -> None:
    """An unsigned channel still names the change, so that its receiver can drop repetitions."""
    with Receiver() as receiver:
        make_sender().send(make_change(), local(receiver))
        (request,) = receiver.received
    assert "webhook-signature" not in request.headers
    assert request.headers["webhook-id"] == "incident1.1"


def test_the_timestamp_is_that_of_the_attempt() -> None:
    """A retry a day later is signed with its own time, under the same id."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with Receiver() as receiver:
        sender = make_sender(clock=clock)
        sender.send(make_change(), local(receiver, secret=PLAIN_SECRET))
        clock.advance(86_400)
        sender.send(make_change(), local(receiver, secret=PLAIN_SECRET))
        first, second = (request.headers for request in receiver.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 86_400


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not*base64"])
def test_a_broken_secret_is_a_clear_failure(secret: str) -> None:
    """A secret that makes no key is named as the trouble, without being shown."""
    error = fail(answer(200), secret=secret)
    assert "secret" in str(error)
    assert "not*base64" not in str(error)
    assert error.needs_mending


@pytest.mark.parametrize("status", [500, 502, 503, 599, 408, 425, 429])
def test_a_receiver_in_trouble_is_tried_again_soon(status: int) -> None:
    """Server errors and the statuses that ask for patience are passing failures."""
    error = fail(answer(status))
    assert (error.status, error.needs_mending) == (status, False)
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_a_refusal_waits_for_a_person(status: int) -> None:
    """Any other 4xx is kept and retried at long intervals: the receiver may be mended, the alert is not lost."""
    error = fail(answer(status, b'{"message": "no such hook"}'))
    assert (error.status, error.needs_mending) == (status, True)
    assert "no such hook" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirects_are_refused(status: int) -> None:
    """A redirect is not followed, wherever it points, and the message says what to do."""
    with Receiver() as target:
        error = fail(answer(status, location=target.url))
        assert target.received == []
    assert "redirects are refused" in str(error)
    assert error.needs_mending


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("Thu, 01 Jan 2026 00:02:00 GMT", 120.0), ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0), ("soon", None)],
    ids=["seconds", "date", "past date", "nonsense"],
)
def test_retry_after_is_understood(value: str, seconds: float | None) -> None:
    """The wait a receiver asks for comes with the error, as seconds or as a date."""
    sender = make_sender(clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    with Receiver([answer(429, retry_after=value)]) as receiver, pytest.raises(DeliveryError) as caught:
        sender.send(make_change(), local(receiver))
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "step",
    [hang(), drip(b"HTTP/1.1 200 OK\r\n" + b"x-slow: 1\r\n" * 1000), send_raw(b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["hangs", "drips its header", "only continues"],
)
def test_an_attempt_ends_when_its_time_is_over(step: Step) -> None:
    """A receiver that never finishes its answer is cut, however many bytes it sends on the way."""
    error = fail(step, timeout=0.4)
    assert not error.needs_mending
    assert "did not answer within 0.4 s" in str(error) or "closed the connection early" in str(error)


def test_a_2xx_counts_even_if_its_body_never_ends() -> None:
    """The status says that the alert was taken; a body that drips is cut without sending the alert twice."""
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with Receiver([_at_once_then_drip(raw)]) as receiver:
        make_sender().send(make_change(), local(receiver, timeout=0.4))
        assert len(receiver.received) == 1


def test_a_body_that_breaks_off_after_a_2xx_is_let_go() -> None:
    """Closed in the middle of the body, a 200 is still a 200."""
    with Receiver([send_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")]) as receiver:
        assert make_sender().post(make_change(), local(receiver)) == 200


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """No more than 64 KB of an answer is taken in."""
    whole = 2000 * MAX_ANSWER_BYTES
    poured: list[int] = []
    with Receiver([pour(b"x" * MAX_ANSWER_BYTES, 2000, poured)]) as receiver:
        assert make_sender().post(make_change(), local(receiver)) == 200
        # What the system's socket buffers hold is on top; they are far from 131 MB.
        assert sum(poured) < whole / 2


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nhalf", b"SSH-2.0-OpenSSH\r\n", b"\x00\xff" * 50]
)
def test_an_answer_that_is_not_http_is_a_failure(raw: bytes) -> None:
    """Closed before the header is whole, or not HTTP at all: tried again."""
    error = fail(send_raw(raw))
    assert not error.needs_mending
    assert "closed the connection early, or does not speak HTTP" in str(error)


def test_a_refused_connection_is_a_failure() -> None:
    """Nobody listening is a passing failure, in the system's words."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        channel = make_channel(f"http://127.0.0.1:{unused.getsockname()[1]}/hook", allow_private=True)
        with pytest.raises(DeliveryError, match="cannot connect to the receiver: Connection refused") as caught:
            make_sender().send(make_change(), channel)
    assert not caught.value.needs_mending


def test_private_addresses_are_refused_before_anything_is_sent() -> None:
    """Without `allow_private`, nothing reaches a receiver on this machine."""
    with Receiver() as receiver, pytest.raises(DeliveryError, match="loopback"):
        make_sender().send(make_change(), make_channel(receiver.url))
    assert receiver.received == []


def test_a_name_is_looked_up_once_and_the_checked_address_used() -> None:
    """A name that answers differently the second time (DNS rebinding) gains nothing."""
    answers = [["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    def rebind(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    with Receiver() as receiver:
        channel = make_channel(f"http://rebind.example:{receiver.port}/hook", timeout=0.3)
        with pytest.raises(DeliveryError):
            make_sender(guard=AddressGuard(rebind)).send(make_change(), channel)
        assert receiver.received == []
    assert asked == ["rebind.example"]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """Of several addresses one that listens is enough; the receiver still sees the name it was called by."""
    guard = AddressGuard(lambda host, port: ["127.0.0.2", "127.0.0.1"])
    with Receiver() as receiver:
        url = f"http://alerts.example:{receiver.port}/hook"
        make_sender(guard=guard).send(make_change(), make_channel(url, allow_private=True))
        (request,) = receiver.received
    assert request.headers["host"] == f"alerts.example:{receiver.port}"


@pytest.mark.parametrize("webhook", ["", "no url", "ftp://example.org/x", "http://", "http://host:p0rt-secret/x"])
def test_what_is_no_web_address_is_a_clear_failure(webhook: str) -> None:
    """A webhook that cannot be called is named as the trouble, and not shown."""
    with pytest.raises(DeliveryError, match="the channel's webhook is not") as caught:
        make_sender().send(make_change(), make_channel(webhook))
    assert caught.value.needs_mending
    assert "p0rt-secret" not in repr(caught.value)


def test_credentials_in_the_url_are_sent_as_basic() -> None:
    """`user:password@` becomes an Authorization header and leaves the URL."""
    with Receiver() as receiver:
        url = receiver.url.replace("://", "://ada:pass%20word@")
        make_sender().send(make_change(), make_channel(url, allow_private=True))
        (request,) = receiver.received
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"ada:pass word"
    assert "ada" not in request.headers["host"]


@pytest.mark.parametrize(
    "echo",
    ["/services/T0AAAA/xoxb-SECRET", "xoxb-secret", "ada", "pass word", "YWRhOnBhc3Mgd29yZA==", "tok3n", "whsec_c2Vj"],
    ids=["path", "path in other case", "user", "password", "basic", "query", "signing secret"],
)
def test_a_receiver_that_repeats_a_secret_cannot_make_us_tell_it(echo: str) -> None:
    """What a receiver says is left out of the error as soon as it repeats any part of URL or secret."""
    padded = b"bad request for " + echo.encode() + b" " + b"." * 300
    with Receiver([answer(400, padded)]) as receiver:
        host = f"ada:pass%20word@127.0.0.1:{receiver.port}"
        url = f"http://{host}/services/T0AAAA/xoxb-SECRET?t=tok3n"
        channel = make_channel(url, allow_private=True, secret="whsec_c2Vj")
        with pytest.raises(DeliveryError) as caught:
            make_sender().send(make_change(), channel)
    assert str(caught.value) == "the receiver answered 400 Bad Request"


def test_errors_do_not_hold_the_address() -> None:
    """No failure's text, arguments or chain shows the URL."""
    with Receiver([hang()]) as receiver:
        channel = make_channel(receiver.url + "/xoxb-SECRET", allow_private=True, timeout=0.2)
        with pytest.raises(DeliveryError) as caught:
            make_sender().send(make_change(), channel)
    error: BaseException | None = caught.value
    while error is not None:
        assert "xoxb" not in repr(error)
        error = error.__cause__ or error.__context__


def test_what_a_receiver_says_is_made_one_short_printable_line() -> None:
    """Control characters and length of an answer cannot spoil a log or a terminal."""
    error = fail(answer(400, b"line\n\x1b[31mred\x00" + b"x" * 1000))
    said = str(error).removeprefix("the receiver answered 400 Bad Request: ")
    assert said.startswith("line [31mred xxx")
    assert len(said) == 200


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to addresses nobody checked."""
    with Receiver() as receiver, Receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        make_sender().send(make_change(), local(receiver))
        assert (len(receiver.received), proxy.received) == (1, [])


def test_retry_after_in_the_future_of_the_sites_clock() -> None:
    """The wait is reckoned from now, not from the incident."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    date = (now + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with Receiver([answer(503, retry_after=date)]) as receiver, pytest.raises(DeliveryError) as caught:
        make_sender(clock=ManualClock(now)).send(make_change(), local(receiver))
    assert caught.value.retry_after_seconds == 30.0


def _at_once_then_drip(raw: bytes) -> Step:
    def step(handler: Any) -> None:
        handler.wfile.write(raw)
        drip(b"x" * 1000)(handler)

    return step
