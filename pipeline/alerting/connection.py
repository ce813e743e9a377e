"""A network layer for httpcore that connects to checked addresses only and ends when its time is over.

httpcore's own timeouts are for each read: a receiver that drips one byte a second would hold a worker for ever.
Here every operation gets what is left of one deadline. TLS and the `Host` header keep the name of the URL, so
certificates are checked against it as usual.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from pipeline.alerting.addresses import AddressGuard


class Deadline:
    """The end of one attempt. Sockets wait in real time, so this is no matter for a `Clock`."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; `httpcore.TimeoutException` when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the attempt's time is over")
        return seconds


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections for one attempt at one channel."""

    def __init__(self, guard: AddressGuard, deadline: Deadline, *, allow_private: bool) -> None:
        self._guard = guard
        self._deadline = deadline
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline stands in for it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve once, then try the allowed addresses in turn."""
        *others, last = self._guard.addresses(host, port, allow_private=self._allow_private)
        for address in others:
            try:
                return self._connect(address, port, local_address, socket_options, share=0.5)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connect(last, port, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
        share: float = 1.0,
    ) -> httpcore.NetworkStream:
        """`share`: how much of the time left this address may take, so that the next ones get some."""
        seconds = self._deadline.left() * share
        stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose every operation is bounded by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        """At most `max_bytes`; empty at the end."""
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """All of `buffer`."""
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """The same stream, encrypted, its peer checked against `server_hostname`."""
        return _BoundedStream(
            self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        """What the socket knows."""
        return self._stream.get_extra_info(info)
