"""Why a broker cannot be reached, in plain words. kafka-python itself says no more than that time was up.

Asked only after a client failed: it goes the same way again, one step at a time, and stops at the first that fails:
the name, the port, TLS, the login, the first question, and the addresses the broker itself hands out.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kafka import errors
from kafka.net.compat import KafkaNetClient

from pipeline.errors import ConfigError, SightlineError, TransientError
from pipeline.transport.client_socket import SOCKET_OPTIONS
from pipeline.transport.kafka_errors import mapped

_STEP_SECONDS = 3.0
_LOGIN_OPTIONS = (
    *SOCKET_OPTIONS,
    "client_id",
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
)


def why_unreachable(options: Mapping[str, Any], error: Exception) -> SightlineError | None:
    """What stands between us and the servers of `options`, after a client failed with `error`; None when all is
    well now, or when `error` itself says more."""
    if not isinstance(error, errors.KafkaTimeoutError | errors.KafkaConnectionError | errors.NodeNotReadyError):
        return None
    return _what_stops(options, _go_all_the_way)


def check_tls(options: Mapping[str, Any]) -> None:
    """Raise what is wrong with TLS. To be asked before a client is made: the client waits for an answer to its TLS
    greeting without end (3.0.12), and a server without TLS may wait for more of what it takes for a request."""
    if problem := _what_stops(options, _shake_hands):
        raise problem


Way = Callable[["_Server", Mapping[str, Any]], None]


class _Server(NamedTuple):
    name: str
    host: str
    port: int


def _what_stops(options: Mapping[str, Any], way: Way) -> SightlineError | None:
    """None when one server can be reached that way: one suffices."""
    found = []
    for name in options["bootstrap_servers"]:
        host, port = name.rsplit(":", 1)
        try:
            way(_Server(name, host.strip("[]"), int(port)), options)
        except SightlineError as problem:
            found.append(problem)
        else:
            return None
    words = "; ".join(str(problem) for problem in found)
    is_refused = any(isinstance(problem, ConfigError) for problem in found)
    return ConfigError(words) if is_refused else TransientError(words)


def _go_all_the_way(server: _Server, options: Mapping[str, Any]) -> None:
    _reach(server, "bus.servers").close()
    if "ssl_context" in options:
        _shake_hands(server, options)
    for host, port in _log_in(server, options):
        _reach(_Server(f"{host}:{port}", host, port), f"advertised.listeners of the broker {server.name}").close()


def _reach(server: _Server, where: str) -> socket.socket:
    try:
        return socket.create_connection((server.host, server.port), _STEP_SECONDS)
    except socket.gaierror as error:
        raise TransientError(f"the broker's name in {server.name} does not resolve ({error}); see {where}") from error
    except ConnectionRefusedError as error:
        raise TransientError(f"nobody listens at {server.name}: is the broker running? See {where}") from error
    except OSError as error:
        raise TransientError(f"the broker {server.name} cannot be reached ({error}); see {where}") from error


def _shake_hands(server: _Server, options: Mapping[str, Any]) -> None:
    with _reach(server, "bus.servers") as plain:
        try:
            options["ssl_context"].wrap_socket(plain, server_hostname=server.host).close()
        except ssl.SSLCertVerificationError as error:
            way_out = "see bus.ca_file, and that bus.servers names the host as the certificate does"
            raise ConfigError(
                f"the certificate of the broker {server.name} is not trusted: {error.verify_message}; {way_out}"
            ) from error
        except OSError as error:
            # Silence and a reset may also be a broker in trouble, which may get over it.
            kind = ConfigError if isinstance(error, ssl.SSLError) else TransientError
            raise kind(
                f"no TLS with the broker {server.name} ({error}): if it has none, set bus.security to plaintext or "
                "sasl_plaintext; if it asks for a certificate, see bus.cert_file and bus.key_file"
            ) from error


def _speaks_tls(server: _Server) -> bool:
    """Whether a server that was to be spoken to in the clear answers a TLS greeting."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with _reach(server, "bus.servers") as plain:
        try:
            context.wrap_socket(plain, server_hostname=server.host).close()
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except OSError:
            return False
    return True


def _log_in(server: _Server, options: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Connect, log in and ask the first question; the addresses of all brokers."""
    client = KafkaNetClient(
        bootstrap_servers=[server.name],
        request_timeout_ms=_STEP_SECONDS * 1000,
        **{name: options[name] for name in _LOGIN_OPTIONS if name in options},
    )
    manager = client._manager

    async def ask() -> None:
        node = manager.cluster.bootstrap_brokers()[0].node_id
        await manager.get_connection(node, timeout_ms=_STEP_SECONDS * 1000)
        await manager.cluster.refresh_metadata(node)

    try:
        manager.run(ask)
        return [(broker.host, broker.port) for broker in manager.cluster.brokers()]
    except Exception as error:  # a SCRAM answer it did not expect, the client raises as KeyError
        raise _refusal(server, options, error) from error
    finally:
        client.close()


def _refusal(server: _Server, options: Mapping[str, Any], error: Exception) -> SightlineError:
    broker = f"the broker {server.name}"
    logs_in, has_tls = "sasl_mechanism" in options, "ssl_context" in options
    if isinstance(error, errors.IllegalSaslStateError):
        return ConfigError(f"{broker} has no logins: set bus.security to {'ssl' if has_tls else 'plaintext'}")
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return ConfigError(f"{broker} does not know {options['sasl_mechanism']}: see bus.sasl_mechanism")
    if logs_in and (isinstance(error, errors.SaslAuthenticationFailedError) or not _is_of_kafka(error)):
        return ConfigError(f"{broker} refuses the login: see bus.username, bus.password and bus.sasl_mechanism")
    if isinstance(error, errors.RequestTimedOutError | errors.KafkaTimeoutError):
        return TransientError(f"{broker} takes the connection and says nothing: is it Kafka's port? See bus.servers")
    if not isinstance(error, errors.KafkaConnectionError | errors.KafkaProtocolError):
        return mapped(error)
    if not has_tls and _speaks_tls(server):
        return ConfigError(f"{broker} demands TLS: set bus.security to {'sasl_ssl' if logs_in else 'ssl'}")
    return TransientError(f"{broker} closes the connection: {_what_it_may_demand(logs_in, has_tls)}")


def _what_it_may_demand(logs_in: bool, has_tls: bool) -> str:
    demands = []
    if has_tls:
        demands.append("if it demands a certificate, set bus.cert_file and bus.key_file")
    if logs_in:
        demands.append("if it refuses the login, see bus.username and bus.password")
    else:
        demands.append(f"if it demands a login, set bus.security to {'sasl_ssl' if has_tls else 'sasl_plaintext'}")
    return "; ".join(demands)


def _is_of_kafka(error: Exception) -> bool:
    return isinstance(error, errors.KafkaError | OSError)
