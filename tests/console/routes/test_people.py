"""`/people` and `/audit`: accounts, as administrators look after them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.console.access import Identity
from pipeline.console.roles import Role
from tests.support.archive import BAG
from tests.support.browsing import browser, cheaply, signed_in
from tests.support.console_api import PEOPLE, Desk
from tests.support.people import PASSWORD

ADDRESS = "/api/v1/people"
BEN = {"name": "ben", "roles": ["viewer, yard=operator"], "password": PASSWORD}


def one(desk: Desk, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        person for person in desk.client().get(ADDRESS).json()["items"] if person["name"] == name
    )
    return found


def test_every_account_is_told(shown: Desk) -> None:
    """By name, with how they sign in; never with what opens."""
    answer = shown.client().get(ADDRESS)
    assert [person["name"] for person in answer.json()["items"]] == sorted(PEOPLE)
    assert {person["signs_in"] for person in answer.json()["items"]} == {"no"}
    assert "hash" not in answer.text


def test_a_person_is_added_and_signs_in(fresh: Desk) -> None:
    """With the password to begin with, and the roles as typed."""
    cheaply(fresh.book)
    assert fresh.client().post(ADDRESS, json=BEN).status_code == 204
    client = browser(fresh, "ben")
    assert client.get("/api/v1/session").json()["roles"] == {"*": "viewer", "yard": "operator"}
    assert one(fresh, "ben")["last_seen"] is not None


def test_a_programs_account_has_tokens_and_no_password(fresh: Desk) -> None:
    """An administrator makes them; people make their own."""
    client = fresh.client()
    client.post(ADDRESS, json={"name": "billing", "roles": ["viewer"]})
    made = client.post(f"{ADDRESS}/billing/tokens", json={"name": "report", "scopes": ["read"]}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert fresh.client(None).get("/api/v1/incidents", headers=bearer).status_code == 200
    assert client.delete(f"{ADDRESS}/billing/tokens/{made['id']}").status_code == 204
    assert fresh.client(None).get("/api/v1/incidents", headers=bearer).status_code == 401
    signed_in(fresh, "vera")
    assert client.post(f"{ADDRESS}/vera/tokens", json={"name": "x", "scopes": ["read"]}).status_code == 422


@pytest.mark.parametrize(
    "change",
    [{"name": "a b"}, {"name": ""}, {"name": "vera"}, {"roles": ["boss"]}, {"roles": []}, {"password": "short"}],
    ids=str,
)
def test_an_account_that_cannot_be_is_said_in_words(shown: Desk, change: dict[str, object]) -> None:
    """And nothing is made."""
    answer = shown.client().post(ADDRESS, json=BEN | change)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert len(shown.client().get(ADDRESS).json()["items"]) == len(PEOPLE)


def test_roles_count_at_once(fresh: Desk) -> None:
    """In a session that is open."""
    client = signed_in(fresh, "vera")
    confirm = f"/api/v1/incidents/{BAG.id}/confirm"
    assert client.post(confirm).status_code == 403
    assert fresh.client().put(f"{ADDRESS}/vera/roles", json={"roles": ["operator"]}).status_code == 204
    assert client.post(confirm).status_code == 200


def test_whoever_is_disabled_is_out_at_once(fresh: Desk) -> None:
    """With sessions and tokens; enabled again they sign in anew."""
    client = signed_in(fresh, "vera")
    assert fresh.client().post(f"{ADDRESS}/vera/disable").status_code == 204
    assert (client.get("/api/v1/session").status_code, fresh.client("vera").get("/api/v1/session").status_code) == (
        401,
        401,
    )
    assert one(fresh, "vera")["disabled_at"] is not None
    assert fresh.client().post(f"{ADDRESS}/vera/enable").status_code == 204
    assert client.get("/api/v1/session").status_code == 401
    browser(fresh, "vera")


def test_sessions_end_and_passwords_are_set(fresh: Desk) -> None:
    """A password that somebody has forgotten, a browser that somebody has lost."""
    client = signed_in(fresh, "vera")
    assert fresh.client().delete(f"{ADDRESS}/vera/sessions").status_code == 204
    assert client.get("/api/v1/session").status_code == 401
    new = {"password": "another horse battery"}
    assert fresh.client().put(f"{ADDRESS}/vera/password", json=new).status_code == 204
    browser(fresh, "vera", new["password"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "disable", None),
        ("PUT", "roles", {"roles": ["viewer"]}),
        ("PUT", "password", {"password": PASSWORD}),
    ],
)
def test_no_administrator_shuts_themselves_out(shown: Desk, method: str, path: str, body: dict[str, Any]) -> None:
    """So there is always one left."""
    answer = shown.client().request(method, f"{ADDRESS}/ada/{path}", json=body)
    assert (answer.status_code, "another administrator" in answer.json()["detail"]) == (422, True)


def test_what_the_identity_provider_keeps_is_changed_there(fresh: Desk) -> None:
    """Roles would be overwritten at the next sign-in; a password would be a second way in."""
    fresh.book.enter(Identity("x 1", "anna@example.org", {"*": Role.VIEWER}), "")
    client, anna = fresh.client(), f"{ADDRESS}/anna@example.org"
    assert one(fresh, "anna@example.org")["signs_in"] == "provider"
    for path, body in (("roles", {"roles": ["admin"]}), ("password", {"password": PASSWORD})):
        answer = client.put(f"{anna}/{path}", json=body)
        assert (answer.status_code, "identity provider" in answer.json()["detail"]) == (422, True)
    assert client.post(f"{anna}/disable").status_code == 204


@pytest.mark.parametrize("path", ["disable", "enable", "tokens/x"])
def test_an_account_that_is_not_there_is_said_so(shown: Desk, path: str) -> None:
    """404."""
    method = "DELETE" if "tokens" in path else "POST"
    assert shown.client().request(method, f"{ADDRESS}/nobody/{path}").status_code == 404


def test_the_audit_log_is_read_by_pages(fresh: Desk) -> None:
    """Newest first, of one person or one camera, also what was refused; no entry is shown twice or left out."""
    for who in ("vera", "gus"):
        for number in (1, 2):
            fresh.client(who).get(f"/api/v1/incidents/{BAG.id}/evidence/picture-{number}")
            fresh.clock.advance(61)
    client = fresh.client()
    whole = client.get("/api/v1/audit", params={"camera": "yard"}).json()["items"]
    assert [(item["who"], item["is_allowed"]) for item in whole][:2] == [("gus/test", False)] * 2
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get("/api/v1/audit", params={"camera": "yard", "limit": 2, "cursor": cursor}).json()
        pages += page["items"]
        cursor = page["next"]
    assert pages == whole
    since = {"camera": "yard", "since": "2 minutes ago", "who": "vera/test"}
    assert client.get("/api/v1/audit", params=since).json()["items"] == []


def test_a_change_of_roles_is_in_the_audit_log_in_words(fresh: Desk) -> None:
    """Who gave what to whom."""
    fresh.client().put(f"{ADDRESS}/vera/roles", json={"roles": ["viewer", "yard=admin"]})
    targets = [item["target"] for item in fresh.client().get("/api/v1/audit").json()["items"]]
    assert "roles of vera: viewer, admin of yard" in targets
