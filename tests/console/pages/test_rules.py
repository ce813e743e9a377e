"""`/rules`: what is in force, and the site file drawn, typed, tried, saved and taken back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.app.site_desk import open_desk
from pipeline.settings import Settings
from tests.console.routes.test_searching import events
from tests.support.archive import BAG, SITE
from tests.support.browser import OpenPage
from tests.support.console_api import Desk, desk
from tests.support.console_demo import Console
from tests.support.tried_site import SINCE, TEXT, UNTIL, kept_desk


def test_rules_are_told_in_words_to_whoever_sees_their_cameras(shown: Desk) -> None:
    """Without the site file, and without what would change them."""
    page = shown.client("yuri").get("/rules").text
    assert "anything stays in fence longer than 45 s" in page
    assert "Switch off" not in page
    assert 'id="draft"' not in page
    assert "loitering" not in shown.client("gus").get("/rules/list").text


def test_an_administrator_has_the_file_as_it_is(shown: Desk) -> None:
    """Only what is of the file can be switched."""
    page = shown.client().get("/rules").text
    assert SITE.strip().splitlines()[0] in page
    assert (page.count(">Switch off<"), "Switch camera-health off" in page) == (2, False)


def test_a_picture_to_draw_on(tmp_path: Path) -> None:
    """What the camera sees now, else what was kept last; 404 when there is none."""
    (tmp_path / "kept").mkdir()
    with desk(tmp_path) as made:
        client = made.client()
        assert client.get("/rules/picture/yard").headers["content-type"] == "image/jpeg"
        assert client.get("/rules/picture/gate").status_code == 404
    with desk(
        tmp_path / "kept", [BAG.model_copy(update={"snapshot_uri": BAG.candidate.key_frames[0].uri})], live=None
    ) as made:
        assert made.client().get("/rules/picture/yard").content.startswith(b"\xff\xd8")


def test_what_a_draft_would_change(fresh: Desk) -> None:
    """Line by line, with what stands around it; markup in it is text."""
    draft = SITE.replace("45s", "60s").replace("depot", "<script>alert(1)</script>")
    shown = fresh.client().post("/rules/changes", json={"text": draft}).text
    assert "<del>  - {id: loitering, cameras: [yard], track: {inside: fence, longer_than: 45s}}</del>" in shown
    assert "longer_than: 60s}}</ins>" in shown
    assert "<script>" not in shown
    assert "There is no difference." in fresh.client().post("/rules/changes", json={"text": SITE}).text


def test_a_version_is_compared_without_a_script(fresh: Desk) -> None:
    """By a link of the page."""
    client = fresh.client()
    was = client.get("/api/v1/site").json()["version"]
    answer = client.put("/api/v1/site", json={"text": f"{SITE}# more\n"}, headers={"If-Match": f'"{was}"'})
    page = client.get(f"/rules?was={was}&now={answer.json()['version']}").text
    assert "<ins># more</ins>" in page
    assert f'href="/rules?was={was}&amp;now=' in page


def test_a_draft_is_tried_on_the_page(tmp_path: Path) -> None:
    """How far it is, then what would have been told, with links to what it was; what cannot be is said."""
    (tmp_path / "console").mkdir()
    with desk(tmp_path / "console", desk=kept_desk(tmp_path)) as made:
        sent = {"text": TEXT, "rules": ["crosses"], "since": SINCE, "until": UNTIL}
        *steps, (name, result) = events(made.client().post("/rules/trial", json=sent).text)
        wrong = made.client().post("/rules/trial", json=sent | {"since": "tomorrow"})
    assert steps[-1] == ("progress", {"done": 2, "of": 2})
    assert name == "result"
    assert "<td>crosses</td><td>–</td><td>–</td><td>2 of 2</td>" in result["html"]
    assert result["html"].count('<li><a href="/review/') == 2
    assert (wrong.status_code, "expected a time such as" in wrong.json()["detail"]) == (422, True)


def test_where_the_file_cannot_be_written_the_page_says_so(tmp_path: Path) -> None:
    """As in a cluster: it is read, drawn, checked and tried all the same, and nothing offers to change it."""
    sealed = open_desk(Path("/proc/self/comm"), Settings(data_dir=tmp_path))  # nobody makes a file there
    with desk(tmp_path, desk=sealed) as made:
        page = made.client().get("/rules").text
        versions = made.client().get("/rules/versions").text
    assert "cannot be written here" in page
    assert 'id="draft"' in page
    assert "Switch off" not in page
    assert "<button" not in versions


def test_a_site_file_that_is_away_hides_no_rules(tmp_path: Path) -> None:
    """It says so where the file would be."""
    with desk(tmp_path) as made:
        (tmp_path / "site.yaml").unlink()
        page = made.client().get("/rules").text
    assert "cannot read the site file" in page
    assert "loitering" in page


@pytest.fixture
def page(own_console: Console, open_page: OpenPage) -> Page:
    """An administrator's, of a site file to be changed."""
    page = open_page("/rules", role="admin", at=own_console)
    expect(page.locator("#verdict")).to_have_text("Nothing is wrong with it.")
    return page


@pytest.mark.browser
def test_a_zone_is_moved_by_keys_saved_and_taken_back(page: Page, own_console: Console) -> None:
    """One line of the file changes; undoing it brings back every character."""
    before = own_console.site_path.read_text()
    page.get_by_role("button", name="fence", exact=True).click()
    expect(page.get_by_role("button", name="Point 1 of fence")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_role("button", name="What saving would change").click()
    expect(page.locator("#changes ins")).to_have_count(1)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    after = own_console.site_path.read_text()
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 1
    assert "fence: [[" in changed[0]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#versions li")).to_have_count(3)
    assert own_console.site_path.read_text() == before
    expect(page.locator("#draft")).to_have_value(before)


@pytest.mark.browser
def test_a_zone_is_drawn_by_mouse(page: Page) -> None:
    """Named, put on the picture, and a corner dragged outside stays at the edge."""
    page.get_by_label("Name").fill("bay")
    page.get_by_role("button", name="Draw", exact=True).click()
    corner = page.get_by_role("button", name="Point 1 of bay")
    box = corner.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(-50, box["y"] - 40, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name="Point 1 of bay, 0 % from the left")).to_be_visible()
    expect(page.locator("#draft")).to_have_value(re.compile(r"bay: \[\[0\.0, 0\.\d+\], \[0\.7, 0\.3\]"))


@pytest.mark.browser
def test_a_mistake_is_shown_at_its_line(page: Page) -> None:
    """While it is typed; it cannot be saved."""
    text = page.locator("#draft").input_value()
    page.locator("#draft").fill(text.replace("enters: fence", "enters: fense"))
    number = text[: text.index("enters: fence")].count("\n") + 1
    expect(page.locator("#problems")).to_contain_text("did you mean fence?")
    expect(page.locator("#gutter .wrong")).to_have_text(str(number))
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    page.get_by_role("button", name=f"Line {number}").click()
    expect(page.locator("#draft")).to_be_focused()


@pytest.mark.browser
def test_who_comes_second_sees_what_the_first_did(page: Page, own_console: Console) -> None:
    """Nothing is written over unseen; saving again is a decision."""
    text = page.locator("#draft").input_value()
    page.locator("#draft").fill(text.replace("name: northgate", "name: south"))
    own_console.site_path.write_text(text.replace("15s", "20s"))
    save = page.get_by_role("button", name="Save", exact=True)
    save.click()
    expect(page.get_by_text("Somebody else has changed the site file")).to_be_visible()
    expect(page.locator("#changes del")).to_have_count(2)
    assert "name: northgate" in own_console.site_path.read_text()
    save.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert own_console.site_path.read_text() == text.replace("name: northgate", "name: south")


@pytest.mark.browser
def test_a_rule_is_switched_off_and_the_text_follows(page: Page) -> None:
    """A draft that was not touched shows the file as it is now."""
    page.get_by_role("button", name="Switch loitering off").click()
    expect(page.locator("#draft")).to_have_value(re.compile("cooldown: 0s, enabled: false}"))
    expect(page.get_by_role("button", name="Switch loitering on")).to_be_visible()
