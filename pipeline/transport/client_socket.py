"""How the client's sockets are made: closed when they do not connect, and never left waiting for a broker that died."""

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


class ClosingSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python has no types
    """The client's way to plug in other sockets, by the scheme of `proxy_url`; there is no proxy.

    Its own leaves a socket that did not connect to the garbage collector (3.0.12), one with each attempt while a
    broker is away.
    """

    SCHEMES = ("closing",)

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """The socket, connected."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
