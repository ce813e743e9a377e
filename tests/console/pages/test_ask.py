"""The page of questions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.errors import TransientError
from tests.support.archive import BAG, ScriptedChat, says
from tests.support.browser import FindFaults, OpenPage
from tests.support.console_api import Desk, desk
from tests.support.console_demo import demo_console

_INJECTED = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    with desk(tmp_path_factory.mktemp("quiet"), chat=ScriptedChat([says("Nothing.")])) as made:
        yield made


def test_without_a_model_the_page_says_what_to_set(tmp_path: Path) -> None:
    """And leads to the search."""
    with desk(tmp_path) as made:
        shown = made.client().get("/ask").text
    assert "models.vlm" in shown
    assert '<form id="ask"' not in shown


def test_whoever_has_some_cameras_is_led_to_the_search(quiet: Desk) -> None:
    """An answer would tell of the others."""
    shown = quiet.client("yuri").get("/ask").text
    assert "Search your cameras instead" in shown
    assert '<form id="ask"' not in shown


def test_a_question_may_be_typed_already(quiet: Desk) -> None:
    """By the address; it is text and nothing else."""
    shown = quiet.client().get("/ask", params={"question": "</textarea><script>"}).text
    assert "&lt;/textarea&gt;&lt;script&gt;</textarea>" in shown


def test_sources_show_the_frames_that_are_cited(quiet: Desk) -> None:
    """Each incident once; those of other groups are not there."""
    shown = quiet.client().get(f"/ask/sources?cite={BAG.id}&cite={BAG.id}~1").text
    assert shown.count("/evidence/picture-1?width=320") == 1
    assert shown.count("A bag is left at the fence</a>") == 1
    assert quiet.client("gus").get(f"/ask/sources?cite={BAG.id}").status_code == 404
    assert quiet.client().get("/ask/sources?cite=../x").status_code == 422


@pytest.mark.browser
def test_an_answer_cites_what_it_rests_on_and_says_who_was_blind(open_page: OpenPage, axe: FindFaults) -> None:
    """Its citations lead to the incidents, whose pictures stand below it."""
    page = open_page("/ask", theme="dark", width=390)
    page.fill("#question", "what happened last night?")
    page.press("#question", "Enter")
    expect(page.locator(".turn .text")).to_contain_text("Somebody was where nobody should be")
    assert re.search(r"/review/[0-9a-f]{20}$", page.locator(".text a.cite").get_attribute("href") or "")
    expect(page.locator(".blind-note")).to_contain_text("dock was not watched")
    expect(page.locator(".cited img").first).to_be_visible()
    expect(page.locator(".calls summary")).to_contain_text("(1)")
    assert axe(page) == []
    page.fill("#question", "x" * 2_001)
    page.click("#send")
    expect(page.locator("#ask-wrong")).to_contain_text("at most 2,000 characters, got 2,001")


@pytest.mark.browser
def test_what_a_model_writes_is_text_and_what_it_cannot_is_said(open_page: OpenPage, tmp_path: Path) -> None:
    """Nothing of it runs; after a failure the question stands there to be asked again."""
    chat = ScriptedChat([says(_INJECTED), says(_INJECTED), TransientError("the model's server is away")])
    with demo_console(tmp_path / "own", chat=chat) as console:
        page = open_page("/ask", at=console)
        page.fill("#question", "what?")
        page.click("#send")
        expect(page.locator(".turn .text")).to_have_text(_INJECTED)
        page.fill("#question", "and now?")
        page.click("#send")
        expect(page.locator(".turn .state").last).to_have_text("the model's server is away")
        assert (page.input_value("#question"), page.title()) == ("and now?", "Ask · Sightline")
        open_page.close()
