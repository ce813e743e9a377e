"""`/timeline`: lanes, and the answer to `why`, as served and as used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.contracts.decision import Gate
from tests.support.archive import BAG
from tests.support.browser import FindFaults, OpenPage
from tests.support.cli import count
from tests.support.console_api import Desk, desk
from tests.support.console_demo import Console
from tests.support.console_past import MORNING

ASKED = "/timeline/why?camera=yard&minute=2026-07-10T22:14"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """To look at only: `yard` would have told of an entry in the minute of the first incident, but for its cooldown."""
    with desk(tmp_path_factory.mktemp("timeline")) as made:
        made.stores.decisions.add(
            [
                count(
                    Gate.PREDICATE, "not long enough", rule="loitering", min_value=1.0, max_value=40.0, threshold=45.0
                ),
                count(Gate.COOLDOWN, "cooldown", rule="entry", min_value=3.0, max_value=3.0, threshold=60.0),
            ]
        )
        yield made


def read(made: Desk, path: str, who: str = "ada") -> str:
    """A page's text; 200."""
    answer = made.client(who).get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_lane_a_camera_with_what_happened_and_what_was_not_seen(shown: Desk) -> None:
    """The incident leads to its page, the gap says why."""
    text = read(shown, "/timeline")
    assert re.findall(r'class="lane" data-camera="(\w+)"', text) == ["gate", "yard"]
    assert f'href="/review?camera=yard&amp;since={BAG.opened_at:%Y-%m-%dT%H:%M:%SZ}' in text
    assert "Not watched 22:16:00–22:18:00: offline (no answer)" in text
    assert "1 near miss" in text


def test_lanes_are_those_of_ones_own_cameras(shown: Desk) -> None:
    """And so is one asked for by name, and the answer about it."""
    assert 'data-camera="yard"' not in read(shown, "/timeline", "gus")
    client = shown.client("gus")
    assert client.get("/timeline/lanes/yard").status_code == client.get("/timeline/lanes/none").status_code == 404
    assert client.get(ASKED).status_code == client.get("/timeline?camera=yard").status_code == 404


def test_the_answer_is_that_of_the_api(shown: Desk) -> None:
    """The same sentences, and every gate's numbers beside what they take."""
    told = shown.client().get("/api/v1/why?camera=yard&at=2026-07-10T22:14").json()
    text = read(shown, ASKED)
    assert all(sentence in text for sentence in told["answers"])
    assert "1–40 s" in text
    assert "needs 45 s" in text


def test_the_answer_has_an_address(shown: Desk) -> None:
    """To be sent to somebody: it shows the same on the page, without any script."""
    answer = shown.client().get(f"{ASKED}&rule=entry&at=2026-07-10&hours=1")
    address = answer.headers["HX-Replace-Url"]
    assert address == ("/timeline?at=2026-07-10&hours=1&camera=yard&minute=2026-07-10T20%3A14Z&rule=entry&minutes=1")
    assert "No alert for entry at 22:14" in read(shown, address)


def test_the_lanes_follow_the_minute_that_is_asked_about(shown: Desk) -> None:
    """A form that asks about another day leads to that day, and zooming keeps what was asked."""
    text = read(shown, "/timeline?at=2026-07-10&hours=24&camera=yard&minute=2026-07-08T12:30")
    assert "2026-07-08" in re.findall(r"<h1>(.*?)</h1>", text, re.DOTALL)[0]
    assert "hours=1&amp;at=2026-07-08T10%3A30Z&amp;camera=yard&amp;minute=2026-07-08T10%3A30Z" in text


def test_a_minute_to_come_is_no_minute_without_an_alert(shown: Desk) -> None:
    """It says so."""
    assert "That minute is still to come." in read(shown, "/timeline/why?camera=yard&minute=2026-07-10T22:50")


def test_many_cameras_come_by_and_by(shown: Desk) -> None:
    """Past the last one there is none, and the lanes that are there are loaded alone."""
    assert "There is no camera" in read(shown, "/timeline/lanes?first=16")
    assert read(shown, "/timeline/lanes?again=true").count('class="lane"') == 2
    assert read(shown, "/timeline/lanes/yard").count('class="lane"') == 1


@pytest.mark.parametrize(
    "query",
    ["at=soon", "hours=7", "at=9999-12-31", "at=0001-01-01", "first=-1", "camera=yard&minute=never", "minutes=2"],
)
def test_what_cannot_be_shown_is_refused_in_words(shown: Desk, query: str) -> None:
    """As the API would."""
    answer = shown.client().get(f"/timeline?{query}")
    assert (answer.status_code, len(answer.json()["detail"]) > 10) == (422, True)


def test_what_a_model_or_a_camera_says_is_only_shown(tmp_path: Path) -> None:
    """Never run."""
    evil = "<script>alert(1)</script>"
    with desk(tmp_path) as made:
        made.stores.decisions.add([count(Gate.VERIFICATION, evil, detail=evil, rule="entry")])
        text = read(made, f"{ASKED}&rule=entry")
    assert (evil in text, text.count("&lt;script&gt;") >= 2) == (False, True)


@pytest.mark.browser
def test_a_minute_clicked_says_why(open_page: OpenPage) -> None:
    """The sentence, the gate it ended at, and an address to come back to."""
    page = open_page("/timeline?hours=1&rule=door-loitering")
    clicked = (MORNING.minute + 0.5) / 60
    track = page.locator('.lane[data-camera="corridor"] .track')
    box = track.bounding_box()
    assert box is not None
    track.click(position={"x": box["width"] * clicked, "y": 3})
    expect(page.locator("#why .answer")).to_contain_text("door-loitering opened an incident")
    expect(page.locator("#why .chain li").first).to_contain_text("Was the camera watched?")
    page.reload()
    expect(page.locator("#why-title")).to_contain_text("corridor · 2026-07-10 08:10")


@pytest.mark.browser
def test_the_keyboard_reaches_what_happened(open_page: OpenPage) -> None:
    """`p` goes to the thing before, Enter asks and leads to the answer."""
    page = open_page("/timeline?at=2026-07-09&hours=24")
    page.locator('.lane[data-camera="yard"] input').focus()
    page.keyboard.press("End")
    page.keyboard.press("p")
    assert page.locator(":focus").get_attribute("aria-valuetext") == "22:10"
    page.keyboard.press("Enter")
    expect(page.locator("#why .answer")).to_contain_text("opened an incident at 22:10")
    expect(page.locator("#why-title")).to_be_focused()


@pytest.mark.browser
def test_what_happens_now_shows_on_its_lane(open_page: OpenPage, console: Console) -> None:
    """Within seconds, without a reload, and whoever is on that lane stays there."""
    page = open_page("/timeline?hours=1")
    lane = page.locator('.lane[data-camera="street"]')
    before = int(re.findall(r"(\d+) incident", lane.inner_text())[0])
    lane.locator("input").focus()
    console.happens(console.incidents(camera_id="street")[0])
    expect(lane).to_contain_text(f"{before + 1} incidents", timeout=10_000)
    expect(lane.locator("input")).to_be_focused()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_read_it(open_page: OpenPage, axe: FindFaults, theme: str) -> None:
    """Axe finds nothing serious on the page with an answer, and nothing hangs over a phone's edge."""
    at = f"{MORNING:%Y-%m-%dT%H:%MZ}"
    page = open_page(f"/timeline?hours=1&camera=yard&minute={at}", theme=theme, width=390)  # type: ignore[arg-type]
    assert axe(page) == []
    assert _width(page) <= 390


def _width(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width
