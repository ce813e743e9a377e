"""`/system`: figures, what was given up, what models took; and in a browser, sending again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pipeline.errors import TransientError
from tests.support.browser import FindFaults, OpenPage, Theme
from tests.support.console_api import Desk, desk
from tests.support.console_demo import Console


class SilentBus:
    """`Letters` of a bus that is away."""

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        raise TransientError("no broker answers at kafka:9092")

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        raise TransientError("no broker answers at kafka:9092")


def test_the_page_tells_cameras_models_and_versions(shown: Desk) -> None:
    """How old the oldest frame is, what nobody watches, what the site's models took."""
    page = shown.client("olu").get("/system").text
    words = " ".join(page.split())
    assert '<dt>Oldest frame</dt><dd class="value">20:10</dd><dd class="small muted">yard</dd>' in words
    assert 'Cameras that are watched</dt><dd class="value">0 / 2</dd><dd class="small muted">gate, yard</dd>' in words
    assert '<th scope="row">loitering</th>' in words
    assert "<dt>Sightline</dt><dd>0.0.0</dd>" in words


def test_without_live_pictures_the_account_tells_how_old_the_newest_is(tmp_path: Path) -> None:
    """Beside a data folder, and in a cluster while nobody looks at pictures."""
    with desk(tmp_path, live=None) as made:
        words = " ".join(made.client().get("/system/now").text.split())
    assert '<dt>Oldest frame</dt><dd class="value">20:00</dd><dd class="small muted">yard</dd>' in words


def test_the_page_is_for_operators_of_the_whole(shown: Desk) -> None:
    """An operator of the yard learns nothing of the rest; a viewer nothing of messages."""
    assert [shown.client(who).get("/system").status_code for who in ("vera", "yuri", "olu")] == [403, 403, 200]


def test_what_models_took_is_told_by_camera_too(shown: Desk) -> None:
    """As the command does."""
    page = shown.client().get("/system/budget?by=camera&days=30").text
    assert '<th scope="row">yard</th>' in page


@pytest.mark.parametrize("query", ["by=nonsense", "days=0", "days=1000000", "days=x"])
def test_a_nonsensical_question_is_told_so(shown: Desk, query: str) -> None:
    """422, and no page that is half right."""
    assert shown.client().get(f"/system/budget?{query}").status_code == 422


def test_a_bus_that_is_away_is_told_in_its_place(tmp_path: Path) -> None:
    """The rest of the page stands."""
    with desk(tmp_path, letters=SilentBus()) as made:
        assert made.client().get("/system").status_code == 200
        told = made.client().get("/system/letters")
    assert (told.status_code, "no broker answers at kafka:9092" in told.text) == (200, True)


def test_without_a_bus_there_are_no_letters_to_read(shown: Desk) -> None:
    """It is said, and nothing is asked for."""
    page = shown.client().get("/system").text
    assert "There is no bus here" in page
    assert "/system/letters" not in page


@pytest.mark.browser
def test_what_was_given_up_is_sent_again(open_page: OpenPage) -> None:
    """One by one or all; what is gone is gone from the page too, and the figures with it."""
    page = open_page("/system", role="admin")
    letters, deliveries = page.locator("#letters"), page.locator("#deliveries")
    expect(letters.locator("tbody tr")).to_have_count(2)
    letters.get_by_role("button", name="Send 0:41 again").click()
    expect(letters.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#notices")).to_contain_text("It is on its way again.")
    deliveries.get_by_role("button", name="Send all again").click()
    expect(deliveries).to_contain_text("None: every message reached its receiver")
    expect(page.locator(".figure", has_text="Messages given up").locator(".value")).to_have_text("0")


@pytest.mark.browser
def test_a_letter_that_cannot_be_sent_is_not_said_to_be_on_its_way(own_console: Console, open_page: OpenPage) -> None:
    """What was refused is told in the bus's words, once however often."""
    page = open_page("/system", role="admin", at=own_console)
    refused = {"items": [{"id": number, "problem": "the topic is gone"} for number in ("0:40", "0:41")]}
    page.route("**/dead-letters/redrive", lambda route: route.fulfill(json=refused))
    page.locator("#letters").get_by_role("button", name="Send all again").click()
    expect(page.locator("#notices p")).to_have_text(["the topic is gone"])


@pytest.mark.browser
def test_an_operator_is_not_offered_what_only_administrators_may(own_console: Console, open_page: OpenPage) -> None:
    """The rows are there, the buttons are not."""
    page = open_page("/system", at=own_console)
    expect(page.locator("#letters tbody tr")).to_have_count(2)
    expect(page.locator("#deliveries tbody tr").first).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_can_be_used_by_everybody(open_page: OpenPage, axe: FindFaults, theme: Theme) -> None:
    """A model's card open, the budget by camera; on a phone, in both themes."""
    page = open_page("/system", role="admin", theme=theme, width=390)
    page.get_by_label("By").select_option("camera")
    expect(page.locator("#budget tbody th").filter(has_text="yard")).to_be_visible()
    page.get_by_text("Model card").first.click()
    expect(page.locator(".model-card").first).to_contain_text("demonstrators")
    expect(page.locator("#letters table, #letters p.muted").first).to_be_visible()
    assert axe(page) == []
