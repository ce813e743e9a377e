"""How the client's sockets are made: closed when they do not connect, never left waiting for a broker that died, and
read in large pieces."""

from __future__ import annotations

import socket
from typing import Any

from kafka.net.inet import KafkaNetSocket

SOCKET_OPTIONS: dict[str, Any] = {
    "proxy_url": "closing://",
    "socket_options": [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    ],
}
"""A broker that vanished without a word (power, cable) is noticed within half a minute, also where the client itself
sets no limit, as in a TLS handshake."""

_READ_BYTES = 262_144
"""At a time. The client asks for 4,096 (3.0.12): five system calls for a frame of 20 kB, each of which gives Python's
lock away, and where other threads are at work each waits up to 5 ms to have it back."""


class WideSocket(socket.socket):
    """Gives more than was asked for, which the client takes. TLS has sockets of its own."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """What is there."""
        return super().recv(max(bufsize, _READ_BYTES), flags)

    def __del__(self) -> None:
        """The client forgets one now and then when it is closed while it connects (3.0.12)."""
        self.close()


class ClosingSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python has no types
    """The client's way to plug in other sockets, by the scheme of `proxy_url`; there is no proxy.

    Its own leaves a socket that did not connect to the garbage collector (3.0.12), one with each attempt while a
    broker is away.
    """

    SCHEMES = ("closing",)

    def socket(self, family: int, sock_type: int, proto: int) -> WideSocket:
        """Not connected yet."""
        return WideSocket(family, sock_type, proto)

    async def sock_connect(self, net: Any, sock: WideSocket, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """The socket, connected."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
