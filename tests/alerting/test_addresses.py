from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from pipeline.alerting.addresses import AddressGuard, resolve, why_refused
from pipeline.alerting.failure import DeliveryError

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822", "::ffff:1.1.1.1"]
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "198.18.0.1",
    "::1", "fe80::1", "fd12::1", "fec0::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
    "64:ff9b::10.0.0.1", "fe80::1%1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "100.100.100.200", "168.63.129.16",
    "169.254.170.23", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
    "0.0.0.0", "::", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1",
    "::127.0.0.1", "4000::1",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_reached(text: str) -> None:
    """An address of the open internet is fine, also when it is wrapped in IPv6."""
    assert why_refused(ip_address(text), allow_private=False) == ""


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_need_a_word_from_the_operator(text: str) -> None:
    """Loopback, private and link-local addresses are refused, in every disguise, unless the channel allows them."""
    assert "allow_private" in why_refused(ip_address(text), allow_private=False)
    assert why_refused(ip_address(text), allow_private=True) == ""


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_never_a_receiver(text: str) -> None:
    """Metadata services, multicast, unspecified and reserved addresses are refused whatever the channel says."""
    assert why_refused(ip_address(text), allow_private=False)
    assert why_refused(ip_address(text), allow_private=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f000001", "0177.0.0.1", "2130706433", "127.1", "localhost"])
def test_other_spellings_of_loopback_are_seen_through(host: str) -> None:
    """What counts is the address a name or number stands for, not how it is written."""
    with pytest.raises(DeliveryError, match="loopback"):
        AddressGuard().addresses(host, 80, allow_private=False)


def test_of_several_addresses_only_the_allowed_are_used() -> None:
    """A name that points both outside and inside is reached from the outside only."""
    guard = AddressGuard(lambda host, port: ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"])
    assert guard.addresses("example.org", 443, allow_private=False) == ["1.1.1.1", "2606:4700::1111"]


def test_a_refusal_says_why_and_waits_for_a_person() -> None:
    """The message names the kind of address and the way out, but not the host."""
    guard = AddressGuard(lambda host, port: ["10.0.0.1"])
    with pytest.raises(DeliveryError, match=r"private.*allow_private: true") as caught:
        guard.addresses("secret-host.example.org", 443, allow_private=False)
    assert "secret-host" not in str(caught.value)
    assert caught.value.needs_mending


def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    """A resolver that is down may be back in a minute."""

    def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(DeliveryError, match="does not resolve") as caught:
        AddressGuard(fail).addresses("example.org", 443, allow_private=True)
    assert not caught.value.needs_mending


def test_an_impossible_name_does_not_resolve() -> None:
    """A label too long for DNS is a failed delivery, not a crash."""
    with pytest.raises(DeliveryError, match="does not resolve"):
        AddressGuard().addresses("a" * 70 + ".example", 443, allow_private=False)


def test_each_address_is_listed_once() -> None:
    """The resolver's answer holds no duplicates to try twice."""
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]
