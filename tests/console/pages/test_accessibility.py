"""Every page for everybody: axe-core's rules, a keyboard alone, a phone's width, no script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import FindFaults, OpenPage, Tabs, Theme
from tests.support.console_demo import Console

pytestmark = pytest.mark.browser

PAGES = {
    "/sign-in": None,
    "/review": "operator",
    "/timeline": "operator",
    "/live": "operator",
    "/search?text=a+person": "operator",
    "/ask": "operator",
    "/rules": "admin",
    "/system": "admin",
    "/people": "admin",
    "/account": "operator",
}
"""And who looks at it: whoever sees the most there."""
_PHONE_PX = 390
_TABS = 30
_FOCUS = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect();
  return [at.tagName, (at.innerText || at.ariaLabel || at.name || at.id || "").slice(0, 40), box.width * box.height];
}"""
_SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary, [tabindex='0']")]
  .filter((part) => {
    const box = part.getBoundingClientRect(), style = getComputedStyle(part);
    const isInText = part.tagName === "A" && style.display === "inline";
    const isSeen = part.checkVisibility({visibilityProperty: true}) && box.width > 1 && box.right > 0;
    return isSeen && !isInText && !part.closest("label, .sr-only") && Math.min(box.width, box.height) < 24;
  })
  .map((part) => part.outerHTML.slice(0, 120))"""
_LEVELS = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5")]
  .filter((heading) => heading.checkVisibility()).map((heading) => Number(heading.tagName[1]))"""

Look = Callable[..., Page]


@pytest.fixture(scope="module")
def look(console: Console, browser: Browser) -> Iterator[Look]:
    """A page as one looks at it, with what it loads after itself; opened once for all who only look."""
    tabs = Tabs(browser, console)

    @cache
    def opened(path: str, theme: Theme = "light", width: int = 1280) -> Page:
        page = tabs(path, PAGES.get(path, "operator"), theme, width)
        page.wait_for_timeout(700)
        return page

    yield opened
    tabs.close()
    assert tabs.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(look: Look, axe: FindFaults, path: str, theme: Theme) -> None:
    """Names, roles, contrast, order, in both themes."""
    assert axe(look(path, theme)) == []


def test_axe_finds_nothing_serious_in_an_incident(look: Look, axe: FindFaults, console: Console) -> None:
    """With its pictures, claims, forecasts and history; on a desk and on a phone."""
    incident = max(console.incidents(camera_id="yard"), key=lambda one: len(one.candidate.key_frames))
    assert axe(look(f"/review/{incident.id}")) == []
    assert axe(look(f"/review/{incident.id}", "dark", _PHONE_PX)) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_a_page_without_scrolling_sideways(look: Look, path: str) -> None:
    """What is wider, such as tables, scrolls by itself."""
    assert look(path, "light", _PHONE_PX).evaluate("document.documentElement.scrollWidth") <= _PHONE_PX


@pytest.mark.parametrize("path", PAGES)
def test_what_is_clicked_is_large_enough(look: Look, path: str) -> None:
    """24 pixels each way at least, but for words in a sentence (WCAG 2.2, 2.5.8)."""
    assert look(path).evaluate(_SMALL) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_main_part_and_headings_in_order(look: Look, path: str) -> None:
    """One h1 and no level left out on the way down; the title names the page before the program."""
    page = look(path)
    levels = page.evaluate(_LEVELS)
    assert page.locator("main").count() == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.title().endswith(" · Sightline")


@pytest.mark.parametrize("path", PAGES)
def test_a_keyboard_gets_everywhere_and_sees_where_it_is(look: Look, path: str) -> None:
    """The first thing leads past the navigation; what has the focus is seen; nothing holds on to it."""
    page = look(path)
    been = []
    for _ in range(_TABS):
        page.keyboard.press("Tab")
        tag, name, area_px = page.evaluate(_FOCUS)
        been.append((tag, name))
        assert tag == "BODY" or area_px > 0, f"{tag} {name!r} has the focus and cannot be seen"
    assert page.locator("a").first.inner_text() == "Skip to the content"
    assert len(set(been)) >= 5


@pytest.mark.parametrize("path", [path for path in PAGES if path not in ("/ask", "/rules")])
def test_a_page_can_be_read_without_scripts(open_page: OpenPage, path: str) -> None:
    """Pages are HTML: what there is to read stands in it, and links and forms work."""
    page = open_page(path, PAGES[path], javascript=False)
    assert len(page.locator("main").inner_text()) > 40


def test_chinese_pages_say_so_and_are_in_chinese(open_page: OpenPage) -> None:
    """For screen readers, and in what the navigation says."""
    page = open_page("/review", lang="zh")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert any("\u4e00" <= letter <= "\u9fff" for letter in page.locator("nav").first.inner_text())
