"""Connections to a model server that the server closes."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.errors import TransientError
from pipeline.reasoning.http import JsonHttp

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class _Server(socketserver.ThreadingTCPServer):
    """Keeps a connection for so many answers, then closes it when the next request comes."""

    daemon_threads = True

    def __init__(self, num_answers: int) -> None:
        self.num_answers = num_answers
        self.num_requests = 0
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        for number in range(self.server.num_answers + 1):
            if not self.request.recv(65536):
                return
            self.server.num_requests += 1
            if number < self.server.num_answers:
                self.request.sendall(ANSWER)


@contextmanager
def _serving(num_answers: int) -> Iterator[tuple[_Server, JsonHttp]]:
    with _Server(num_answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        client = JsonHttp(f"http://127.0.0.1:{server.server_address[1]}", None, 5.0)
        try:
            yield server, client
        finally:
            client.close()
            server.shutdown()
            thread.join()


def test_a_kept_connection_that_was_closed_is_opened_again() -> None:
    """The server closed it between two requests: that is no failure, and nobody hears of it."""
    with _serving(num_answers=1) as (server, client):
        assert [client.get("/models") for _ in range(3)] == [{}] * 3
    assert server.num_requests == 5


def test_a_server_that_always_hangs_up_has_failed() -> None:
    """One more try, on a new connection, and no third."""
    with _serving(num_answers=0) as (server, client), pytest.raises(TransientError, match="no whole answer"):
        client.get("/models")
    assert server.num_requests == 2
