"""`/rules` and `/site`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.console.host import SiteText
from pipeline.errors import ConfigError, Conflict, SiteFileError, SiteProblem
from pipeline.site import parse_site
from tests.console.routes.test_searching import events
from tests.support.archive import SITE
from tests.support.console_api import Desk, desk


class Drawer:
    """`SiteDesk` in memory."""

    def __init__(self) -> None:
        self.text = SITE

    def read(self) -> SiteText:
        return SiteText(self.text, hashlib.sha256(self.text.encode()).hexdigest()[:12])

    def problems(self, text: str) -> Sequence[SiteProblem]:
        try:
            parse_site(text, "draft", {})
        except SiteFileError as error:
            return error.problems
        return ()

    def save(self, text: str, version: str, by: str) -> SiteText:
        if version != self.read().version:
            raise Conflict("the site file has changed since you have read it")
        parse_site(text, "draft", {})
        self.text = f"{text}# {by}\n"
        return self.read()

    def switch(self, rule_id: str, by: str, *, is_on: bool) -> SiteText:
        self.text = self.text.replace(f"id: {rule_id},", f"id: {rule_id}, enabled: {str(is_on).lower()},")
        return self.read()

    def backtest(self, text: str, rule_ids: Sequence[str], since: str, until: str) -> Iterator[Mapping[str, Any]]:
        yield {"done": 1, "of": 2}
        if "nobody" in rule_ids:
            raise ConfigError("there is no rule nobody")
        yield {"rules": list(rule_ids), "since": since}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, desk=Drawer()) as one:
        yield one


def test_rules_are_those_that_look_at_ones_cameras(shown: Desk) -> None:
    """Health of every camera among them; sent once."""
    assert [each["rule"]["id"] for each in shown.client("gus").get("/api/v1/rules").json()["items"]] == [
        "camera-health"
    ]
    answer = shown.client().get("/api/v1/rules")
    assert [each["rule"]["id"] for each in answer.json()["items"]] == ["loitering", "entry", "camera-health"]
    again = shown.client().get("/api/v1/rules", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_draft_is_checked_line_by_line(made: Desk) -> None:
    """As the command says it; nothing is written."""
    wrong = SITE.replace("enters: fence", "enters: fense")
    told = made.client().post("/api/v1/site/check", json={"text": wrong}).json()["problems"]
    assert [(each["line"], each["hint"]) for each in told] == [(8, "did you mean fence?")]
    assert made.client().post("/api/v1/site/check", json={"text": SITE}).json() == {"problems": []}


def test_a_site_file_is_saved_once_for_each_reading(made: Desk) -> None:
    """Who was second reads again: 409."""
    client = made.client()
    read = client.get("/api/v1/site")
    answers = [
        client.put("/api/v1/site", json={"text": SITE}, headers={"If-Match": read.headers["etag"]}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert client.get("/api/v1/site").json()["text"].endswith("# ada/test\n")


def test_a_wrong_site_file_is_not_saved(made: Desk) -> None:
    """422 with its problems."""
    client = made.client()
    tag = client.get("/api/v1/site").headers["etag"]
    answer = client.put("/api/v1/site", json={"text": "cameras: []"}, headers={"If-Match": tag})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "cameras"
    assert client.put("/api/v1/site", json={"text": SITE}).status_code == 422


def test_a_rule_is_switched_off(made: Desk) -> None:
    """By name; one that is not there is said."""
    client = made.client()
    assert "enabled: false" in client.put("/api/v1/rules/entry", json={"enabled": False}).json()["text"]
    assert client.put("/api/v1/rules/none", json={"enabled": False}).status_code == 404


def test_a_backtest_tells_how_far_it_is_and_what_came_of_it(made: Desk) -> None:
    """Or what is wrong with it."""
    client = made.client()
    told = events(client.post("/api/v1/site/backtest", json={"text": SITE, "rules": ["entry"]}).text)
    assert told == [("progress", {"done": 1, "of": 2}), ("result", {"rules": ["entry"], "since": "30 days ago"})]
    told = events(client.post("/api/v1/site/backtest", json={"text": SITE, "rules": ["nobody"]}).text)
    assert told[-1][1]["detail"] == "there is no rule nobody"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "site"), ("PUT", "site"), ("POST", "site/check"), ("PUT", "rules/entry")]
)
def test_rules_are_changed_by_administrators_alone(made: Desk, method: str, path: str) -> None:
    """403 for an operator."""
    assert made.client("olu").request(method, f"/api/v1/{path}").status_code == 403
