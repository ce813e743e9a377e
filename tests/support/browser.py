"""Debian's Chromium, driven by Playwright: tabs of people who are signed in, and what axe-core finds on their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from pipeline.console.sessions import LOCAL_COOKIE
from tests.conftest import IN_CI
from tests.support.console_demo import PEOPLE, Console
from tests.support.people import PASSWORD

_PROGRAM = Path("/usr/bin/chromium")
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PATIENCE_MS = 45_000
"""The first search by words loads a model; the machine may have other work."""
_LOCALES = {"en": "en-GB", "zh": "zh-CN"}
_ELSEWHERE = "Pacific/Auckland"
"""The browser's time zone: no page may go by it."""
_SERIOUS = frozenset({"serious", "critical"})
Theme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, without a window; skips without the program, fails in CI.

    Playwright keeps an event loop running in this thread: nothing else can use `asyncio.run` meanwhile.
    """
    if not _PROGRAM.exists():
        message = f"needs {_PROGRAM} (Debian: apt-get install chromium)"
        pytest.fail(message) if IN_CI else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_PROGRAM, args=_ARGUMENTS)
        yield browser
        browser.close()


class Tabs:
    """Opens pages, each in a browser of its own as far as cookies go, and notes what they complain of."""

    def __init__(self, browser: Browser, console: Console) -> None:
        self._browser = browser
        self._console = console
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        """Mistakes of scripts, breaches of the content policy, answers of 500 and more."""

    def __call__(
        self,
        path: str,
        role: str | None = "operator",
        theme: Theme = "light",
        width: int = 1280,
        lang: str = "en",
        *,
        at: Console | None = None,
        javascript: bool = True,
        height: int = 900,
    ) -> Page:
        """The page at `path`, loaded, as one of `PEOPLE` sees it (None: nobody has signed in), at a phone's width or
        another. `at`: a console other than the usual one."""
        console = at or self._console
        context = self._browser.new_context(
            base_url=console.url,
            color_scheme=theme,
            locale=_LOCALES[lang],
            timezone_id=_ELSEWHERE,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            java_script_enabled=javascript,
        )
        context.set_default_timeout(_PATIENCE_MS)
        self._contexts.append(context)
        if role is not None:
            sign_in(context, console, role)
        page = context.new_page()
        self._listen(page)
        page.goto(path)
        return page

    def close(self) -> None:
        """Close them all."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda said: self._heard(page, said.type, said.text))
        page.on("response", self._answered)

    def _heard(self, page: Page, kind: str, text: str) -> None:
        if kind == "error" and "Content Security Policy" in text:
            self.complaints.append(f"{page.url}: {text}")

    def _answered(self, response: Response) -> None:
        is_missing_file = response.status == 404 and "/static/" in response.url
        if response.status in {500, 502} or is_missing_file:
            self.complaints.append(f"{response.status} {response.request.method} {response.url}")


OpenPage = Tabs
"""What the fixture `open_page` gives."""
FindFaults = Callable[[Page], list[str]]
"""What the fixture `axe` gives."""


def sign_in(context: BrowserContext, console: Console, role: str) -> None:
    """A session of one of `PEOPLE`, without going through the page for it."""
    opened = console.book.sign_in(PEOPLE[role].name, PASSWORD, "127.0.0.1")
    context.add_cookies([{"name": LOCAL_COOKIE, "value": opened.secret, "url": console.url, "httpOnly": True}])


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or worse on a page as it stands: the rule, and the first places."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(" ".join(map(str, node["target"])) for node in one["nodes"][:5])
        for one in found
        if one["impact"] in _SERIOUS
    ]
