"""Who may open which page: every page has a row, and every row is tried by each of six."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from pipeline.console.guard import actions_of
from tests.console.test_access_table import ANYBODY, EVERYBODY, OF_THE_YARD
from tests.support.archive import BAG
from tests.support.browsing import HTTPS, signed_in
from tests.support.console_api import PEOPLE, Desk, desk

MAY = {
    "GET /": ANYBODY,
    "GET /static/{name}": ANYBODY,
    "GET /sign-in": ANYBODY,
    "GET /sign-in/oidc": ANYBODY,
    "GET /sign-in/oidc/done": ANYBODY,
    "GET /account": EVERYBODY,
    "GET /review": EVERYBODY,
    "GET /review/rows": EVERYBODY,
    "GET /review/changed": EVERYBODY,
    "GET /review/lately": EVERYBODY,
    "GET /review/{incident_id}": OF_THE_YARD,
    "GET /review/{incident_id}/learned": OF_THE_YARD,
    "GET /timeline": EVERYBODY,
    "GET /timeline/lanes": EVERYBODY,
    "GET /timeline/lanes/{camera_id}": OF_THE_YARD,
    "GET /timeline/why": OF_THE_YARD,
    "GET /live": EVERYBODY,
    "GET /live/states": EVERYBODY,
    "GET /live/camera/{camera_id}": OF_THE_YARD,
    "GET /live/camera/{camera_id}/now": OF_THE_YARD,
    "GET /search": EVERYBODY,
    "POST /search/picture": EVERYBODY,
    "GET /ask": EVERYBODY,
    "GET /ask/sources": OF_THE_YARD,
    "GET /rules": EVERYBODY,
    "GET /rules/list": EVERYBODY,
    "GET /rules/picture/{camera_id}": OF_THE_YARD,
    "GET /rules/versions": "ada",
    "GET /rules/difference": "ada",
    "POST /rules/changes": "ada",
    "POST /rules/trial": "ada",
    "GET /system": "olu ada",
    "GET /system/now": "olu ada",
    "GET /system/budget": "olu ada",
    "GET /system/deliveries": "olu ada",
    "GET /system/letters": "olu ada",
    "GET /people": "ada",
    "GET /people/audit": "ada",
}
"""About the yard and what happened there, where a page is about one camera. Who they are: `test_access_table`."""
_QUERIES = {"GET /timeline/why": "?camera=yard&minute=2026-07-10T22:14", "GET /ask/sources": f"?cite={BAG.id}"}
_OF_ALL_CAMERAS = [row for row in MAY if row.startswith("GET") and "{" not in row and "gus" in MAY[row]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture(scope="module")
def browsers(asked: Desk) -> dict[str, TestClient]:
    """By who sits there."""
    found = {name: signed_in(asked, name) for name in PEOPLE}
    found["nobody"] = TestClient(asked.app, base_url=HTTPS, raise_server_exceptions=False)
    for client in found.values():
        client.follow_redirects = False
    return found


def test_every_page_has_a_row(asked: Desk) -> None:
    """A new page, or a part of one, fails here without one."""
    assert {name for name in actions_of(asked.app) if " /api/" not in name} == set(MAY)


@pytest.mark.parametrize("row", MAY)
def test_whoever_is_not_in_the_row_gets_nothing(browsers: dict[str, TestClient], row: str) -> None:
    """401 for strangers, 403 or 404 for the rest; those in the row get past the door."""
    method, path = row.split(" ")
    for name, value in {"camera_id": "yard", "incident_id": BAG.id, "name": "app.js"}.items():
        path = path.replace(f"{{{name}}}", value)
    answers = {who: client.request(method, path + _QUERIES.get(row, "")) for who, client in browsers.items()}
    let_in = {who for who, answer in answers.items() if answer.status_code not in (401, 403, 404)}
    assert let_in == set(MAY[row].split())
    assert {who: answer.status_code for who, answer in answers.items() if answer.status_code == 500} == {}


@pytest.mark.parametrize("row", _OF_ALL_CAMERAS)
def test_a_page_says_nothing_of_cameras_of_others(browsers: dict[str, TestClient], row: str) -> None:
    """Whoever has the gate reads neither the yard's name nor what happened there, in no page that is for both."""
    answer = browsers["gus"].get(row.split(" ")[1] + _QUERIES.get(row, ""))
    assert [word for word in ("yard", BAG.id, "loitering", "bag is left") if word in answer.text] == []


@pytest.mark.parametrize("path", [f"/review/{BAG.id}", f"/review/{BAG.id}/learned", "/live/camera/yard"])
def test_what_is_not_ones_own_looks_like_what_is_not_there(browsers: dict[str, TestClient], path: str) -> None:
    """The same answer as for a guessed name, so that guessing tells nothing."""
    told, guessed = (
        browsers["gus"].get(there, headers={"Accept": "text/html"})
        for there in (path, path.replace(BAG.id, "0" * 20).replace("yard", "nowhere"))
    )
    assert (told.status_code, told.text) == (404, guessed.text.replace("0" * 20, BAG.id).replace("nowhere", "yard"))


def test_a_stranger_is_led_to_where_one_signs_in(browsers: dict[str, TestClient]) -> None:
    """And back again afterwards; parts of pages that a script loads are plainly refused."""
    answer = browsers["nobody"].get("/timeline?day=2026-07-10", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Ftimeline%3Fday%3D2026-07-10"
    assert browsers["nobody"].get("/review/rows", headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "app.js%00", ""])
def test_no_path_is_climbed_among_the_consoles_files(browsers: dict[str, TestClient], name: str) -> None:
    """They are looked up in a table."""
    answer = browsers["ada"].get(f"/static/{name}")
    assert answer.status_code in (303, 404)
    assert "import" not in answer.text
