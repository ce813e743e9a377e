"""TLS and logins: a broker that asks for them is served, and each refusal names the setting to change."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.contracts.bus import Topic
from pipeline.errors import ConfigError, SightlineError, TransientError
from pipeline.settings import BusSettings
from pipeline.transport.kafka import CONNECT_SECONDS, KafkaBus
from tests.support.broker import free_port, running_broker
from tests.support.certificates import Authority
from tests.support.proxy import CuttableProxy, broker_behind_proxy
from tests.support.reading import read_all
from tests.support.sasl_gate import SaslGate

BOUND_SECONDS = 60.0
PASSWORD = "correct-horse-battery"
LOGIN = {"security": "sasl_plaintext", "username": "sightline", "password": PASSWORD}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def tls(authority: Authority) -> Iterator[CuttableProxy]:
    """A broker behind TLS."""
    with broker_behind_proxy(authority.server_context()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def gate() -> Iterator[SaslGate]:
    """A broker behind a login."""
    port = free_port()
    with running_broker(port) as broker_port, SaslGate(broker_port, port, {"sightline": PASSWORD}) as gate:
        yield gate


def bus_at(port: int, prefix: str, connect_seconds: float = CONNECT_SECONDS, **settings: Any) -> KafkaBus:
    return KafkaBus(BusSettings(servers=f"127.0.0.1:{port}", prefix=prefix, **settings), "test", connect_seconds)


def there_and_back(bus: KafkaBus) -> bytes:
    """Through a publisher and a consumer."""
    bus.ensure_topics()
    publisher = bus.publisher()
    publisher.publish(Topic.FRAMES, "yard", b"picture").result(BOUND_SECONDS)
    publisher.close()
    [record] = read_all(bus, Topic.FRAMES)
    return record.value


def refusal(port: int, prefix: str, **settings: Any) -> SightlineError:
    bus = bus_at(port, prefix, 0.5, **settings)
    with pytest.raises(SightlineError) as refused:
        bus.ensure_topics()
    return refused.value


def test_frames_travel_over_tls(tls: CuttableProxy, authority: Authority, prefix: str) -> None:
    """With the certificate of the broker checked against the authority given."""
    bus = bus_at(tls.port, prefix, security="ssl", ca_file=str(authority.ca_file))
    assert there_and_back(bus) == b"picture"


def test_another_authority_is_not_trusted(tls: CuttableProxy, folder: Path, prefix: str) -> None:
    """The broker is refused, not spoken to."""
    stranger = Authority(folder, "stranger")
    distrusting = {"security": "ssl", "ca_file": str(stranger.ca_file)}
    error = refusal(tls.port, prefix, **distrusting)
    assert bus_at(tls.port, prefix, **distrusting).examine() == [str(error)]
    assert isinstance(error, ConfigError)
    assert f"the certificate of the broker 127.0.0.1:{tls.port} is not trusted" in str(error)
    assert "see bus.ca_file" in str(error)


def test_a_broker_that_demands_tls_is_recognised(tls: CuttableProxy, prefix: str) -> None:
    """Where this process was told to speak in the clear."""
    error = refusal(tls.port, prefix)
    assert isinstance(error, ConfigError)
    assert str(error) == f"the broker 127.0.0.1:{tls.port} demands TLS: set bus.security to ssl"


def test_a_broker_without_tls_is_recognised(broker_port: int, prefix: str, authority: Authority) -> None:
    """It takes the greeting for a long request and waits, which the client alone would do for ever."""
    error = refusal(broker_port, prefix, security="ssl", ca_file=str(authority.ca_file))
    assert isinstance(error, TransientError)
    assert f"no TLS with the broker 127.0.0.1:{broker_port}" in str(error)
    assert "set bus.security to plaintext" in str(error)


def test_a_broker_may_ask_for_our_certificate(authority: Authority, prefix: str) -> None:
    """It is shown when there is one; without, the message says so."""
    cert_file, key_file = authority.certify("client")
    with broker_behind_proxy(authority.server_context(asks_for_certificate=True)) as proxy:
        given = {"security": "ssl", "ca_file": str(authority.ca_file)}
        error = refusal(proxy.port, prefix, **given)
        ours = {"cert_file": str(cert_file), "key_file": str(key_file)}
        assert there_and_back(bus_at(proxy.port, prefix, **given, **ours)) == b"picture"
    assert "set bus.cert_file and bus.key_file" in str(error)


def test_frames_travel_after_a_login(gate: SaslGate, prefix: str) -> None:
    """SCRAM-SHA-512: the password is proven, never sent."""
    before = len(gate.logins)
    assert there_and_back(bus_at(gate.port, prefix, **LOGIN)) == b"picture"
    assert set(gate.logins[before:]) == {"accepted"}


def test_frames_travel_after_a_login_over_tls(authority: Authority, prefix: str) -> None:
    """Both at once, as a broker on a network has it."""
    port, inner = free_port(), free_port()
    with (
        running_broker(advertised_port=port) as broker_port,
        SaslGate(broker_port, inner, {"sightline": PASSWORD}),
        CuttableProxy(inner, port=port, tls=authority.server_context()),
    ):
        bus = bus_at(port, prefix, **LOGIN | {"security": "sasl_ssl", "ca_file": str(authority.ca_file)})
        assert there_and_back(bus) == b"picture"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "refuses the login: see bus.username, bus.password and bus.sasl_mechanism"),
        ({"username": "nobody"}, "refuses the login: see bus.username, bus.password and bus.sasl_mechanism"),
        ({"sasl_mechanism": "PLAIN"}, "does not know PLAIN: see bus.sasl_mechanism"),
        (
            {"security": "plaintext"},
            "closes the connection: if it demands a login, set bus.security to sasl_plaintext",
        ),
    ],
    ids=["password", "user", "mechanism", "none"],
)
def test_a_refused_login_names_what_to_change(gate: SaslGate, prefix: str, changes: dict[str, str], words: str) -> None:
    """One sentence each, where the client itself says that time was up."""
    error = refusal(gate.port, prefix, **LOGIN | changes)
    assert str(error) == f"the broker 127.0.0.1:{gate.port} {words}"


def test_a_publisher_tells_of_a_refused_login(gate: SaslGate, prefix: str) -> None:
    """As an error of the configuration, since trying again would not help."""
    publisher = bus_at(gate.port, prefix, **LOGIN | {"password": "wrong"}).publisher()
    error = publisher.publish(Topic.FRAMES, "yard", b"picture").exception(BOUND_SECONDS)
    publisher.close()
    assert isinstance(error, ConfigError)
    assert "refuses the login" in str(error)


def test_a_broker_that_knows_no_logins_is_recognised(prefix: str) -> None:
    """A login was configured where none is wanted."""
    port = free_port()
    with running_broker(port) as broker_port, SaslGate(broker_port, port, {}, has_logins=False):
        error = refusal(port, prefix, **LOGIN)
    assert str(error) == f"the broker 127.0.0.1:{port} has no logins: set bus.security to plaintext"


def test_no_password_reaches_a_log_or_an_error(gate: SaslGate, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither that of a login that worked nor that of one that did not, however much is logged."""
    with capture_logs() as events, caplog.at_level(logging.DEBUG):
        bus_at(gate.port, prefix, **LOGIN).ensure_topics()
        error = refusal(gate.port, prefix, **LOGIN | {"password": "wrong-horse"})
    told = f"{events} {caplog.text} {error!r} {error.__cause__!r}"
    assert PASSWORD not in told
    assert "wrong-horse" not in told


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"security": "sasl_plaintext", "password": "x"}, "bus.username is empty"),
        ({"security": "sasl_ssl", "username": "x"}, r"bus.password \(SIGHTLINE_BUS__PASSWORD\) is empty"),
        (
            {"security": "ssl", "ca_file": "/no/such.pem"},
            "bus.ca_file: expected a PEM file of certificates, got /no/such",
        ),
        ({"security": "ssl", "ca_file": __file__}, "bus.ca_file: expected a PEM file of certificates"),
        ({"security": "ssl", "cert_file": "/a.pem"}, "bus.cert_file and bus.key_file both or neither"),
        (
            {"security": "ssl", "cert_file": "/a.pem", "key_file": "/b.pem"},
            "bus.cert_file, bus.key_file: expected a PEM",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, str], words: str) -> None:
    """Before anything is connected, by the name of the setting."""
    with pytest.raises(ConfigError, match=words):
        KafkaBus(BusSettings(servers="broker:9093", **settings), "test")


def test_an_encrypted_key_is_refused_and_not_asked_about(authority: Authority, folder: Path) -> None:
    """A service has no terminal on which somebody could type its password."""
    cert_file, key_file = authority.certify("locked", key_password=b"secret")
    settings = BusSettings(servers="broker:9093", security="ssl", cert_file=str(cert_file), key_file=str(key_file))
    with pytest.raises(ConfigError, match="its unencrypted key"):
        KafkaBus(settings, "test")
