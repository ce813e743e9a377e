"""A webhook receiver on loopback that does what a script tells it, request by request."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GIVE_UP_SECONDS = 20.0
"""A test that waits longer than this for something has failed."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = GIVE_UP_SECONDS

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        step = self.server.receiver.take(Received(self.path, headers, self.rfile.read(length)))
        self.close_connection = True
        try:
            step(self)
        except (OSError, ValueError):  # the sender hung up, as some scripts are meant to make it do
            return

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that breaks off (a refused certificate) is part of the tests."""


Step = Callable[[_Handler], None]


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Step:
    """Answer at once; header names with `_` for `-`."""

    def step(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return step


def hang() -> Step:
    """Say nothing until the receiver is closed."""

    def step(handler: _Handler) -> None:
        handler.server.receiver.is_closing.wait(GIVE_UP_SECONDS)

    return step


def drip(raw: bytes, seconds: float = 0.05) -> Step:
    """Send `raw` (status line and all) a byte at a time."""

    def step(handler: _Handler) -> None:
        for byte in raw:
            if handler.server.receiver.is_closing.wait(seconds):
                return
            handler.wfile.write(bytes([byte]))

    return step


def send_raw(raw: bytes) -> Step:
    """Send exactly these bytes, then close."""

    def step(handler: _Handler) -> None:
        handler.wfile.write(raw)

    return step


def pour(chunk: bytes, num_chunks: int, poured: list[int]) -> Step:
    """A 200 with a long body; `poured` gets the sizes of the chunks that were taken."""

    def step(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(chunk) * num_chunks))
        handler.end_headers()
        for _ in range(num_chunks):
            poured.append(handler.wfile.write(chunk))

    return step


class Receiver:
    """Answers each request with the next step of `script`, then with `otherwise`."""

    def __init__(
        self, script: Sequence[Step] = (), *, otherwise: Step | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.is_closing = threading.Event()
        self._script = list(script)
        self._otherwise = otherwise or answer(200)
        self._received: list[Received] = []
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._scheme = "https" if ssl_context else "http"
        if ssl_context:
            self._server.socket = ssl_context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver", daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hook"

    @property
    def received(self) -> list[Received]:
        """All requests so far, in the order they came."""
        with self._changed:
            return list(self._received)

    def take(self, request: Received) -> Step:
        """Note a request; the step to answer it with."""
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
            return self._script.pop(0) if self._script else self._otherwise

    def wait_for(self, number: int) -> list[Received]:
        """The requests, once there are so many."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        with self._changed:
            while len(self._received) < number:
                left = deadline - time.monotonic()
                assert left > 0, f"waited for {number} requests, got {len(self._received)}"
                self._changed.wait(left)
            return list(self._received)
