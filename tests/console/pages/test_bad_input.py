"""What goes wrong around a page: it says so in words, keeps what was typed, and nothing is half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.support.browser import OpenPage, sign_in
from tests.support.console_demo import Console

pytestmark = pytest.mark.browser

PAGES = ["/review", "/timeline", "/live", "/search?text=person", "/system"]
_CANNOT = "cannot now"
"""In the words of the database's own message."""


@contextmanager
def dead_database(console: Console) -> Iterator[None]:
    """Its file is gone, as with a disk that was pulled out; and there again afterwards. No page may follow changes
    meanwhile: it would hold on to the file."""
    file = console.site_path.parent / "data" / "sightline.db"
    away = file.with_suffix(".away")
    console.stores.database.close()
    file.rename(away)
    file.mkdir()
    try:
        yield
    finally:
        file.rmdir()
        away.rename(file)


def test_a_dead_database_is_said_on_every_page(open_page: OpenPage, own_console: Console) -> None:
    """In words, with the way back; when it is there again, so are the pages."""
    page = open_page("/search", at=own_console)
    with dead_database(own_console):
        for path in PAGES:
            page.goto(path)
            expect(page.locator("main")).to_contain_text(_CANNOT)
            assert page.locator("h1").count() == 1
    page.goto("/review")
    expect(page.locator("#rows li").first).to_be_visible()


def test_a_decision_that_cannot_be_kept_is_not_taken(open_page: OpenPage, own_console: Console) -> None:
    """The page says so, the note that was typed is still there, and nobody reads of a decision."""
    incident = next(one for one in own_console.incidents() if one.review is None)
    page = open_page("/search", at=own_console)
    page.context.route("**/api/v1/events", lambda route: route.abort())
    page.goto(f"/review/{incident.id}")
    page.get_by_placeholder("Note").fill("two men with a ladder")
    with dead_database(own_console):
        page.get_by_role("button", name="Confirm").click()
        expect(page.locator("#notices")).to_contain_text(_CANNOT)
    expect(page.get_by_placeholder("Note")).to_have_value("two men with a ladder")
    found = own_console.stores.incidents.get(incident.id)
    assert found is not None
    assert found.review is None
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("olu found it right")).to_be_visible()


def test_a_server_that_is_gone_is_said_with_the_time(open_page: OpenPage, own_console: Console) -> None:
    """In the header since when, and at whatever is tried meanwhile."""
    incident = next(one for one in own_console.incidents() if one.review is None)
    page = open_page(f"/review/{incident.id}", at=own_console)
    page.wait_for_timeout(1_000)  # until the page follows
    expect(page.locator("#blind")).to_be_hidden()
    page.context.set_offline(True)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#notices")).to_contain_text("cannot be reached; nothing was done")
    own_console.stop()
    expect(page.locator("#blind")).to_contain_text("Not connected since")


def test_a_session_that_is_over_asks_who_comes(open_page: OpenPage, console: Console) -> None:
    """A decision is not taken, the dialog says so; a page that is opened leads to where one signs in, and back."""
    incident = next(one for one in console.incidents() if one.review is None)
    page = open_page(f"/review/{incident.id}")
    console.book.people.end_sessions("olu")
    page.get_by_role("button", name="Confirm").dispatch_event("click")  # the page may have noticed before
    expect(page.get_by_role("dialog", name="Your session is over")).to_be_visible()
    page.goto("/timeline")
    assert "/sign-in?next=%2Ftimeline" in page.url
    sign_in(page.context, console, "operator")
    page.goto("/timeline")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Timeline")


def test_whoever_signs_in_again_in_another_tab_goes_on_with_the_open_page(
    open_page: OpenPage, console: Console
) -> None:
    """The page's token is of the session before; the decision is taken all the same, without loading the page again."""
    incident = next(one for one in console.incidents() if one.review is None)
    page = open_page(f"/review/{incident.id}")
    sign_in(page.context, console, "operator")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("button", name="Confirm")).to_have_attribute("aria-pressed", "true")
    assert any(one.id == incident.id and one.review is not None for one in console.incidents())


@pytest.mark.parametrize(
    "path",
    [
        "/search?text=" + "x" * 10_000,
        "/review?since=soon&until=never",
        "/review?camera=no-such-camera",
        "/review/no-such-incident",
        "/timeline?day=2026-02-31",
        "/timeline?camera=yard&minute=99:99",
        "/live/camera/%00",
        "/no/such/page",
    ],
    ids=lambda path: path[:30],
)
def test_an_address_that_makes_no_sense_is_answered_in_words(open_page: OpenPage, path: str) -> None:
    """On a page with its navigation or the way back, and shorter than what was asked."""
    page = open_page(path)
    text = page.locator("main").inner_text()
    assert 10 < len(text) < 6_000
    assert "Traceback" not in text
    assert page.locator("a[href='/'], nav a").count() > 0


def test_a_browser_with_a_wrong_clock_counts_by_the_servers(open_page: OpenPage) -> None:
    """Incidents of some minutes ago are so, though the browser believes it is another year."""
    page = open_page("/static/icon.svg")
    page.clock.set_fixed_time("2031-01-01T00:00:00Z")
    page.goto("/review")
    expect(page.locator("#rows li").first).to_contain_text("min. ago")


def test_a_cookie_of_nobody_is_no_error(open_page: OpenPage, console: Console) -> None:
    """Garbage, and a theme and a language that do not exist: a page where one signs in, in English."""
    page = open_page("/sign-in", role=None)
    for name, value in {"sightline": "%00\\x1b" * 50, "theme": "pink", "language": "../../etc"}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": console.url}])
    page.goto("/review")
    assert "/sign-in" in page.url
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("html").get_attribute("data-theme") == "system"
