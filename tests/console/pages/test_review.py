"""The review page: incidents as they come, their pictures and claims, and decisions by one key."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from pipeline.contracts.incident import Incident
from tests.support.browser import FindFaults, OpenPage
from tests.support.console_demo import Console, demo_console

pytestmark = [pytest.mark.browser]
ROWS = "#rows > [data-id]"


@pytest.fixture(scope="module")
def told(console: Console) -> Incident:
    """One that the model has confirmed and no person has judged."""
    return next(one for one in console.incidents() if one.assessment and one.assessment.report and not one.review)


def now_in(console: Console, incident: Incident) -> Incident:
    found = console.stores.incidents.get(incident.id)
    assert found is not None
    return found


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_what_happens_now_shows_up_in_the_open_list(console: Console, open_page: OpenPage, told: Incident) -> None:
    """At its place in the list, told to who cannot see it, and only where the list is of such ones."""
    page, other = open_page("/review"), open_page("/review?camera=hall")
    expect(page.locator(ROWS).first).to_be_visible()
    happened = console.happens(told)
    expect(page.locator(ROWS).first).to_have_attribute("data-id", happened.id)
    expect(page.locator("#news")).to_contain_text("New incident:")
    other.wait_for_timeout(1000)
    expect(other.locator(f"#row-{happened.id}")).to_have_count(0)


def test_what_happened_while_the_page_was_loading_is_not_missed(
    console: Console, open_page: OpenPage, told: Incident
) -> None:
    """After the list was made, before live changes were followed."""
    page, happened = open_page("/review"), []

    def late(route: Route) -> None:
        happened.append(console.happens(told))
        route.continue_()

    page.route("**/api/v1/events**", late, times=1)
    with page.expect_response(lambda answer: bool(happened) and "/review/changed?" in answer.url):
        page.reload()
    expect(page.locator(ROWS).first).to_have_attribute("data-id", happened[0].id)


def test_keys_open_decide_and_take_back(console: Console, open_page: OpenPage, told: Incident) -> None:
    """j opens the first, r rejects it with the note that was typed, c takes that back; the list follows."""
    page = open_page("/review")
    press(page, "j", "k")
    page.wait_for_selector("#incident")
    incident = console.incidents()[0]
    press(page, "n")
    page.keyboard.type("the gardener, c'mon")
    press(page, "Escape", "r")
    expect(page.locator(f"#row-{incident.id} .chips")).to_contain_text("false alarm")
    review = now_in(console, incident).review
    assert review is not None
    assert (review.is_right, review.by, review.note) == (False, "olu", "the gardener, c'mon")
    expect(page.locator('[data-key="r"]')).to_have_attribute("aria-pressed", "true")
    press(page, "c", "a")
    expect(page.locator(f"#row-{incident.id} .chips")).to_contain_text("seen")
    expect(page.locator(".decide")).to_contain_text("olu found it right")


def test_keys_are_letters_where_one_types(open_page: OpenPage, console: Console, told: Incident) -> None:
    """Nothing is decided while a note is written, nor after the keys were switched off."""
    page = open_page(f"/review/{told.id}")
    page.locator(".note input").press_sequentially("crack")
    press(page, "Escape", "?")
    page.locator("#keys-on").uncheck()
    press(page, "Escape", "c", "r", "a")
    page.wait_for_timeout(500)
    assert now_in(console, told).last_change == told.last_change
    expect(page.locator(".note input")).to_have_value("crack")


def test_who_comes_second_sees_what_the_first_has_said(console: Console, open_page: OpenPage, told: Incident) -> None:
    """Two operators decide at once: the second is told, nothing is overwritten, and what was typed stays."""
    page = open_page(f"/review/{told.id}?show=all")
    page.evaluate("document.body.addEventListener('sl:change', (event) => event.stopImmediatePropagation(), true)")
    page.locator(".note input").fill("a cat")
    console.host.changes.review(told.id, is_right=True, by="ada", after_change=told.last_change)
    page.locator('[data-key="r"]').click()
    expect(page.locator("#notices")).to_contain_text("has changed since it was read")
    expect(page.locator(".decide")).to_contain_text("ada found it right")
    expect(page.locator(".note input")).to_have_value("a cat")


def test_a_claim_shows_the_picture_and_the_boxes_it_rests_on(open_page: OpenPage, told: Incident) -> None:
    """By the pointer and by the keyboard."""
    page = open_page(f"/review/{told.id}")
    claim = page.locator(".verdict [data-claim]").first
    claim.hover()
    number = claim.get_attribute("data-picture")
    expect(page.locator(f'.shot[data-number="{number}"]')).to_be_visible()
    lit = page.locator(f'.shot[data-number="{number}"] .mark.lit')
    assert lit.count() >= 1
    page.locator("#incident h2").hover()
    expect(page.locator(".mark.lit")).to_have_count(0)
    claim.focus()
    assert lit.count() >= 1


def test_news_of_an_incident_leave_the_picture_that_one_looks_at(
    console: Console, open_page: OpenPage, told: Incident
) -> None:
    """The rest follows by itself."""
    page = open_page(f"/review/{told.id}?show=all")
    press(page, "2")
    console.host.changes.acknowledge(told.id, "ada")
    expect(page.locator(".decide")).to_contain_text("Seen by ada")
    expect(page.locator(".shot:visible")).to_have_attribute("data-number", "2")


def test_a_picture_can_be_linked_to_and_read_without_scripts(open_page: OpenPage, told: Incident) -> None:
    """List, pictures and reasons are there; other pictures are a link away."""
    page = open_page(f"/review/{told.id}?picture=2", javascript=False)
    expect(page.locator(".shot:visible")).to_have_attribute("data-number", "2")
    page.locator('.strip [data-picture="1"]').click()
    expect(page.locator(".shot:visible")).to_have_attribute("data-number", "1")
    page.goto("/review?show=all")
    assert page.locator(ROWS).count() >= 5


def test_a_viewer_is_offered_no_decision(open_page: OpenPage, told: Incident) -> None:
    """And the keys do nothing."""
    page = open_page(f"/review/{told.id}?show=all", role="viewer")
    press(page, "c")
    expect(page.locator("[data-key]")).to_have_count(0)
    expect(page.locator("#notices")).to_be_empty()


def test_filters_narrow_the_list_in_place(open_page: OpenPage) -> None:
    """The address follows, so that it can be kept; a time nobody can read is told."""
    page = open_page("/review?show=all")
    page.locator(".filters summary").click()
    page.locator("#filter-camera").select_option("hall")
    page.wait_for_url("**camera=hall**")
    expect(page.locator(ROWS).first).to_contain_text("hall")
    page.locator("#filter-since").fill("soon")
    page.keyboard.press("Tab")
    expect(page.locator("#notices")).to_contain_text("expected a time")


def test_what_is_judged_again_is_shown_beside_what_was_said(tmp_path: Path, open_page: OpenPage) -> None:
    """The incident keeps its verdict."""
    now = {"verdict": "rejected", "probability": 0.2, "reason": "<b>a</b> shadow"}
    with demo_console(tmp_path / "console", replays=lambda _incident: {"now": now}) as console:
        told = next(one for one in console.incidents() if one.assessment and one.assessment.report)
        page = open_page(f"/review/{told.id}?show=all", at=console)
        page.get_by_text("How it was judged").click()
        page.get_by_text("Judge it again").click()
        expect(page.locator("#judged-again")).to_have_text("left out 20 %: <b>a</b> shadow")
        assert now_in(console, told) == told


def test_back_leads_to_the_list_on_a_phone_too(open_page: OpenPage, told: Incident) -> None:
    """The list, the incident, the list again; what had changed meanwhile is in it."""
    page = open_page("/review?show=all", width=390)
    page.locator(f"#row-{told.id} a").click()
    expect(page.locator("#incident h2")).to_be_visible()
    expect(page.locator("#rows")).to_be_hidden()
    page.go_back()
    expect(page.locator(f"#row-{told.id}")).to_be_visible()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('sl:reset', { detail: {} }))")
    page.wait_for_load_state("networkidle")
    page.locator(f"#row-{told.id} a").click()
    expect(page.locator("#incident h2")).to_be_visible()


def test_the_help_on_the_keys_is_without_fault(open_page: OpenPage, axe: FindFaults) -> None:
    """As axe-core finds; the pages themselves are looked at elsewhere."""
    page = open_page("/review")
    press(page, "?")
    expect(page.locator("#keys")).to_be_visible()
    assert axe(page) == []
