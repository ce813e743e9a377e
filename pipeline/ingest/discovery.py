"""Finding cameras by WS-Discovery, as ONVIF uses it: one datagram asks, every device answers for itself.

In: how long to listen. Out: the devices that answered, without any password. One question and its answers need no
library (`docs/decisions/0009-finding-cameras.md`); what a device then says of itself is `onvif.py`'s.
"""

from __future__ import annotations

import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from pipeline.errors import TransientError

DISCOVERY_PORT = 3702
_GROUP = "239.255.255.250"
_LARGEST_DATAGRAM = 65_535
_NUM_QUESTIONS = 2
"""Datagrams get lost; devices answer a repeated question once (same message id)."""
_DISCOVERY = "{http://schemas.xmlsoap.org/ws/2005/04/discovery}"
_SCOPE = "onvif://www.onvif.org/"
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>"
    "<a:MessageID>urn:uuid:{id}</a:MessageID>"
    "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>"
    "<s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
)


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A device that answered. All but `host` is its own word."""

    host: str
    """Where the answer came from."""
    port: int
    """Of its ONVIF service."""
    name: str
    hardware: str
    service_urls: tuple[str, ...]


def discover(timeout_seconds: float, address: tuple[str, int] | None = None) -> list[FoundCamera]:
    """Ask on every network interface, or one address, and listen for that long; sorted by host.

    Raises:
        TransientError: the question could not be sent anywhere.
    """
    question = _PROBE.format(id=uuid.uuid4()).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        for _ in range(_NUM_QUESTIONS):
            _ask(asking, question, address)
        answers = _answers(asking, timeout_seconds)
        found = {camera.service_urls: camera for data, host in answers for camera in _read(data, host)}
    return sorted(found.values(), key=lambda camera: (camera.host, camera.port))


def _ask(asking: socket.socket, question: bytes, address: tuple[str, int] | None) -> None:
    try:
        if address is not None:
            asking.sendto(question, address)
            return
        if not any(_ask_on(asking, question, index) for index, _ in socket.if_nameindex()):
            raise TransientError("no network interface lets multicast out; ask one address with --address HOST")
    except OSError as error:
        place = f"{address[0]}:{address[1]}" if address else "the network"
        raise TransientError(f"cannot ask {place}: {error.strerror or error}") from error


def _ask_on(asking: socket.socket, question: bytes, interface: int) -> bool:
    """Whether the question went out on one interface: some have no address or no multicast."""
    with suppress(OSError):
        where = struct.pack("=4s4si", bytes(4), bytes(4), interface)  # struct ip_mreqn, see ip(7)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, where)
        asking.sendto(question, (_GROUP, DISCOVERY_PORT))
        return True
    return False


def _answers(asking: socket.socket, timeout_seconds: float) -> Iterator[tuple[bytes, str]]:
    """(datagram, host) until the time is over."""
    until = time.monotonic() + timeout_seconds
    while (left := until - time.monotonic()) > 0:
        asking.settimeout(left)
        try:
            data, (host, _) = asking.recvfrom(_LARGEST_DATAGRAM)
        except TimeoutError:
            return
        except ConnectionRefusedError:  # the one address that was asked has nobody on that port
            continue
        yield data, host


def _read(data: bytes, host: str) -> Iterator[FoundCamera]:
    """The devices in one answer; nothing for what is none, as anybody may send to an open port."""
    if b"<!DOCTYPE" in data:
        return
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except ElementTree.ParseError:
        return
    for match in root.iter(f"{_DISCOVERY}ProbeMatch"):
        urls = tuple((match.findtext(f"{_DISCOVERY}XAddrs") or "").split())
        scopes = (match.findtext(f"{_DISCOVERY}Scopes") or "").split()
        if urls:
            yield FoundCamera(host, _port(urls, host), _scope(scopes, "name"), _scope(scopes, "hardware"), urls)


def _port(urls: tuple[str, ...], host: str) -> int:
    """Of the service at the address that answered, else of the first."""
    for url in sorted(urls, key=lambda url: urlsplit(url).hostname != host):
        with suppress(ValueError):
            parts = urlsplit(url)
            return parts.port or (443 if parts.scheme == "https" else 80)
    return 80


def _scope(scopes: list[str], kind: str) -> str:
    prefix = f"{_SCOPE}{kind}/"
    return next((unquote(scope.removeprefix(prefix)) for scope in scopes if scope.startswith(prefix)), "")
