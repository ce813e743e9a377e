"""The client's sockets."""

from __future__ import annotations

import socket
import threading

from pipeline.transport.client_socket import ClosingSocket


def test_what_is_there_is_read_at_once() -> None:
    """The client asks for 4,096 bytes at a time; it gets the whole of a frame that has come."""
    frame = bytes(60_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = ClosingSocket("closing://").socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        with made as client:
            client.connect(server.getsockname())
            peer, _ = server.accept()
            with peer:
                sending = threading.Thread(target=peer.sendall, args=(frame,))
                sending.start()
                sending.join()
                assert client.recv(1, socket.MSG_PEEK)
                assert len(client.recv(4096)) > 4096
