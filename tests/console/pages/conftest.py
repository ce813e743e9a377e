"""A console with a past, and a browser to look at it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.routes.conftest import fresh, shown
from tests.support.browser import FindFaults, OpenPage, Tabs, chromium, faults
from tests.support.console_demo import Console, demo_console

__all__ = ["fresh", "shown"]


_MAKING_SECONDS = 400
"""The first test of a day on a machine waits until the past is made: 50 s of a processor, shared with other tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whoever may have to wait for the past the time for it."""
    for item in items:
        if {"console", "own_console"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(_MAKING_SECONDS))


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One for the tests of a file; what one of them changes the next one sees."""
    with demo_console(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture
def own_console(tmp_path: Path) -> Iterator[Console]:
    """One for this test alone, to break: hand it to `open_page` as `at`."""
    with demo_console(tmp_path / "console") as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def open_page(console: Console, browser: Browser) -> Iterator[OpenPage]:
    """`open_page(path, role="operator", theme="light", width=1280, lang="en")`; afterwards no page may have
    complained, unless the test has taken it out of `open_page.complaints`."""
    tabs = Tabs(browser, console)
    yield tabs
    tabs.close()
    assert tabs.complaints == []


@pytest.fixture
def axe() -> FindFaults:
    """`axe(page)`: what axe-core finds serious or worse; [] is right."""
    return faults
