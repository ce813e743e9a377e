"""A webhook receiver on this machine for the demo: takes messages, checks their signature, counts them."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

_HOST = "127.0.0.1"
_MAX_BODY_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """One message, as it came."""

    id: str
    """The sender's id: the same for every attempt at the same message."""
    is_genuine: bool
    """Its signature is right."""
    body: dict[str, Any]


class DemoReceiver:
    """Listens on loopback from the start of a `with` to its end."""

    def __init__(self, on_message: Callable[[Received], None]) -> None:
        """`on_message` is called from the receiver's threads."""
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.received: dict[str, Received] = {}
        """By id: a message that came twice counts once."""
        self._lock = threading.Lock()
        self._on_message = on_message
        self._webhook = Webhook(self.secret)
        self._server = ThreadingHTTPServer((_HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://{_HOST}:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def accept(self, headers: dict[str, str], body: bytes) -> bool:
        """Take in one message; whether it is genuine."""
        try:
            content = self._webhook.verify(body, headers)
            is_genuine = True
        except (WebhookVerificationError, json.JSONDecodeError, UnicodeDecodeError):
            content, is_genuine = {}, False
        message = Received(headers.get("webhook-id", ""), is_genuine, content)
        with self._lock:
            is_new = message.id not in self.received
            self.received.setdefault(message.id, message)
        if is_new:
            self._on_message(message)
        return is_genuine

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """2xx for a genuine message, 401 for any other."""
                length = min(int(self.headers.get("content-length") or 0), _MAX_BODY_BYTES)
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(204 if receiver.accept(headers, self.rfile.read(length)) else 401)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the demo prints what came."""

        return Handler
