"""The search page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pipeline.console.models import MomentView, row_of
from pipeline.console.pages.search import fused
from pipeline.contracts.incident import Incident
from pipeline.contracts.observation import Encoder
from pipeline.search.query import MomentSearch
from pipeline.site import parse_site
from tests.console.routes.test_moments import Colours, kept
from tests.support.archive import BAG, ENTRY, SITE, seconds
from tests.support.browser import FindFaults, OpenPage
from tests.support.console_api import GATE, Desk, desk
from tests.support.reasoning import jpeg
from tests.support.vectors import MemoryVectors

LONG = "x" * 10_000
_LOADING_MS = 30_000
"""The first search by looks loads the encoder."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A console that keeps two moments of the yard, one of them an incident's."""
    store, encoder = MemoryVectors(), Colours()
    store.add([kept("yard", 3, 1, 0, incident_id=BAG.id), kept("yard", 300, 0.5, 1)])

    def colours() -> Encoder:
        return encoder

    with desk(tmp_path_factory.mktemp("seen"), moments=MomentSearch(store, colours)) as made:
        yield made


def moment(at_seconds: float, incident: Incident | None = None) -> MomentView:
    row = row_of(incident) if incident else None
    return MomentView(
        camera_id="yard", captured_at=seconds(at_seconds), similarity=0.5, labels=(), zones=(), incident=row
    )


def test_what_is_told_and_what_looks_so_is_one_list() -> None:
    """What both found comes first, each incident once."""
    hits = fused([row_of(ENTRY), row_of(BAG)], [moment(3, BAG), moment(300), moment(200, GATE)])
    assert [hit.incident and hit.incident.id for hit in hits] == [BAG.id, ENTRY.id, None, GATE.id]
    assert [(hit.is_told, hit.similarity) for hit in hits[:3]] == [(True, 0.5), (True, None), (False, 0.5)]


def test_things_to_choose_from_are_those_of_ones_own_rules(tmp_path: Path) -> None:
    """What rules of other cameras look for is not offered."""
    text = SITE.replace("{inside:", "{object: lorry, inside:") + "models: {detector: builtin}\n"
    site = parse_site(text, "site.yaml", {})
    with desk(tmp_path, site=lambda: site) as made:
        offered = {who: 'value="lorry"' in made.client(who).get("/search").text for who in ("ada", "yuri", "gus")}
    assert offered == {"ada": True, "yuri": True, "gus": False}


def test_words_find_incidents_and_moments(seen: Desk) -> None:
    """With the picture of the first, and what is not known of the time."""
    shown = seen.client().get("/search?text=red+bag").text
    assert f"/api/v1/incidents/{BAG.id}/evidence/picture-1?width=320" in shown
    assert "no picture was kept" in shown
    assert "yard was not watched 22:16:00" in shown
    assert "another encoder" not in shown


def test_what_another_encoder_saw_is_said_not_to_be_compared(tmp_path: Path) -> None:
    """After an upgrade of the built-in models, say: nothing found by its look is not nothing there."""
    store, encoder = MemoryVectors(), Colours()
    store.add([replace(kept("yard", at, 1, 0), model_id="old") for at in (3, 300)])

    def colours() -> Encoder:
        return encoder

    with desk(tmp_path, moments=MomentSearch(store, colours)) as made:
        shown = made.client().get("/search?text=blue+car").text
        told = made.client().get("/api/v1/search/moments?text=blue+car").json()
    assert "2 moments of that time were seen by another encoder" in shown
    assert (told["items"], told["num_not_compared"]) == ([], 2)


def test_without_an_encoder_words_are_found_in_reports(tmp_path: Path) -> None:
    """And the page says what is missing."""
    with desk(tmp_path) as made:
        answer = made.client().get("/search?text=red+bag")
    assert answer.status_code == 200
    assert BAG.id in answer.text
    assert "Found by words in reports only" in answer.text
    assert "models.encoder" in answer.text


def test_filters_alone_list_the_newest_incidents(seen: Desk) -> None:
    """Of the zone and the camera that were chosen."""
    shown = seen.client().get("/search?zone=fence&camera=yard").text
    assert shown.index(ENTRY.id) < shown.index(BAG.id)
    assert GATE.id not in shown


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"text={LONG}", "at most 300 characters to look for, got 10,000"),
        ("text=bag&camera=none", "there is no camera"),
        ("text=bag&since=soon", "expected a time such as"),
        ("text=bag&since=2026-07-10T12:00&until=2026-07-10T11:00", "must be before until"),
        (f"text=bag&within={LONG}", "expected a"),
    ],
)
def test_a_search_for_nonsense_says_so_on_the_page(seen: Desk, query: str, words: str) -> None:
    """Where results would stand; to a script that loads the results as a page like any other."""
    answer = seen.client().get(f"/search?{query}")
    assert (answer.status_code, words in answer.text) == (422, True)
    assert seen.client().get(f"/search?{query}", headers={"HX-Request": "true"}).status_code == 200


def test_the_page_shows_nothing_of_other_groups(seen: Desk) -> None:
    """Neither cameras to choose nor incidents."""
    shown = seen.client("gus").get("/search?text=in+the+gate+bag").text
    assert GATE.id in shown
    assert "yard" not in shown
    assert BAG.id not in shown


def test_a_picture_finds_what_looks_like_it(seen: Desk) -> None:
    """As results alone; what is no picture is told as a problem."""
    found = seen.client().post("/search/picture?right=0.5", content=jpeg(64, 36))
    assert BAG.id in found.text
    assert "<main" not in found.text
    refused = seen.client().post("/search/picture", content=b"\0\0\0\x18ftypmp42")
    assert (refused.status_code, "no video" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("like", "url"),
    [
        (f"{BAG.id}/picture-1", f"/api/v1/incidents/{BAG.id}/evidence/picture-1"),
        ("live/yard", "/api/v1/cameras/yard/frame"),
        ("../../secret", ""),
        ("//example.org/x.jpg", ""),
    ],
)
def test_an_example_is_one_of_ours(seen: Desk, like: str, url: str) -> None:
    """An address of elsewhere is none."""
    assert f'data-url="{url}"' in seen.client().get("/search", params={"like": like}).text


@pytest.mark.browser
def test_results_are_shown_at_once_and_checked_as_the_model_comes_to_them(open_page: OpenPage, axe: FindFaults) -> None:
    """What it does not see can be hidden; the address is the search."""
    page = open_page("/search")
    page.fill("#text", "a person at the fence")
    page.select_option("[name=within]", "7 days ago")
    page.press("#text", "Enter")
    expect(page.locator("#said")).to_have_text("Searching …")
    expect(page.locator(".hit img").first).to_be_visible(timeout=_LOADING_MS)
    expect(page.locator("#checked")).to_have_text(re.compile(r"The model sees it in \d+ of \d+\."))
    assert "text=a%20person" in page.url
    rejected = page.locator(".hit[data-verdict=rejected]")
    assert rejected.count() > 0
    page.check("#only-seen")
    expect(rejected.first).to_be_hidden()
    assert axe(page) == []


@pytest.mark.browser
def test_a_part_drawn_on_a_result_is_looked_for(open_page: OpenPage, axe: FindFaults) -> None:
    """By pointer, or by numbers; results change with it."""
    page = open_page("/search?text=person&within=7+days+ago", theme="dark", width=390)
    page.locator(".more").first.click()
    expect(page.locator("#stage")).to_be_visible()
    expect(page.locator(".hit").first).to_be_visible(timeout=_LOADING_MS)
    box = page.locator("#drawn").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    page.mouse.up()
    assert [page.input_value(f"#{side}") for side in ("left", "top", "right", "bottom")] == ["25", "25", "75", "75"]
    page.fill("#left", "30")
    with page.expect_request("**/search/picture?*") as sent:
        page.locator("#stage button.primary").click()
    assert {"left=0.3", "right=0.75"} <= set(sent.value.url.partition("?")[2].split("&"))
    expect(page.locator("#checked")).to_have_text(re.compile(r"\d+"))
    assert axe(page) == []


def _file(page: Page, name: str, media_type: str, data: bytes) -> None:
    page.set_input_files("#file", files=[{"name": name, "mimeType": media_type, "buffer": data}])


@pytest.mark.browser
def test_what_is_no_example_is_said_on_the_page(open_page: OpenPage) -> None:
    """A video, a text, half a picture, a picture that would fill the memory, a search of 10,000 characters."""
    page = open_page("/search")
    said = page.locator("#example-wrong")
    _file(page, "clip.mp4", "video/mp4", b"\0\0\0\x18ftypmp42")
    expect(said).to_contain_text("That is a video.")
    _file(page, "notes.txt", "text/plain", b"a bag")
    expect(said).to_contain_text("That is no picture.")
    _file(page, "clip.jpg", "image/jpeg", b"\0\0\0\x18ftypmp42")
    expect(said).to_contain_text("cannot be read as a picture")
    bomb = cv2.imencode(".png", np.zeros((6000, 6000), np.uint8))[1].tobytes()
    assert len(bomb) < 100_000
    _file(page, "bomb.png", "image/png", bomb)
    expect(said).to_contain_text("too many pixels")
    expect(page.locator("#stage")).to_be_hidden()
    page.fill("#text", LONG)
    page.click(".words button")
    expect(page.locator("#results [role=alert]")).to_contain_text("got 10,000")
    assert page.input_value("#text") == LONG


@pytest.mark.browser
def test_a_picture_of_ones_own_finds_moments(open_page: OpenPage) -> None:
    """A PNG, which the page makes a JPEG of."""
    page = open_page("/search")
    pixels = np.full((90, 160, 3), (40, 120, 60), np.uint8)
    _file(page, "still.png", "image/png", cv2.imencode(".png", pixels)[1].tobytes())
    expect(page.locator("#stage")).to_be_visible()
    page.locator("#stage button.primary").click()
    expect(page.locator(".hit").first).to_be_visible(timeout=_LOADING_MS)
    page.click("#no-example")
    expect(page.locator("#stage")).to_be_hidden()
