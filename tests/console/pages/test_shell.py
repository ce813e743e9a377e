"""What all pages share: the frame around them, who is offered what, themes, languages, signing out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import OpenPage, Theme
from tests.support.console_demo import Console

pytestmark = pytest.mark.browser

_INK = "getComputedStyle(document.body).backgroundColor"


def offered(page: Page) -> list[str]:
    """What the navigation leads to."""
    return page.locator("nav").first.get_by_role("link").all_inner_texts()


def test_a_page_that_is_not_there_is_said_on_a_page(open_page: OpenPage) -> None:
    """With the way back."""
    page = open_page("/nothing-here")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="Back to the incidents").click()
    page.wait_for_url("**/review")


@pytest.mark.parametrize(
    ("role", "missing"),
    [("viewer", {"System", "People"}), ("operator", {"People"}), ("admin", set()), ("indoors", {"System", "People"})],
)
def test_one_is_offered_what_one_may_open(open_page: OpenPage, role: str, missing: set[str]) -> None:
    """And each of it opens."""
    page = open_page("/account", role)
    names = offered(page)
    assert {"Review", "Timeline", "Live", "Search", "Rules", "System", "People"} - set(names) == missing
    for name in names:
        page.locator("nav").first.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("header nav [aria-current=page]")).to_have_text(name)


def test_the_theme_is_the_devices_until_one_chooses(open_page: OpenPage) -> None:
    """What is chosen holds on every page from then on."""
    page = open_page("/account", theme="dark")
    dark = page.evaluate(_INK)
    page.locator("details.menu summary").click()
    page.get_by_label("Colours").select_option("light")
    page.wait_for_load_state("load")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.goto("/timeline")
    assert page.evaluate(_INK) != dark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_is_of_the_other_theme(open_page: OpenPage, theme: Theme) -> None:
    """Light pages are light, dark ones dark."""
    red, green, blue = open_page("/review", theme=theme).evaluate(f"{_INK}.match(/\\d+/g).map(Number)")
    assert (red + green + blue > 3 * 128) == (theme == "light")


def test_the_language_is_the_browsers_until_one_chooses(open_page: OpenPage) -> None:
    """Chinese to a Chinese browser, and English for whoever asks for it there."""
    page = open_page("/account", lang="zh")
    assert "Review" not in offered(page)
    page.locator("details.menu summary").click()
    page.locator("select[data-remember=language]").select_option("en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert "Review" in offered(page)


def test_times_are_the_sites_with_utc_on_hover(open_page: OpenPage, console: Console) -> None:
    """Though the browser sits elsewhere."""
    incident = console.incidents(camera_id="yard")[0]
    shown = open_page(f"/review/{incident.id}").locator("main time").first
    assert shown.get_attribute("title") == f"{incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    there = incident.opened_at.astimezone(console.host.archive().zone)
    assert shown.inner_text() == f"{there:%H:%M:%S}"


def test_the_keyboard_can_leave_out_the_navigation(open_page: OpenPage) -> None:
    """By the first key."""
    page = open_page("/timeline")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_signing_out_ends_the_session(open_page: OpenPage) -> None:
    """The way back leads to where one signs in."""
    page = open_page("/account", "viewer")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    page.wait_for_url("**/sign-in**")
    page.goto("/review")
    assert "/sign-in" in page.url


def test_nothing_comes_from_elsewhere(open_page: OpenPage, console: Console) -> None:
    """Every script, style, font and picture is the console's own: it works in a closed network."""
    asked: list[str] = []
    page = open_page("/sign-in")
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/review", "/timeline", "/live", "/search?text=person", "/rules", "/account"):
        page.goto(path)
        page.wait_for_timeout(300)
    assert [url for url in asked if not url.startswith((f"{console.url}/", "data:", "blob:"))] == []
