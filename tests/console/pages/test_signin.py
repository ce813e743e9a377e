"""Signing in: the page, the way to an identity provider and back, and the first account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from pipeline.clock import SystemClock
from pipeline.console.access import AccessBook
from pipeline.console.limits import MOST_BY_ADDRESS
from pipeline.console.oidc import IdentityProvider
from pipeline.console.pages.signin import own_path
from pipeline.console.server import ConsoleServer, make_app
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter, SqlPeople
from tests.support.browser import FindFaults, OpenPage
from tests.support.browsing import HTTPS
from tests.support.console_api import Desk, desk
from tests.support.console_demo import Console
from tests.support.oidc import oidc_settings, provider_app, served_provider, sign_in_there
from tests.support.people import PASSWORD, cheap_passwords

pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")  # of the identity provider
AS_PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, httpx.BaseTransport]]:
    """A console and the line to its identity provider."""
    line = httpx.WSGITransport(app=provider_app())
    with desk(tmp_path_factory.mktemp("oidc")) as console:
        console.app.state.provider = IdentityProvider(oidc_settings(), HTTPS, SystemClock(), line)
        yield console, line


def visitor(console: Desk) -> TestClient:
    """A browser that follows no redirect by itself."""
    return TestClient(console.app, base_url=HTTPS, follow_redirects=False, headers=AS_PAGE)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("/timeline?camera=yard&at=22:14", "/timeline?camera=yard&at=22:14"),
        ("", "/review"),
        ("https://evil.example.org", "/review"),
        ("//evil.example.org", "/review"),
        ("/\\evil.example.org", "/review"),
        ("/\t/evil.example.org", "/review"),
        ("javascript:alert(1)", "/review"),
        ("/sign-in/oidc?next=/", "/review"),
    ],
)
def test_whoever_signed_in_stays_on_this_host(asked: str, taken: str) -> None:
    """A link to the sign-in page leads to no other site."""
    assert own_path(asked) == taken


def test_a_page_asks_who_comes(made: tuple[Desk, httpx.BaseTransport]) -> None:
    """And leads back to it in the end, with all that stood in its address."""
    client = visitor(made[0])
    sent = client.get("/people/audit?who=ada&camera=yard")
    assert sent.status_code == 303
    shown = client.get(sent.headers["location"])
    assert shown.status_code == 200
    assert 'data-next="/people/audit?who=ada&amp;camera=yard"' in shown.text


def test_somebody_signs_in_by_the_identity_provider(made: tuple[Desk, httpx.BaseTransport]) -> None:
    """There and back, to the page they wanted, with the roles that they have there."""
    console, line = made
    client = visitor(console)
    away = client.get("/sign-in/oidc?next=/timeline")
    cookie = away.headers["set-cookie"]
    assert all(part in cookie for part in ("__Host-sightline-sign-in=", "Secure", "HttpOnly", "SameSite=lax"))
    back = client.get("/sign-in/oidc/done", params=sign_in_there(line, away.headers["location"], "1"))
    assert (back.status_code, back.headers["location"]) == (303, "/timeline")
    assert client.get("/api/v1/session").json()["roles"] == {"*": "viewer", "yard": "operator"}
    assert "__Host-sightline-sign-in" not in client.cookies


@pytest.mark.parametrize(
    ("sub", "words"), [("2", "no role here"), ("4", "tells no")], ids=["no role here", "no name there"]
)
def test_whoever_has_nothing_to_do_here_is_told_so(
    made: tuple[Desk, httpx.BaseTransport], sub: str, words: str
) -> None:
    """On the sign-in page, without a session."""
    console, line = made
    client = visitor(console)
    away = client.get("/sign-in/oidc")
    back = client.get("/sign-in/oidc/done", params=sign_in_there(line, away.headers["location"], sub))
    assert (back.status_code, words in back.text) == (403, True)
    assert client.get("/api/v1/session").status_code == 401


def test_a_link_with_somebody_elses_code_signs_nobody_in(made: tuple[Desk, httpx.BaseTransport]) -> None:
    """Else one would work under another's name without knowing it."""
    console, line = made
    other = visitor(console).get("/sign-in/oidc").headers["location"]
    client = visitor(console)
    client.get("/sign-in/oidc")
    back = client.get("/sign-in/oidc/done", params=sign_in_there(line, other, "3"))
    assert (back.status_code, "begin again" in back.text) == (403, True)


def test_whoever_is_refused_too_often_waits(tmp_path: Path) -> None:
    """So nobody has the provider asked again and again."""
    with desk(tmp_path) as console:
        line = httpx.WSGITransport(app=provider_app())
        console.app.state.provider = IdentityProvider(oidc_settings(), HTTPS, SystemClock(), line)
        client = visitor(console)

        def wrong_code() -> int:
            away = httpx.URL(client.get("/sign-in/oidc").headers["location"])
            back = client.get("/sign-in/oidc/done", params={"state": away.params["state"], "code": "y"})
            return back.status_code

        answers = [wrong_code() for _ in range(MOST_BY_ADDRESS + 1)]
    assert answers == [403] * MOST_BY_ADDRESS + [429]


def test_another_sites_page_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Pictures in it could send whoever reads it here, in the name of all behind the same address."""
    with desk(tmp_path) as console:
        console.app.state.provider = IdentityProvider(oidc_settings(), HTTPS, SystemClock())
        client = visitor(console)
        answers = {client.get("/sign-in/oidc/done?state=x&code=y").status_code for _ in range(MOST_BY_ADDRESS + 1)}
        tried = client.post("/api/v1/session", json={"name": "vera", "password": "is not known here"})
    assert (answers, tried.status_code) == ({403}, 401)


def test_a_provider_that_is_away_is_said_on_the_page(tmp_path: Path) -> None:
    """One may still sign in with a password."""
    with desk(tmp_path) as console:
        away = IdentityProvider(oidc_settings("http://127.0.0.1:1"), HTTPS, SystemClock())
        console.app.state.provider = away
        shown = visitor(console).get("/sign-in/oidc")
    assert (shown.status_code, "cannot be reached" in shown.text) == (503, True)
    assert 'name="password"' in shown.text


def test_without_a_provider_there_is_no_way_to_one(tmp_path: Path) -> None:
    """Neither a button nor an address."""
    with desk(tmp_path) as console:
        assert visitor(console).get("/sign-in/oidc").status_code == 501
        assert "/sign-in/oidc" not in visitor(console).get("/sign-in").text


@pytest.mark.browser
def test_a_guard_signs_in(open_page: OpenPage, axe: FindFaults) -> None:
    """A wrong password is said in words and costs no name; the right one leads to where they wanted to go."""
    page = open_page("/account", role=None)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert axe(page) == []
    form = page.locator("#known")
    form.get_by_label("Name").fill("olu")
    form.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_have_text("this name and password do not belong together")
    form.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    expect(page.get_by_role("definition").first).to_have_text("olu")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")


@pytest.mark.browser
def test_a_page_over_plain_http_from_elsewhere_says_why_nobody_gets_in(console: Console, open_page: OpenPage) -> None:
    """Browsers drop its cookie without a word."""
    elsewhere = replace(console, url=console.url.replace("127.0.0.1", "0.0.0.0"))
    expect(open_page("/sign-in", role=None, at=elsewhere).locator("#plain-http")).to_be_visible()
    expect(open_page("/sign-in", role=None).locator("#plain-http")).to_be_hidden()


@pytest.mark.browser
def test_the_printed_link_makes_the_first_account(
    console: Console, open_page: OpenPage, sqlite_database: Database, axe: FindFaults
) -> None:
    """Once; its secret never reaches the server in an address."""
    people = SqlPeople(sqlite_database)
    book = AccessBook(people, console.book.access, console.clock, console.book.settings, cheap_passwords())
    server = ConsoleServer(make_app(console.host, book), "127.0.0.1", 0)
    server.start()
    try:
        fresh = replace(console, url=server.url, book=book)
        page = open_page(f"/sign-in#link={book.first_link_secret()}", role=None, at=fresh, theme="dark")
        expect(page.get_by_role("heading", level=1)).to_have_text("The first account")
        assert axe(page) == []
        form = page.locator("#first")
        form.get_by_label("Name").fill("ada")
        form.get_by_label("Password", exact=True).fill(PASSWORD)
        form.get_by_label("The password again").fill("another one altogether")
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_have_text("The two passwords differ.")
        form.get_by_label("The password again").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/review")
    finally:
        server.stop()
    assert [user.roles for user in people.users()] == [{"*": "admin"}]


@pytest.mark.browser
def test_a_guard_signs_in_by_the_identity_provider(console: Console, open_page: OpenPage) -> None:
    """In a real browser, whose cookies come along from the provider's site."""
    with served_provider() as issuer:
        console.app.state.provider = IdentityProvider(oidc_settings(issuer), console.url, SystemClock())
        page = open_page("/account", role=None)
        page.get_by_role("link", name="Single sign-on").click()
        page.get_by_role("button", name="3", exact=True).click()
        page.wait_for_url(f"{console.url}/account")
        expect(page.get_by_role("definition").first).to_have_text("anna@example.org")
        console.app.state.provider = None
    noted = console.book.people.audit(AuditFilter(who="anna@example.org"))
    assert [entry.action for entry in noted] == ["sign-in"]


def test_the_way_back_is_where_browsers_find_the_console() -> None:
    """As `access.public_url` says, whatever a request claims to be for."""
    line = httpx.WSGITransport(app=provider_app())
    begun = IdentityProvider(oidc_settings(), "https://s.example", SystemClock(), line).begin("/")
    assert "redirect_uri=https%3A%2F%2Fs.example%2Fsign-in%2Foidc%2Fdone" in urlsplit(begun.address).query
