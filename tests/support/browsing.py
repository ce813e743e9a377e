"""Somebody signed in with a browser, without one: a client that keeps the cookie and sends the token."""

from __future__ import annotations

from fastapi.testclient import TestClient

from pipeline.console.access import AccessBook
from pipeline.console.passwords import Passwords
from pipeline.console.sessions import CSRF_HEADER
from tests.support.console_api import Desk
from tests.support.people import CHEAP, PASSWORD

HTTPS = "https://sightline.test"


def signed_in(desk: Desk, name: str = "ada") -> TestClient:
    """One of the desk's people, who has `PASSWORD` from now on."""
    cheaply(desk.book)
    desk.book.set_password(name, PASSWORD)
    return browser(desk, name)


def browser(desk: Desk, name: str, password: str = PASSWORD) -> TestClient:
    """A further browser of somebody with a password."""
    client = TestClient(desk.app, base_url=HTTPS, raise_server_exceptions=False)
    answer = client.post("/api/v1/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers[CSRF_HEADER] = answer.json()["csrf_token"]
    return client


def cheaply(book: AccessBook) -> None:
    """Hash at next to no cost from now on."""
    book._passwords = Passwords(CHEAP)
