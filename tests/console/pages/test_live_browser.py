"""`/live` in a browser: pictures that follow each other, ages that count on, and what stops them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from pipeline.console.host import LiveBox
from pipeline.contracts.coverage import Interval, Layer
from tests.support.browser import FindFaults, OpenPage, Theme
from tests.support.console_demo import Console, demo_console
from tests.support.console_past import MORNING, NOW, RunningClock
from tests.support.live_cameras import TurnedCameras

pytestmark = pytest.mark.browser
CAMERAS = ("yard", "street", "corridor", "hall")
HOSTILE = "<img src=x onerror=alert(1)>"
MAN = LiveBox("person", 0.91, 7, (0.1, 0.2, 0.3, 0.8))


@pytest.fixture(scope="module")
def cameras() -> TurnedCameras:
    clock = RunningClock.at(NOW)
    boxes = (MAN, LiveBox(HOSTILE, 0.5, None, (0.5, 0.5, 0.6, 0.9)))
    return TurnedCameras(clock.now, boxes=boxes, stuck_since={"dock": NOW - timedelta(minutes=4)})


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, cameras: TurnedCameras) -> Iterator[Console]:
    """The dock is offline; the others are watched from the morning on."""
    with demo_console(tmp_path_factory.mktemp("live"), live=cameras) as made:
        until = NOW + timedelta(hours=1)
        going_on = [Interval(camera_id, layer, MORNING, until) for camera_id in CAMERAS for layer in Layer]
        made.stores.coverage.extend(going_on)
        yield made


def view(page: Page, camera_id: str) -> Locator:
    """A camera's picture, and all that stands over it."""
    return page.locator(f".view[data-camera={camera_id}]")


def asked_in(page: Page, milliseconds: int) -> Counter[str]:
    """Camera to the number of times that its picture is asked for in that while."""
    asked: Counter[str] = Counter()

    def note(request: Request) -> None:
        if found := re.search(r"/live/camera/(\w+)/now", request.url):
            asked[found.group(1)] += 1

    page.on("request", note)
    page.wait_for_timeout(milliseconds)
    page.remove_listener("request", note)
    return asked


def test_pictures_follow_each_other_and_tell_what_is_in_them(open_page: OpenPage, axe: FindFaults) -> None:
    """Boxes, tracks and zones over the picture, whatever a model calls them; an age that counts by the second."""
    page = open_page("/live")
    yard = view(page, "yard")
    expect(yard.locator(".box-names span").first).to_have_text("person #7 0.91")
    expect(yard.locator(".box-names span").last).to_have_text(f"{HOSTILE} 0.50")
    expect(yard.locator(".boxes rect")).to_have_count(2)
    expect(yard.locator(".zone-names span").first).to_have_text("fence")
    first = yard.locator("img").get_attribute("src") or ""
    expect(yard.locator("img")).not_to_have_attribute("src", first)
    expect(yard.locator(".age-shown")).to_have_text(re.compile(r"^[0-2]\.\d s$"))
    assert axe(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_blind_camera_looks_blind(open_page: OpenPage, axe: FindFaults, theme: Theme) -> None:
    """Why, and since when, in words over a picture without colour; said once to who listens."""
    page = open_page("/live", theme=theme, width=390)
    dock = view(page, "dock")
    expect(dock.locator(".said")).to_contain_text("Not watched")
    expect(dock.locator(".said")).to_contain_text("Offline · since 08:10:10")
    expect(dock.locator(".age-shown")).to_have_text(re.compile(r"^4:\d\d$"))
    expect(dock.locator("img")).to_have_css("filter", re.compile("grayscale"))
    expect(dock.locator(".boxes")).to_be_hidden()
    expect(page.locator("#states")).to_contain_text("4 of 5 cameras are watched")
    assert axe(page) == []


def test_a_picture_that_grows_old_does_not_seem_live(open_page: OpenPage, cameras: TurnedCameras) -> None:
    """Also when no answer comes any more; and with a new picture all is well again."""
    page = open_page("/live")
    street = view(page, "street")
    expect(street.locator(".old")).to_be_hidden()
    cameras.stuck_since["street"] = cameras.now() - timedelta(seconds=8)
    expect(street.locator(".age-shown")).to_have_text(re.compile(r"^[89]\.\d s$"))
    page.route("**/now?*", lambda route: route.abort())
    expect(street.locator(".old")).to_have_text("No new picture")
    page.unroute("**/now?*")
    del cameras.stuck_since["street"]
    expect(street.locator(".old")).to_be_hidden()


def test_a_server_that_is_gone_is_told_once(open_page: OpenPage) -> None:
    """However often the page asks in vain; and what it shows does not seem fresh."""
    page = open_page("/live")
    street = view(page, "street")
    expect(street.locator(".box-names span").first).to_be_attached()
    page.context.set_offline(True)
    for _ in range(3):
        page.evaluate("sightline.refresh('[data-states]')")
        page.wait_for_timeout(200)
    expect(page.locator(".notice")).to_have_count(1)
    expect(street.locator(".age-shown")).to_have_text(re.compile(r"^[3-9]\.\d s$"))


def test_only_what_somebody_can_see_is_asked_for(open_page: OpenPage) -> None:
    """All once; then the cameras on the screen, once a second; nothing while the page is hidden."""
    page = open_page("/live", width=390, height=600)
    for camera_id in CAMERAS:
        expect(view(page, camera_id).locator(".box-names span").first).to_be_attached()
    asked = asked_in(page, 2500)
    assert "corridor" in asked
    assert "yard" not in asked
    assert max(asked.values()) <= 3
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    asked_in(page, 300)
    assert asked_in(page, 1500) == {}


def test_the_browsers_clock_does_not_count(open_page: OpenPage) -> None:
    """Five years ahead, and a picture of a second ago is a second old."""
    page = open_page("/live")
    page.add_init_script("const right = Date.now; Date.now = () => right() + 5 * 365 * 86400000")
    page.reload()
    street = view(page, "street")
    expect(street.locator(".box-names span").first).to_be_attached()
    expect(street.locator(".age-shown")).to_have_text(re.compile(r"^[0-2]\.\d s$"))
    expect(street.locator(".old")).to_be_hidden()


def test_what_is_shown_is_chosen_and_stays_chosen(open_page: OpenPage) -> None:
    """Zones, boxes and the size of pictures, in this browser."""
    page = open_page("/live")
    page.get_by_label("Zones and lines").uncheck()
    page.get_by_label("Size of pictures").select_option("large")
    page.reload()
    expect(page.locator("[data-wall]")).to_have_attribute("data-size", "large")
    expect(view(page, "yard").locator(".zones")).to_be_hidden()
    page.get_by_label("Cameras").select_option("indoors")
    expect(page.locator(".tile")).to_have_count(2)


def test_the_wall_can_be_read_without_scripts(open_page: OpenPage) -> None:
    """Pictures and what is said of cameras, as they were when it was loaded; it loads itself again."""
    page = open_page("/live", javascript=False)
    expect(view(page, "dock").locator(".said")).to_contain_text("Not watched")
    assert 'http-equiv="refresh"' in page.content()
