"""A gate before a broker that lets in only who logs in with SCRAM-SHA-512, as Kafka's SASL listener does.

It speaks Kafka's framing and three requests (ApiVersions, SaslHandshake, SaslAuthenticate), checks the proof as RFC
5802 says, and then passes bytes through.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import socketserver
import struct
import threading
from contextlib import suppress
from typing import Self

_SASL_HANDSHAKE, _API_VERSIONS, _SASL_AUTHENTICATE = 17, 18, 36
_UNSUPPORTED_MECHANISM, _AUTHENTICATION_FAILED, _ILLEGAL_STATE = 33, 58, 34
_ITERATIONS = 4096
_SALT = b"sixteen bytes of"


class SaslGate:
    """Listens on `port`; `logins` is what became of each attempt, in order."""

    def __init__(self, target_port: int, port: int, users: dict[str, str], *, has_logins: bool = True) -> None:
        """Without logins it refuses every handshake, as a listener without SASL does."""
        gate = self
        self.port = port
        self.users = users
        self.has_logins = has_logins
        self.target_port = target_port
        self.logins: list[str] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    _Client(gate, self.request).serve()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="sasl-gate", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Client:
    """One connection."""

    def __init__(self, gate: SaslGate, sock: socket.socket) -> None:
        self._gate = gate
        self._socket = sock

    def serve(self) -> None:
        with socket.create_connection(("127.0.0.1", self._gate.target_port)) as broker:
            if self._log_in(broker):
                _join(self._socket, broker)

    def _log_in(self, broker: socket.socket) -> bool:
        """Whether the client may go on; anything but the login closes the connection, as Kafka does."""
        scram = _Scram(self._gate.users)
        while True:
            frame = _read_frame(self._socket)
            api_key, api_version = struct.unpack(">hh", frame[:4])
            if api_key == _API_VERSIONS:
                _send_frame(broker, frame)
                _send_frame(self._socket, _read_frame(broker))
            elif api_key == _SASL_HANDSHAKE:
                self._answer(frame, self._handshake(frame))
            elif api_key == _SASL_AUTHENTICATE:
                error, token = scram.answer(_token(frame, api_version))
                self._answer(frame, _authenticated(api_version, error, token))
                if error or scram.is_done:
                    self._gate.logins.append("refused" if error else "accepted")
                    return not error or self._linger()
            else:
                return False

    def _linger(self) -> bool:
        """Close a moment after the refusal, as Kafka does (connection.failed.authentication.delay.ms): a client that
        meets both at once may see only the end."""
        self._socket.settimeout(1.0)
        with suppress(OSError):
            self._socket.recv(1)
        return False

    def _handshake(self, frame: bytes) -> bytes:
        mechanism = _body(frame)[2:].decode()
        error = 0 if mechanism == "SCRAM-SHA-512" else _UNSUPPORTED_MECHANISM
        return struct.pack(">hi", error if self._gate.has_logins else _ILLEGAL_STATE, 1) + _text("SCRAM-SHA-512")

    def _answer(self, frame: bytes, body: bytes) -> None:
        _send_frame(self._socket, frame[4:8] + body)


class _Scram:
    """The server's side of RFC 5802, without channel binding."""

    def __init__(self, users: dict[str, str]) -> None:
        self._users = users
        self._first = self._server_first = self._user = ""
        self.is_done = False

    def answer(self, token: bytes) -> tuple[int, bytes]:
        """(error, token) for the client's next message."""
        if not self._first:
            self._first = token.decode().removeprefix("n,,")
            fields = dict(part.split("=", 1) for part in self._first.split(","))
            self._user = fields["n"]
            salt = base64.b64encode(_SALT).decode()
            self._server_first = f"r={fields['r']}gate,s={salt},i={_ITERATIONS}"
            return 0, self._server_first.encode()
        without_proof, proof = token.decode().rsplit(",p=", 1)
        signed = f"{self._first},{self._server_first},{without_proof}".encode()
        salted = hashlib.pbkdf2_hmac("sha512", self._users.get(self._user, "").encode(), _SALT, _ITERATIONS)
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha512(client_key).digest(), signed)
        expected = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        if self._user not in self._users or base64.b64decode(proof) != expected:
            return _AUTHENTICATION_FAILED, b""
        self.is_done = True
        return 0, b"v=" + base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, "sha512").digest()


def _body(frame: bytes) -> bytes:
    """Behind the request header (api key, version, correlation id, client id)."""
    (length,) = struct.unpack(">h", frame[8:10])
    return frame[10 + max(length, 0) :]


def _token(frame: bytes, api_version: int) -> bytes:
    body = _body(frame)
    if api_version < 2:
        return body[4:]
    # From version 2 on the header ends with tagged fields, and lengths are varints of the length plus one.
    body, length, shift = body[1:], 0, 0
    while True:
        byte, body = body[0], body[1:]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return body[: length - 1]


def _authenticated(api_version: int, error: int, token: bytes) -> bytes:
    if api_version < 2:
        message = _text("no such user, or another password") if error else struct.pack(">h", -1)
        lifetime = struct.pack(">q", 0) if api_version == 1 else b""
        return struct.pack(">h", error) + message + struct.pack(">i", len(token)) + token + lifetime
    length = len(token) + 1
    varint = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return b"\x00" + struct.pack(">h", error) + b"\x00" + varint + token + struct.pack(">q", 0) + b"\x00"


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _read_frame(sock: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _read(sock, 4))
    return _read(sock, length)


def _read(sock: socket.socket, num_bytes: int) -> bytes:
    data = b""
    while len(data) < num_bytes:
        chunk = sock.recv(num_bytes - len(data))
        if not chunk:
            raise ConnectionError("closed")
        data += chunk
    return data


def _send_frame(sock: socket.socket, frame: bytes) -> None:
    sock.sendall(struct.pack(">i", len(frame)) + frame)


def _join(left: socket.socket, right: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(right, left), daemon=True)
    back.start()
    _pump(left, right)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
