"""`/rules` and `/site`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.site import parse_site
from tests.console.routes.test_searching import events
from tests.support.archive import SITE
from tests.support.console_api import Desk, desk


def tag_of(client: TestClient) -> str:
    return str(client.get("/api/v1/site").headers["etag"])


def test_rules_are_those_that_look_at_ones_cameras(shown: Desk) -> None:
    """Health of every camera among them; sent once."""
    assert [each["rule"]["id"] for each in shown.client("gus").get("/api/v1/rules").json()["items"]] == [
        "camera-health"
    ]
    answer = shown.client().get("/api/v1/rules")
    assert [each["rule"]["id"] for each in answer.json()["items"]] == ["loitering", "entry", "camera-health"]
    again = shown.client().get("/api/v1/rules", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_rule_names_no_cameras_but_ones_own(tmp_path: Path) -> None:
    """Whatever the site file says that it looks at."""
    site = parse_site(
        SITE.replace("cameras: [yard], track: {enters: fence}", "cameras: [yard, gate], track: {count_above: 2}"),
        "site.yaml",
        {},
    )
    with desk(tmp_path, site=lambda: site) as made:
        rules = {
            who: {
                each["rule"]["id"]: each["rule"]["cameras"]
                for each in made.client(who).get("/api/v1/rules").json()["items"]
            }
            for who in ("ada", "yuri")
        }
    assert rules["yuri"] == {"loitering": ["yard"], "entry": ["yard"], "camera-health": []}
    assert rules["ada"]["entry"] == ["yard", "gate"]


def test_a_draft_is_checked_line_by_line(fresh: Desk) -> None:
    """As the command says it; nothing is written."""
    wrong = SITE.replace("enters: fence", "enters: fense")
    told = fresh.client().post("/api/v1/site/check", json={"text": wrong}).json()["problems"]
    assert [(each["line"], each["hint"]) for each in told] == [(8, "did you mean fence?")]
    assert fresh.client().post("/api/v1/site/check", json={"text": SITE}).json()["problems"] == []


def test_words_that_may_not_do_what_is_meant_are_remarked_on(fresh: Desk) -> None:
    """They are no problems."""
    text = SITE.replace("rules:", "models: {encoder: builtin}\nrules:\n  - {id: odd, when: something strange}")
    told = fresh.client().post("/api/v1/site/check", json={"text": text}).json()
    assert (told["problems"], [one["where"] for one in told["remarks"]]) == ([], ["odd"])


def test_a_draft_tells_what_it_draws(fresh: Desk) -> None:
    """Also while something else is wrong with it, as long as it can be read."""
    wrong = SITE.replace("enters: fence", "enters: fense")
    yard, gate = fresh.client().post("/api/v1/site/check", json={"text": wrong}).json()["cameras"]
    assert yard == {"id": "yard", "zones": {"fence": [[0, 0], [1, 0], [1, 1]]}, "lines": {}, "masks": []}
    assert gate["zones"] == {}
    assert fresh.client().post("/api/v1/site/check", json={"text": "cameras: ["}).json()["cameras"] == []


def test_a_zone_is_drawn_into_a_draft(fresh: Desk) -> None:
    """The draft comes back; the file stays as it is."""
    sent = {"text": SITE, "camera": "gate", "kind": "zones", "name": "door", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}
    text = fresh.client().post("/api/v1/site/draw", json=sent).json()["text"]
    assert "{id: gate, url: y.mp4, zones: {door: [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]}}" in text
    assert fresh.client().get("/api/v1/site").json()["text"] == SITE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": [[0, 0], [0.5, 0], [0.5, 1.5]]}, "less than or equal to 1"),
        ({"points": [[0, 0], [0.5, 0]]}, "expected three points or more, got 2"),
        ({"kind": "lines", "points": [[0, 0], [0.5, 0], [1, 1]]}, "expected two points, got 3"),
        ({"name": "a: b"}, "should match pattern"),
        ({"camera": "nowhere"}, "the site file has no camera 'nowhere'"),
        ({"points": []}, "has none of its zones called 'door'"),
    ],
    ids=["outside", "too few", "no line", "no name", "no camera", "nothing to take out"],
)
def test_what_cannot_be_drawn_is_said(fresh: Desk, change: dict[str, Any], words: str) -> None:
    """422, in words."""
    sent = {"text": SITE, "camera": "yard", "kind": "zones", "name": "door", "points": [[0, 0], [1, 0], [1, 1]]}
    answer = fresh.client().post("/api/v1/site/draw", json=sent | change)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text


def test_a_site_file_is_saved_once_for_each_reading(fresh: Desk) -> None:
    """Who was second reads again: 409."""
    client = fresh.client()
    tag = tag_of(client)
    answers = [
        client.put("/api/v1/site", json={"text": f"{SITE}# {name}\n"}, headers={"If-Match": tag}) for name in "ab"
    ]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert client.get("/api/v1/site").json()["text"].endswith("# a\n")


def test_a_version_is_restored_as_a_new_one(fresh: Desk) -> None:
    """Who did it stands with each; an old one's text can be looked at first."""
    client = fresh.client()
    client.put("/api/v1/site", json={"text": f"{SITE}# a\n"}, headers={"If-Match": tag_of(client)})
    newest, first = client.get("/api/v1/site/versions").json()["items"]
    assert (newest["by"], first["by"]) == ("ada/test", "")
    path = f"/api/v1/site/versions/{first['version']}"
    assert client.get(path).json()["text"] == SITE
    assert client.post(f"{path}/restore", headers={"If-Match": '"old"'}).status_code == 409
    assert client.post(f"{path}/restore", headers={"If-Match": tag_of(client)}).json()["text"] == SITE
    assert [one["version"] for one in client.get("/api/v1/site/versions").json()["items"]] == [
        first["version"],
        newest["version"],
        first["version"],
    ]
    assert client.get("/api/v1/site/versions/none").status_code == 404


def test_a_wrong_site_file_is_not_saved(fresh: Desk) -> None:
    """422 with its problems."""
    client = fresh.client()
    answer = client.put("/api/v1/site", json={"text": "cameras: []"}, headers={"If-Match": tag_of(client)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "cameras"
    assert client.put("/api/v1/site", json={"text": SITE}).status_code == 422


def test_a_rule_is_switched_off(fresh: Desk) -> None:
    """By name; one that is not there is said."""
    client = fresh.client()
    assert "enabled: false" in client.put("/api/v1/rules/entry", json={"enabled": False}).json()["text"]
    assert client.put("/api/v1/rules/none", json={"enabled": False}).status_code == 404


def test_a_backtest_that_cannot_be_says_why(fresh: Desk) -> None:
    """In the words of the command, as the stream's last event; a wrong draft or time before anything is begun."""
    client = fresh.client()
    *_, (name, problem) = events(client.post("/api/v1/site/backtest", json={"text": SITE, "rules": ["nobody"]}).text)
    assert (name, problem["status"]) == ("problem", 422)
    assert "has no rule 'nobody'" in problem["detail"]
    wrong = client.post("/api/v1/site/backtest", json={"text": "cameras: []"})
    assert (wrong.status_code, wrong.json()["errors"][0]["where"]) == (422, "cameras")
    assert client.post("/api/v1/site/backtest", json={"text": SITE, "since": "soon"}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "site"), ("PUT", "site"), ("POST", "site/check"), ("PUT", "rules/entry")]
)
def test_rules_are_changed_by_administrators_alone(fresh: Desk, method: str, path: str) -> None:
    """403 for an operator."""
    assert fresh.client("olu").request(method, f"/api/v1/{path}").status_code == 403
