"""An HTTP camera on loopback that can become what people put in a camera's URL by mistake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from pipeline.contracts.values import Image

STREAM, PAGE, REFUSED, MISSING, SILENT = "stream", "page", "401", "404", "silent"
_PAGE = b"<!doctype html><html><head><title>Camera login</title></head><body>Please log in.</body></html>"


class WebCamera:
    """Sends its pictures as MJPEG, for ever, until it is told to `be` something else; then it drops its readers."""

    def __init__(self, pictures: Sequence[Image], fps: float) -> None:
        self._jpegs = [cv2.imencode(".jpg", each[..., ::-1])[1].tobytes() for each in pictures]
        self._interval_seconds = 1 / fps
        self._changed = threading.Condition()
        self._is = STREAM
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is read."""
        return f"http://127.0.0.1:{self._server.server_port}/video"

    def be(self, what: str) -> None:
        """`STREAM`, or a web page, a refusal, nowhere, or silent with the connection open."""
        with self._changed:
            self._is = what
            self._changed.notify_all()

    def close(self) -> None:
        """End it."""
        self.be("closed")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request, by what it is now."""
        request.close_connection = True
        if self._is in (REFUSED, MISSING):
            request.send_error(int(self._is))
        elif self._is == PAGE:
            _send(request, "text/html", _PAGE)
        else:
            self._stream(request)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        index = 0
        while self._is in (STREAM, SILENT):
            if self._is == STREAM:
                jpeg = self._jpegs[index % len(self._jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                request.wfile.write(head.encode() + jpeg + b"\r\n")
                index += 1
            with self._changed:
                self._changed.wait(self._interval_seconds)


def _send(request: BaseHTTPRequestHandler, kind: str, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def _handler(camera: WebCamera) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 20.0

        def do_GET(self) -> None:
            with suppress(OSError):  # the reader went away
                camera.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
