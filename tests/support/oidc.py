"""An identity provider in the same process, and a person at a browser who signs in there."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import authlib.deprecate  # noqa: F401 - sets a filter of its own when it is imported
import httpx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the provider imports what Authlib deprecates
    import oidc_provider_mock

from flask import Flask

from pipeline.settings import OidcSettings

ISSUER = "https://login.example.org"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "1": {"email": "anna@example.org", "groups": ["guards", "staff"]},
    "2": {"email": "ben@example.org", "groups": ["staff"]},
    "3": {"email": "anna@example.org", "groups": ["admins"]},
    "4": {"groups": ["admins"]},
}
"""Claims by the provider's own id of somebody."""


def provider_app() -> Flask:
    """The provider with `PEOPLE`."""
    logging.getLogger("oidc_provider_mock").setLevel(logging.CRITICAL)  # it reports what a test means to be refused
    people = [oidc_provider_mock.User(sub=sub, claims=dict(claims)) for sub, claims in PEOPLE.items()]
    return oidc_provider_mock.app(user_claims=people, require_nonce=True)


@contextmanager
def served_provider() -> Iterator[str]:
    """The provider with `PEOPLE` on loopback; its address. Its own pages name people by the provider's id of them."""
    people = [oidc_provider_mock.User(sub=sub, claims=dict(claims)) for sub, claims in PEOPLE.items()]
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with oidc_provider_mock.run_server_in_thread(user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


def oidc_settings(issuer: str = ISSUER, **given: Any) -> OidcSettings:
    known: dict[str, Any] = {
        "issuer": issuer,
        "client_id": "sightline",
        "client_secret": "a secret/of ours",
        "roles": {"guards": ("viewer", "yard=operator"), "admins": ("admin",)},
    }
    return OidcSettings.model_validate(known | given)


def sign_in_there(transport: httpx.BaseTransport, address: str, sub: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    with httpx.Client(transport=transport) as browser:
        answer = browser.post(address, data={"sub": sub})
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
