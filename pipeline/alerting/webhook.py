"""One attempt to tell one channel of one change.

In: a change and a channel. Out: nothing, once the receiver has answered 2xx; a `DeliveryError` otherwise, which
holds neither URL nor secrets. It leaves retries to the outbox. No redirects, no proxies from the environment, no
kept connections: alerts are rare, and a connection left from the last one is often dead.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

import httpcore
import httpx

from pipeline.alerting.addresses import AddressGuard
from pipeline.alerting.connection import Deadline, GuardedBackend
from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.formats import Message, write_message
from pipeline.alerting.signature import webhook_headers
from pipeline.alerting.wording import Telling
from pipeline.clock import Clock, SystemClock
from pipeline.contracts.alert import AlertLinks, Channel
from pipeline.contracts.incident import IncidentChange
from pipeline.tracing import OFF, Tracing

MAX_ANSWER_BYTES = 64 * 1024
_MAX_EXCERPT_CHARACTERS = 200
_MIN_HIDDEN_CHARACTERS = 6
_USER_AGENT = "Sightline"
_SIGNED_FORMATS = ("sightline", "alertmanager")
_COME_BACK_LATER = (408, 425, 429)
"""Request Timeout, Too Early, Too Many Requests: the receiver itself says that a retry may work."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str
    body: bytes
    """The first `MAX_ANSWER_BYTES`, or what came in time."""


class WebhookSender:
    """Posts changes. Thread-safe; an attempt takes at most the channel's timeout and a name's resolution."""

    def __init__(
        self,
        site_name: str,
        timezone: str,
        *,
        clock: Clock | None = None,
        guard: AddressGuard | None = None,
        ssl_context: ssl.SSLContext | None = None,
        tracing: Tracing = OFF,
        links: AlertLinks | None = None,
    ) -> None:
        """By default certificates are checked against certifi's, or those of `SSL_CERT_FILE`; without `links`
        messages name evidence by its keys alone."""
        self._site_name = site_name
        self._zone = ZoneInfo(timezone)
        self._clock = clock or SystemClock()
        self._guard = guard or AddressGuard()
        self._ssl_context = ssl_context or httpx.create_ssl_context()
        self._tracing = tracing
        self._links = links

    def send(self, change: IncidentChange, channel: Channel) -> None:
        """Tell `channel` of `change`; `DeliveryError` when its receiver did not answer 2xx."""
        self.post(change, channel)

    def post(self, change: IncidentChange, channel: Channel, *, is_test: bool = False) -> int:
        """The same, giving back the status; `is_test` marks the message as one that means nothing."""
        message = write_message(self._telling(change, channel, is_test=is_test), channel)
        url = _webhook_url(channel)
        headers = self._headers(url, message, change, channel)
        answer = self._exchange(url, channel, list(headers.items()), message.body)
        self._tracing.answered(answer.status)
        if not 200 <= answer.status < 300:
            raise self._refusal(answer, url, channel)
        return answer.status

    def _telling(self, change: IncidentChange, channel: Channel, *, is_test: bool) -> Telling:
        telling = Telling(change, self._site_name, self._zone, is_test)
        if self._links is None or is_test:
            return telling
        incident = change.incident
        addresses = self._links.evidence(incident, channel.name)
        return replace(telling, page=self._links.page(incident), addresses=addresses)

    def _headers(self, url: httpx.URL, message: Message, change: IncidentChange, channel: Channel) -> dict[str, str]:
        headers = {
            "host": url.netloc.decode("ascii"),
            "user-agent": _USER_AGENT,
            "content-type": message.content_type,
        }
        if traceparent := self._tracing.traceparent():
            headers["traceparent"] = traceparent
        if url.userinfo:
            headers["authorization"] = f"Basic {_basic_credentials(url)}"
        if channel.format in _SIGNED_FORMATS:
            headers |= webhook_headers(change.id, self._clock.now(), message.body, channel.secret)
        return headers

    def _exchange(self, url: httpx.URL, channel: Channel, headers: list[tuple[str, str]], body: bytes) -> _Answer:
        backend = GuardedBackend(self._guard, Deadline(channel.timeout), allow_private=channel.allow_private)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        pool = httpcore.ConnectionPool(ssl_context=self._ssl_context, network_backend=backend)
        try:
            with pool, pool.stream("POST", target, headers=headers, content=body) as response:
                received = {name.lower(): value for name, value in response.headers}
                retry_after = received.get(b"retry-after", b"").decode("latin-1")
                return _Answer(response.status, retry_after, b"".join(_first_bytes(response)))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise _unanswered(error, channel.timeout) from error

    def _refusal(self, answer: _Answer, url: httpx.URL, channel: Channel) -> DeliveryError:
        status = answer.status
        said = _excerpt(answer.body, url, channel)
        if 300 <= status < 400:
            message = f"the receiver answered {_named(status)}: redirects are refused, name the final address instead"
            return DeliveryError(message, needs_mending=True, status=status)
        message = f"the receiver answered {_named(status)}" + (f": {said}" if said else "")
        if status >= 500 or status in _COME_BACK_LATER:
            seconds = _seconds_of(answer.retry_after, self._clock.now())
            return DeliveryError(message, retry_after_seconds=seconds, status=status)
        return DeliveryError(message, needs_mending=True, status=status)


def _webhook_url(channel: Channel) -> httpx.URL:
    try:
        url = httpx.URL(channel.webhook.get_secret_value())
    except httpx.InvalidURL:
        # The library's message quotes the part it did not like, which may be a secret.
        raise DeliveryError("the channel's webhook is not a valid URL", needs_mending=True) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise DeliveryError("the channel's webhook is not an http:// or https:// URL", needs_mending=True)
    return url


def _basic_credentials(url: httpx.URL) -> str:
    return base64.b64encode(f"{url.username}:{url.password}".encode()).decode()


def _first_bytes(response: httpcore.Response) -> Iterator[bytes]:
    """The start of the body. The status has decided already, so a body that breaks off or drips is let go."""
    num_bytes = 0
    try:
        for chunk in response.iter_stream():
            yield chunk[: MAX_ANSWER_BYTES - num_bytes]
            num_bytes += len(chunk)
            if num_bytes >= MAX_ANSWER_BYTES:
                return
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return


def _unanswered(error: Exception, timeout_seconds: float) -> DeliveryError:
    if isinstance(error, httpcore.TimeoutException):
        return DeliveryError(f"the receiver did not answer within {timeout_seconds:g} s")
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.verify_message.partition(",")[0]
        return DeliveryError(f"the receiver's TLS certificate is not accepted: {why}", needs_mending=True)
    if isinstance(cause, ssl.SSLError):
        return DeliveryError("the receiver does not speak TLS on this port, or not a version that is accepted")
    if isinstance(error, httpcore.ConnectError):
        return DeliveryError(f"cannot connect to the receiver: {_system_words(cause)}")
    if isinstance(error, httpcore.ProtocolError):
        return DeliveryError("the receiver closed the connection early, or does not speak HTTP")
    return DeliveryError(f"the connection to the receiver broke: {_system_words(cause)}")


def _system_words(cause: BaseException | None) -> str:
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number else "no reason given"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _excerpt(body: bytes, url: httpx.URL, channel: Channel) -> str:
    """What the receiver said, in one short line; nothing at all when it repeats what must stay hidden."""
    text = body.decode("utf-8", errors="replace")
    if any(hidden.lower() in text.lower() for hidden in _hidden(url, channel)):
        return ""
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.split())[:_MAX_EXCERPT_CHARACTERS]


def _hidden(url: httpx.URL, channel: Channel) -> Iterator[str]:
    secrets = [url.username, url.password, *url.params.values()]
    if url.userinfo:
        secrets.append(_basic_credentials(url))
    if channel.secret is not None:
        secrets.append(channel.secret.get_secret_value())
    yield from filter(None, secrets)
    paths = url.path.split("/") + url.raw_path.decode("ascii").split("/")
    yield from (part for part in paths if len(part) >= _MIN_HIDDEN_CHARACTERS)


def _seconds_of(retry_after: str, now: datetime) -> float | None:
    """`Retry-After`: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)
