"""The pipe between a decoder and the process that reads it: a short header in JSON and the bytes of a picture.

No pickles come back: a decoder eats what strangers send, and whoever takes it over must not get further by it.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

_SIZES = struct.Struct("!II")
_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 128 * 1024 * 1024
"""Above any JPEG of 8K."""

Head = dict[str, Any]


class Channel:
    """One end. One thread sends and receives; `hang_up` may come from another."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, head: Head, body: bytes = b"") -> None:
        """Hand over a message; `OSError` when the other end is gone, or takes nothing for the last timeout."""
        text = json.dumps(head).encode()
        self._end.sendall(_SIZES.pack(len(text), len(body)) + text + body)

    def receive(self, timeout_seconds: float | None = None) -> tuple[Head, bytes]:
        """The next message, waiting for the whole of it at most so long.

        `TimeoutError` when it did not come in time, `EOFError` when the other end is gone, `ValueError` when it
        is no message of ours.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        num_head, num_body = _SIZES.unpack(self._take(_SIZES.size, until))
        if num_head > _MOST_HEAD_BYTES or num_body > _MOST_BODY_BYTES:
            raise ValueError(f"expected a message of bounded size, got one of {num_head} and {num_body} bytes")
        head = json.loads(self._take(num_head, until))
        if not isinstance(head, dict):
            raise ValueError("expected a message with a header")
        return head, self._take(num_body, until)

    def hang_up(self) -> None:
        """Both ends wake, wherever they wait; `close` frees what is left."""
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already

    def close(self) -> None:
        """Free this end."""
        self._end.close()

    def _take(self, num_bytes: int, until: float | None) -> bytes:
        taken = bytearray()
        while len(taken) < num_bytes:
            self._wait_at_most(until)
            try:
                part = self._end.recv(min(num_bytes - len(taken), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise EOFError from error
            if not part:
                raise EOFError
            taken += part
        return bytes(taken)

    def _wait_at_most(self, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._end.settimeout(left)
