"""Take pictures of every page of the console, with incidents that a real run found: docs/console/*.webp.

Each page on a desk in both themes and on a phone. Needs Debian's Chromium and what the tests need.

    python scripts/console_screenshots.py [--out FOLDER] [PAGE ...]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["SIGHTLINE_SHARED"] = os.devnull
"""Rendered scenes alone: what is published shows no recording of real people."""

from pipeline.contracts.incident import IncidentStatus  # noqa: E402 - found by the line above
from tests.support.browser import Tabs, Theme, chromium  # noqa: E402
from tests.support.console_demo import PEOPLE, Console, demo_console  # noqa: E402

_QUALITY = 70
_SETTLE_MS = 1_500
"""Pictures and fragments that a page loads after itself; nothing on a page says that it waits for no more."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at."""

    name: str
    theme: Theme
    width: int
    height: int


LOOKS = (Look("light", "light", 1280, 860), Look("dark", "dark", 1280, 860), Look("phone", "light", 390, 844))


@dataclass(frozen=True, slots=True)
class Shot:
    """A page, and what is done there before the picture is taken."""

    name: str
    path: Callable[[Console], str]
    role: str | None = "operator"
    prepare: Callable[[Page], None] = lambda _page: None
    language: str = "en"
    tallest_px: int = 1_800
    """What is below is left out."""


def _at(path: str) -> Callable[[Console], str]:
    return lambda _console: path


def _told(console: Console) -> str:
    """The incident with the most to say."""
    found = console.incidents(statuses=(IncidentStatus.CONFIRMED,), camera_id="yard")
    return f"/review/{max(found, key=lambda incident: len(incident.candidate.key_frames)).id}"


def _asked(page: Page) -> None:
    page.locator("main textarea, main input[type=text]").first.fill("Was anybody at the fence this morning?")
    page.keyboard.press("Enter")
    page.wait_for_timeout(_SETTLE_MS)


SHOTS = (
    Shot("sign-in", _at("/sign-in"), role=None),
    Shot("review", _at("/review")),
    Shot("review-zh", _at("/review"), language="zh"),
    Shot("incident", _told),
    Shot("timeline", _at("/timeline?camera=yard&rule=kerb-crossing&minute=2026-07-10T08:10")),
    Shot("live", _at("/live")),
    Shot("search", _at("/search?text=a+person")),
    Shot("ask", _at("/ask"), prepare=_asked),
    Shot("rules", _at("/rules"), role="admin"),
    Shot("system", _at("/system"), role="admin", tallest_px=1_560),
    Shot("people", _at("/people"), role="admin"),
    Shot("account", _at("/account")),
)


def main(arguments: Sequence[str]) -> None:
    """Take those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "console", help="where they go")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=", ".join(shot.name for shot in SHOTS))
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    wanted = [shot for shot in SHOTS if not given.pages or shot.name in given.pages]
    with tempfile.TemporaryDirectory() as folder, demo_console(Path(folder)) as console, chromium() as browser:
        for shot in wanted:
            for look in LOOKS:
                tabs = Tabs(browser, console)
                _take(tabs, console, shot, look, given.out / f"{shot.name}-{look.name}.webp")
                tabs.close()
                print(*tabs.complaints, sep="\n", end="\n" * bool(tabs.complaints))


def _take(tabs: Tabs, console: Console, shot: Shot, look: Look, path: Path) -> None:
    for person in PEOPLE.values():
        console.book.people.end_sessions(person.name)  # those of the pictures before
    page = tabs(shot.path(console), shot.role, look.theme, look.width, shot.language, height=look.height)
    page.wait_for_timeout(_SETTLE_MS)
    shot.prepare(page)
    picture = page.screenshot(full_page=look.name != "phone")  # a phone shows what one hand holds
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), pixels[: shot.tallest_px], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    print(f"{path.name}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
