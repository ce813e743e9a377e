"""Who may do what: every route has a row, and every row is tried by each of six."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.site_desk import version_of
from pipeline.console.guard import actions_of
from pipeline.console.roles import Role, Scope
from pipeline.console.tokens import make_token, token_id
from tests.support.archive import BAG, SITE
from tests.support.console_api import PEOPLE, Desk, desk

EVERYBODY = "vera olu ada yuri gus"
"""A viewer, an operator and an administrator of every camera, an operator of the yard, one of the gate."""
OF_THE_YARD = "vera olu ada yuri"
REVIEWERS = "olu ada yuri"
ANYBODY = f"nobody {EVERYBODY}"
MAY = {
    "POST /session": ANYBODY,
    "POST /session/first": ANYBODY,
    "GET /session": EVERYBODY,
    "DELETE /session": EVERYBODY,
    "GET /account": "",  # a token is no browser: see `test_account`
    "PUT /account/password": "",
    "DELETE /account/sessions": "",
    "DELETE /account/sessions/{session_id}": "",
    "POST /account/tokens": "",
    "DELETE /account/tokens/{token_id}": "",
    "GET /people": "ada",
    "POST /people": "ada",
    "PUT /people/{name}/roles": "ada",
    "PUT /people/{name}/password": "ada",
    "POST /people/{name}/disable": "ada",
    "POST /people/{name}/enable": "ada",
    "DELETE /people/{name}/sessions": "ada",
    "POST /people/{name}/tokens": "ada",
    "DELETE /people/{name}/tokens/{token_id}": "ada",
    "GET /audit": "ada",
    "GET /cameras": EVERYBODY,
    "GET /cameras/{camera_id}": OF_THE_YARD,
    "GET /cameras/{camera_id}/frame": OF_THE_YARD,
    "GET /incidents": EVERYBODY,
    "GET /incidents/{incident_id}": OF_THE_YARD,
    "POST /incidents/{incident_id}/confirm": REVIEWERS,
    "POST /incidents/{incident_id}/reject": REVIEWERS,
    "POST /incidents/{incident_id}/acknowledge": REVIEWERS,
    "POST /incidents/{incident_id}/replay": REVIEWERS,
    "GET /incidents/{incident_id}/evidence/{name}": OF_THE_YARD,
    "GET /coverage": EVERYBODY,
    "GET /near-misses": EVERYBODY,
    "GET /why": OF_THE_YARD,
    "GET /events": EVERYBODY,
    "GET /search/incidents": EVERYBODY,
    "GET /search/moments": EVERYBODY,
    "POST /search/moments": EVERYBODY,
    "POST /search/verify": OF_THE_YARD,
    "POST /ask": "vera olu ada",
    "GET /rules": EVERYBODY,
    "PUT /rules/{rule_id}": "ada",
    "GET /site": "ada",
    "PUT /site": "ada",
    "POST /site/check": "ada",
    "POST /site/draw": "ada",
    "GET /site/versions": "ada",
    "GET /site/versions/{version}": "ada",
    "POST /site/versions/{version}/restore": "ada",
    "POST /site/backtest": "ada",
    "GET /alive": ANYBODY,
    "GET /health": EVERYBODY,
    "GET /deliveries/dead": "olu ada",
    "POST /deliveries/dead/replay": "ada",
    "GET /dead-letters": "olu ada",
    "POST /dead-letters/redrive": "ada",
    "GET /budgets": "olu ada",
}
"""About the yard and what happened there, where a route is about one camera."""
_QUERIES = {"GET /why": "?camera=yard&at=22:14", "GET /search/moments": "?text=x"}
_BODIES: dict[str, dict[str, Any]] = {
    "PUT /rules/{rule_id}": {"enabled": True},
    "PUT /account/password": {"old": "x", "new": "y"},
    "POST /account/tokens": {"name": "x", "scopes": ["read"]},
    "POST /ask": {"question": "x"},
    "POST /search/verify": {"words": "x", "results": [{"incident": BAG.id, "picture": "picture-1"}]},
    "POST /deliveries/dead/replay": {"everything": True},
    "POST /dead-letters/redrive": {"everything": True},
}
_ENDLESS = "GET /events"
"""Tried by `test_client`, live."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An API of all parts that need no model."""
    with desk(tmp_path_factory.mktemp("table")) as made:
        made.book.add_user("robot", {"*": Role.VIEWER}, "")
        made.tokens["robot"], kept = make_token("robot", "x", {Scope.READ}, made.clock.now(), for_seconds=60)
        made.book.people.add_token(kept)
        yield made


def test_every_route_has_a_row(asked: Desk) -> None:
    """A new route without one fails here."""
    routes = [name for name in actions_of(asked.app) if " /api/" in name]  # pages: see `test_access_pages`
    assert {name.replace("/api/v1", "") for name in routes} == set(MAY)


@pytest.mark.parametrize("row", [name for name in MAY if name != _ENDLESS])
def test_whoever_is_not_in_the_row_gets_nothing(asked: Desk, row: str) -> None:
    """401 for strangers, 403 or 404 for the rest; those in the row get past the door."""
    method, path = row.split(" ")
    names = {"camera_id": "yard", "incident_id": BAG.id, "name": "picture-1", "rule_id": "entry"}
    names |= {"version": version_of(SITE), "session_id": "0", "token_id": token_id(asked.tokens["robot"])}
    names |= {"name": "robot"} if "/people" in path else {}
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    let_in = []
    for who in ("nobody", *PEOPLE):
        client = asked.client(None if who == "nobody" else who)
        body = _BODIES.get(row, {"text": "x"} if "/site" in row else {})
        headers = {"If-Match": '"x"'} if "/site" in row else {}
        answer = client.request(method, f"/api/v1{path}{_QUERIES.get(row, '')}", json=body, headers=headers)
        if answer.status_code not in (401, 403, 404):
            let_in.append(who)
    assert set(let_in) == set(MAY[row].split())


def test_a_token_opens_no_more_than_its_scopes(tmp_path: Path) -> None:
    """An administrator's token that may only read decides nothing and sees no pictures."""
    with desk(tmp_path) as made:
        made.tokens["ada"], kept = make_token("ada", "narrow", {Scope.READ}, made.clock.now(), for_seconds=60)
        made.book.people.add_token(kept)
        client = made.client()
        assert client.get(f"/api/v1/incidents/{BAG.id}").status_code == 200
        assert client.get(f"/api/v1/incidents/{BAG.id}/evidence/picture-1").status_code == 403
        assert client.post(f"/api/v1/incidents/{BAG.id}/confirm").status_code == 403
        made.clock.advance(61)
        assert client.get("/api/v1/incidents").status_code == 401
