"""How this process proves itself to the broker, and the broker to it: TLS and SASL as kafka-python wants them."""

from __future__ import annotations

import ssl
from typing import Any

from pipeline.errors import ConfigError
from pipeline.settings import BusSettings


def client_security(settings: BusSettings) -> dict[str, Any]:
    """The client's security options; `ConfigError` names the setting that is missing or the file that is wrong."""
    options: dict[str, Any] = {"security_protocol": settings.security.upper()}
    if settings.security in ("ssl", "sasl_ssl"):
        options["ssl_context"] = _tls_context(settings)
    if settings.security in ("sasl_plaintext", "sasl_ssl"):
        options |= _login(settings)
    return options


def _tls_context(settings: BusSettings) -> ssl.SSLContext:
    context = _trusting(settings.ca_file)
    if bool(settings.cert_file) != bool(settings.key_file):
        raise ConfigError("expected bus.cert_file and bus.key_file both or neither, got only one of them")
    if settings.cert_file:
        _show_certificate(context, settings)
    return context


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # an ssl.SSLError is one
        raise ConfigError(f"bus.ca_file: expected a PEM file of certificates, got {ca_file}: {error}") from error


def _show_certificate(context: ssl.SSLContext, settings: BusSettings) -> None:
    try:
        # Without a password of our own, OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password=b"")
    except OSError as error:
        files = f"{settings.cert_file} and {settings.key_file}"
        expected = "bus.cert_file, bus.key_file: expected a PEM certificate and its unencrypted key"
        raise ConfigError(f"{expected}, got {files}: {error}") from error


def _login(settings: BusSettings) -> dict[str, Any]:
    password = settings.password.get_secret_value()
    if not settings.username or not password:
        missing = "bus.username" if not settings.username else "bus.password (SIGHTLINE_BUS__PASSWORD)"
        raise ConfigError(f"bus.security is {settings.security}: expected a user and a password, {missing} is empty")
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": password,
    }
