"""The doorkeeper before every route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipeline.clock import ManualClock
from pipeline.console import guard, login, problems
from pipeline.console.access import AccessBook
from pipeline.console.guard import Caller, guarded
from pipeline.console.roles import Action, Role, Scope
from pipeline.console.sessions import COOKIE, CSRF_HEADER
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter
from tests.support.people import PASSWORD, access_book, add_token, add_user

CAMERA_OF = {"i1": "yard", "i2": "vault"}


def example() -> FastAPI:
    """One route of each kind."""
    app = FastAPI()

    @app.get("/incidents")
    def incidents(caller: Annotated[Caller, guarded(Action.SEE_INCIDENTS)]) -> list[str]:
        return caller.visible(["yard", "vault"])

    @app.get("/evidence/{name}")
    def evidence(name: str, caller: Annotated[Caller, guarded(Action.SEE_EVIDENCE)]) -> str:
        caller.require(CAMERA_OF[name], name)
        return "picture"

    @app.post("/review/{name}")
    def review(name: str, caller: Annotated[Caller, guarded(Action.REVIEW)]) -> str:
        caller.require(CAMERA_OF[name], name)
        return "reviewed"

    @app.get("/cameras/{camera_id}")
    def camera(camera_id: str, caller: Annotated[Caller, guarded(Action.SEE_CAMERAS)]) -> str:
        return camera_id

    @app.post("/rules")
    def rules(caller: Annotated[Caller, guarded(Action.CHANGE_RULES)]) -> str:
        return "saved"

    app.include_router(login.router)
    problems.install(app, lambda _request, told: told)
    return app


@pytest.fixture
def book(sqlite_database: Database) -> AccessBook:
    return access_book(sqlite_database, ManualClock())


@pytest.fixture
def client(book: AccessBook) -> Iterator[TestClient]:
    """A browser on https."""
    app = example()
    guard.install(app, book)
    with TestClient(app, base_url="https://sightline.test") as client:
        yield client


def signed_in(client: TestClient, book: AccessBook, **roles: Role) -> dict[str, str]:
    """The header that unsafe requests carry; the cookie is in the client."""
    add_user(book, "anna", **roles)
    answer = client.post("/session", json={"name": "anna", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {CSRF_HEADER: answer.json()["csrf_token"]}


def noted(book: AccessBook) -> list[tuple[str, str, str, bool]]:
    """Who, what, which camera, allowed; without the sign-ins."""
    found = [one for one in book.people.audit(AuditFilter()) if "sign-in" not in one.action]
    return [(one.who, one.action, one.camera_id, one.is_allowed) for one in found]


@pytest.mark.parametrize("path", ["/incidents", "/evidence/i1", "/cameras/yard", "/session"])
def test_nobody_gets_in(client: TestClient, path: str) -> None:
    """Without signing in, whatever is asked for."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (401, "sign in first")


def test_who_is_signed_in_sees_their_cameras_alone(client: TestClient, book: AccessBook) -> None:
    """Another group's things are not there, by whatever id."""
    signed_in(client, book, outdoors=Role.VIEWER)
    assert client.get("/incidents").json() == ["yard"]
    assert client.get("/evidence/i1").json() == "picture"
    assert client.get("/cameras/yard").status_code == 200
    for path in ("/evidence/i2", "/cameras/vault"):
        assert (client.get(path).status_code, client.get(path).json()["detail"]) == (
            404,
            "there is nothing here by that name",
        )


def test_looks_and_tries_are_in_the_audit_log(client: TestClient, book: AccessBook) -> None:
    """Also those that were refused; a list in words is no look at evidence."""
    signed_in(client, book, outdoors=Role.VIEWER)
    for path in ("/incidents", "/evidence/i1", "/evidence/i2"):
        client.get(path)
    assert sorted(noted(book)) == [
        ("anna", "see evidence", "vault", False),
        ("anna", "see evidence", "yard", True),
    ]


def test_a_viewer_is_told_what_it_takes(client: TestClient, book: AccessBook) -> None:
    """Where they see the camera, a refusal gives nothing away."""
    token = signed_in(client, book, every=Role.VIEWER)
    answer = client.post("/review/i1", headers=token)
    assert answer.status_code == 403
    assert "to review takes the role operator for the camera" in answer.json()["detail"]
    assert client.post("/rules", headers=token).status_code == 403
    assert {one[3] for one in noted(book)} == {False}


def test_an_operator_of_one_camera_changes_that_one(client: TestClient, book: AccessBook) -> None:
    """And sees, but does not change, the other; nor the site's rules."""
    token = signed_in(client, book, every=Role.VIEWER, yard=Role.OPERATOR)
    assert client.post("/review/i1", headers=token).status_code == 200
    assert client.post("/review/i2", headers=token).status_code == 403
    assert client.post("/rules", headers=token).status_code == 403


@pytest.mark.parametrize("headers", [{}, {CSRF_HEADER: "guessed"}, {CSRF_HEADER: ""}])
def test_a_change_by_cookie_needs_the_sessions_token(
    client: TestClient, book: AccessBook, headers: dict[str, str]
) -> None:
    """A form on another site sends the cookie, and cannot know the token."""
    signed_in(client, book, every=Role.ADMIN)
    answer = client.post("/rules", headers=headers)
    assert answer.status_code == 403
    assert "load the page again" in answer.json()["detail"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_changes_nothing(client: TestClient, book: AccessBook, site: str) -> None:
    """Not even who is signed in; a sibling host is another site."""
    token = signed_in(client, book, every=Role.ADMIN)
    assert client.post("/rules", headers=token | {"Sec-Fetch-Site": site}).status_code == 403
    credentials = {"name": "anna", "password": PASSWORD}
    assert client.post("/session", json=credentials, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.post("/rules", headers=token | {"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_an_api_token_needs_no_csrf_token(client: TestClient, book: AccessBook) -> None:
    """No browser sends it by itself."""
    add_user(book, "anna", every=Role.ADMIN)
    bearer = {"Authorization": f"Bearer {add_token(book, 'anna', Scope.RULES)}"}
    assert client.post("/rules", headers=bearer).status_code == 200
    assert client.get("/incidents", headers=bearer).status_code == 403
    assert client.get("/session", headers=bearer).json()["csrf_token"] == ""
    assert ("anna/robot", "change rules", "", True) in noted(book)


def test_a_wrong_token_is_not_made_good_by_a_cookie(client: TestClient, book: AccessBook) -> None:
    """Who shows a token is asked for no other thing."""
    signed_in(client, book)
    answer = client.get("/incidents", headers={"Authorization": "Bearer sl_12_34"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "this API token is unknown, revoked or too old")


def test_a_session_that_is_over_says_so(client: TestClient, book: AccessBook) -> None:
    """In words for the page, and not those for a stranger."""
    signed_in(client, book)
    book.clock.sleep(book.settings.idle)
    answer = client.get("/incidents")
    assert (answer.status_code, answer.json()["detail"]) == (401, "this session is over; sign in again")


def link(book: AccessBook, path: str, camera_id: str = "yard") -> str:
    return book.evidence_link(path, camera_id, "guards")


def test_a_signed_link_opens_its_evidence(client: TestClient, book: AccessBook) -> None:
    """To whoever holds it, for as long as it says, again and again; the look is in the audit log."""
    url = link(book, "/evidence/i1")
    assert [client.get(url).status_code for _ in range(2)] == [200, 200]
    assert noted(book) == [("link for guards", "see evidence", "yard", True)]
    book.clock.sleep(book.settings.evidence_link)
    assert client.get(url).status_code == 403


def test_a_signed_link_opens_nothing_else(client: TestClient, book: AccessBook) -> None:
    """Another piece of evidence, another camera, a list, a change: none of it."""
    url = link(book, "/evidence/i1")
    query = url.partition("?")[2]
    assert client.get(f"/evidence/i2?{query}").status_code == 403
    assert client.get(f"/incidents?{query}").status_code == 401
    assert client.post(f"/review/i1?{query}").status_code == 401
    assert client.get(link(book, "/evidence/i2", "yard")).status_code == 404


def test_a_page_that_was_open_for_long_shows_its_evidence(client: TestClient, book: AccessBook) -> None:
    """Its links are too old, but its person is signed in: they are asked for their own right to see it."""
    url, other = link(book, "/evidence/i1"), link(book, "/evidence/i2", "vault")
    signed_in(client, book, outdoors=Role.VIEWER)
    book.clock.sleep(book.settings.evidence_link)
    assert client.get(url).status_code == 200
    assert client.get(other).status_code == 404
    assert ("anna", "see evidence", "yard", True) in noted(book)


def test_signing_out_ends_the_session(client: TestClient, book: AccessBook) -> None:
    """Also for whoever copied the cookie; the browser forgets it."""
    token = signed_in(client, book)
    copied = client.cookies[COOKIE]
    assert client.delete("/session", headers=token).status_code == 204
    assert COOKIE not in client.cookies
    assert client.get("/incidents", headers={"Cookie": f"{COOKIE}={copied}"}).status_code == 401


def test_the_first_link_opens_the_first_session(client: TestClient, book: AccessBook) -> None:
    """Over the API, with the cookie set as it must be."""
    link = book.first_link_secret()
    answer = client.post("/session/first", json={"link": link, "name": "anna", "password": PASSWORD})
    assert answer.json()["roles"] == {"*": "admin"}
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"))
    assert client.get("/session").json() == answer.json()


def test_a_planted_cookie_is_not_the_sessions(client: TestClient, book: AccessBook) -> None:
    """The secret is made at sign-in, whatever the browser brought along."""
    client.cookies.set(COOKIE, "planted", domain="sightline.test")
    add_user(book)
    answer = client.post("/session", json={"name": "anna", "password": PASSWORD})
    assert "planted" not in answer.headers["set-cookie"]
    assert book.of_cookie("planted") is None


def test_routes_tell_their_actions() -> None:
    """And one that names none is found."""
    app = example()

    @app.get("/forgotten")
    def forgotten() -> str:
        return ""

    actions = guard.actions_of(app)
    assert actions["GET /incidents"] is Action.SEE_INCIDENTS
    assert actions["POST /session"] is Action.PUBLIC
    assert [route for route, action in actions.items() if action is None] == ["GET /forgotten"]
