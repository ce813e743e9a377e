"""JSON over HTTP to a model server: bounded in time and size, every failure named by what to do about it.

The key travels in a header only and is taken out of whatever a server writes back.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, TransientError
from pipeline.reasoning.breaker import RetryAfter
from pipeline.reasoning.retry import request_seconds

MAX_RESPONSE_BYTES = 2_000_000
MAX_MESSAGE_CHARACTERS = 200
_CONNECT_SECONDS = 10.0
_HANGS_UP = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class RefusedRequest(InvalidMessage):
    """400 or 422: the server does not take the request in this form; it may take another."""


class HungUpError(TransientError):
    """The server closed the connection before it began to answer."""


class JsonHttp:
    """One server. Thread-safe."""

    def __init__(self, base_url: str, api_key: str | None, timeout_seconds: float) -> None:
        self._base_url = base_url
        self._api_key = (api_key or "").strip()
        self._timeout_seconds = timeout_seconds
        self._clock = SystemClock()
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise ConfigError("models.vlm_api_key holds characters that cannot stand in an HTTP header")
        headers = {"accept-encoding": "identity"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        self._client = httpx.Client(headers=headers)

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`."""
        return self._send("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object the server answers `body` with."""
        return self._send("POST", path, body)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """The answer. A kept connection that the server had closed meanwhile is no failure of the server: uvicorn
        closes one after 5 s without a request, and right after a 500."""
        try:
            return self._send_once(method, path, body)
        except HungUpError:
            return self._send_once(method, path, body)

    def _send_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        seconds = request_seconds(self._timeout_seconds)
        until = self._clock.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        has_begun = False
        try:
            with self._client.stream(method, self._base_url + path, json=body, timeout=timeout) as response:
                has_begun = True
                content = self._read(response, until, seconds)
        except httpx.TimeoutException as error:
            raise _too_slow(seconds) from error
        except httpx.HTTPError as error:
            raise self._unreachable(error, has_begun=has_begun) from error
        if not response.is_success:
            raise self._refused(response, content)
        return _json_object(content)

    def _read(self, response: httpx.Response, until: float, seconds: float) -> bytes:
        """The body; httpx bounds the wait for each piece, this the sum of them."""
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_RESPONSE_BYTES:
                raise InvalidMessage(f"the model server's answer is larger than {MAX_RESPONSE_BYTES:,} bytes")
            if self._clock.monotonic() > until:
                raise _too_slow(seconds)
        return bytes(content)

    def _unreachable(self, error: httpx.HTTPError, *, has_begun: bool) -> TransientError | InvalidMessage:
        cause = _ssl_cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return InvalidMessage(
                f"the certificate of the model server {self._base_url} is not to be trusted ({cause.verify_message}); "
                "use a certificate of a known authority, or set SSL_CERT_FILE to the file of your own"
            )
        if cause is not None:
            return InvalidMessage(f"no TLS with the model server {self._base_url} ({cause.reason}); is it http://?")
        kind = HungUpError if isinstance(error, _HANGS_UP) and not has_begun else TransientError
        return kind(f"no whole answer from the model server {self._base_url}: {self._short(str(error))}")

    def _refused(self, response: httpx.Response, content: bytes) -> Exception:
        """The error for a status other than 2xx."""
        status = response.status_code
        said = self._short(_server_message(content))
        wait = response.headers.get("retry-after", "")
        says_when = wait.isascii() and wait.isdigit()
        if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and says_when):
            message = f"the model server has no room now ({status}): {said}"
            return RetryAfter(message, float(wait)) if says_when else Overloaded(message)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
            return TransientError(f"the model server failed ({status}): {said}")
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            return RefusedRequest(f"the model server refused the request ({status}): {said}")
        return InvalidMessage(f"the model server refused the request ({status}): {said}{_likely_fix(status)}")

    def _short(self, text: str) -> str:
        if self._api_key:
            text = text.replace(self._api_key, "***")
        return " ".join(text.split())[:MAX_MESSAGE_CHARACTERS]


def _too_slow(seconds: float) -> TransientError:
    return TransientError(f"the model server did not answer within {round(seconds, 2):g} s")


def _ssl_cause(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS failure behind a connection error; httpx keeps it only in the chain of causes."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _likely_fix(status: int) -> str:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "; check models.vlm_api_key"
    if status == httpx.codes.NOT_FOUND:
        return "; check the URL (it usually ends with /v1) and the model's name"
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return "; lower reasoning.max_frames or reasoning.max_side_px"
    if httpx.codes.is_redirect(status):
        return "; redirects are not followed, name the final URL"
    return ""


def _server_message(content: bytes) -> str:
    """The message of OpenAI's error object, or the beginning of whatever came."""
    text = content[:10_000].decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TransientError(f"the model server answered {len(content):,} bytes that are not JSON") from error
    if not isinstance(body, dict):
        raise InvalidMessage(f"expected a JSON object from the model server, got {type(body).__name__}")
    return body
