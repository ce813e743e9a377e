"""Which network addresses a webhook may reach.

In: a host name or address as the site file has it. Out: the addresses to connect to, already checked. Whoever
connects must use these very addresses: a second look-up could answer differently (DNS rebinding).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from pipeline.alerting.failure import DeliveryError

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) to numeric addresses; `OSError` when there are none."""

_CLOUD_METADATA = frozenset(
    ip_address(text)
    for text in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
"""AWS, GCP and Azure; ECS tasks; EKS pods; Alibaba; Azure's host agent; Oracle; over IPv6 AWS, EKS pods and GCP. Never
a receiver of alerts."""
_CARRIER_NAT = IPv4Network("100.64.0.0/10")  # RFC 6598
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291


def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver, which also reads `0x7f.1`, `0177.0.0.1` and `2130706433` as addresses."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return list(dict.fromkeys(socket.getnameinfo(entry[4], numeric)[0] for entry in found))


class AddressGuard:
    """Answers with the addresses of a host that may be connected to. Thread-safe."""

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolve = resolver

    def addresses(self, host: str, port: int, *, allow_private: bool) -> list[str]:
        """Checked addresses, in the resolver's order; `DeliveryError` when none is left."""
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise DeliveryError("the receiver's host name does not resolve") from error
        refusals = {text: why_refused(ip_address(text), allow_private=allow_private) for text in found}
        allowed = [text for text, why in refusals.items() if not why]
        if not allowed:
            kinds = " and ".join(sorted(set(refusals.values())))
            raise DeliveryError(f"the receiver's address is refused: it is {kinds}", needs_mending=True)
        return allowed


def why_refused(address: Address, *, allow_private: bool) -> str:
    """What is wrong with `address`, in words; empty when it may be connected to."""
    address = _innermost(address)
    if address in _CLOUD_METADATA:
        return "a cloud metadata service"
    if address.is_multicast or address.is_unspecified or (address.is_reserved and not address.is_loopback):
        return "not the address of one machine"
    if _is_public(address) or allow_private:
        return ""
    return f"{_kind(address)}, and the channel does not say allow_private: true"


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be this machine's own."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only wraps: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global


def _kind(address: Address) -> str:
    if address.is_loopback:
        return "this machine itself (loopback)"
    if address.is_link_local:
        return "link-local"
    if isinstance(address, IPv4Address) and address in _CARRIER_NAT:
        return "behind a carrier's NAT"
    return "private"
