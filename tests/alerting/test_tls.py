from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.alerting.addresses import AddressGuard
from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.webhook import WebhookSender
from tests.support.alerting import make_change, make_channel
from tests.support.receiver import Receiver, send_raw

TO_LOOPBACK = AddressGuard(lambda host, port: ["127.0.0.1"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `alerts.example`, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl tool to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=alerts.example "
        "-addext subjectAltName=DNS:alerts.example -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Receiver(ssl_context=context) as running:
        yield running


def send(receiver: Receiver, host: str, trusted: Path | None = None, scheme: str = "https") -> None:
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else None
    sender = WebhookSender("depot-7", "UTC", guard=TO_LOOPBACK, ssl_context=context)
    channel = make_channel(f"{scheme}://{host}:{receiver.port}/hook", allow_private=True, timeout=5)
    sender.send(make_change(), channel)


def test_a_self_signed_certificate_is_refused(receiver: Receiver) -> None:
    """A certificate nobody vouches for is a failure that says so, and nothing is sent."""
    with pytest.raises(DeliveryError, match=r"TLS certificate is not accepted: self.signed certificate") as caught:
        send(receiver, "alerts.example")
    assert caught.value.needs_mending
    assert receiver.received == []


def test_a_trusted_certificate_is_checked_against_the_name(receiver: Receiver, certificate: Path) -> None:
    """Though the connection goes to an address, the certificate must be that of the URL's name."""
    send(receiver, "alerts.example", trusted=certificate)
    assert len(receiver.received) == 1
    with pytest.raises(DeliveryError, match="TLS certificate is not accepted: Hostname mismatch") as caught:
        send(receiver, "other.example", trusted=certificate)
    assert "other.example" not in str(caught.value)
    assert len(receiver.received) == 1


def test_plain_http_to_a_tls_port_is_a_failure(receiver: Receiver) -> None:
    """The wrong scheme is a failed attempt, not a crash."""
    with pytest.raises(DeliveryError):
        send(receiver, "alerts.example", scheme="http")


def test_tls_to_a_plain_port_is_a_failure() -> None:
    """A receiver without TLS is named as such."""
    with Receiver([send_raw(b"")]) as plain, pytest.raises(DeliveryError, match="TLS"):
        send(plain, "alerts.example")


def test_a_handshake_that_hangs_is_cut() -> None:
    """A port that takes connections and says nothing costs no more than the channel's timeout."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://alerts.example:{mute.getsockname()[1]}/"
        channel = make_channel(url, allow_private=True, timeout=0.3)
        with pytest.raises(DeliveryError, match=r"did not answer within 0\.3 s"):
            WebhookSender("depot-7", "UTC", guard=TO_LOOPBACK).send(make_change(), channel)
