"""`/account`: one's own password, sessions and tokens."""

from __future__ import annotations

import pytest

from pipeline.console.sessions import CSRF_HEADER
from pipeline.store.people import AuditFilter
from tests.support.browsing import HTTPS, browser, signed_in
from tests.support.console_api import Desk
from tests.support.people import PASSWORD

ACCOUNT = "/api/v1/account"
NEW = "a horse of another colour"


def test_one_sees_ones_own(fresh: Desk) -> None:
    """Roles, where one is signed in, which tokens there are; nobody else's."""
    told = signed_in(fresh, "yuri").get(ACCOUNT).json()
    assert (told["name"], told["roles"], told["signs_in"]) == ("yuri", {"yard": "operator"}, "password")
    assert [session["is_this"] for session in told["sessions"]] == [True]
    assert [token["name"] for token in told["tokens"]] == ["test"]
    assert "secret" not in str(told)


def test_a_new_password_ends_every_other_session(fresh: Desk) -> None:
    """This browser goes on with a new one; the old password is none any more."""
    here = signed_in(fresh)
    there = browser(fresh, "ada")
    answer = here.put(f"{ACCOUNT}/password", json={"old": PASSWORD, "new": NEW})
    assert answer.status_code == 200, answer.text
    assert there.get(ACCOUNT).status_code == 401
    assert here.get(ACCOUNT).status_code == 200
    assert here.delete(f"{ACCOUNT}/sessions").status_code == 403  # the page is to be loaded again
    here.headers[CSRF_HEADER] = answer.json()["csrf_token"]
    assert here.delete(f"{ACCOUNT}/sessions").status_code == 204
    browser(fresh, "ada", NEW)


def test_a_wrong_old_password_changes_nothing(fresh: Desk) -> None:
    """Whoever finds a browser open cannot guess it either: after ten they wait."""
    client = signed_in(fresh)
    change = {"old": "a guess at a password", "new": NEW}
    answers = [client.put(f"{ACCOUNT}/password", json=change).status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]
    assert client.get(ACCOUNT).status_code == 200


def test_a_password_that_will_not_do_is_said_in_words(fresh: Desk) -> None:
    """And the session stays."""
    client = signed_in(fresh)
    answer = client.put(f"{ACCOUNT}/password", json={"old": PASSWORD, "new": "short"})
    assert (answer.status_code, "12 to 1000 characters" in answer.json()["detail"]) == (422, True)
    assert client.get(ACCOUNT).status_code == 200


def test_one_browser_is_signed_out_from_another(fresh: Desk) -> None:
    """By the id that the account tells; somebody else's session has none there."""
    here, there = signed_in(fresh), browser(fresh, "ada")
    other = signed_in(fresh, "olu").get(ACCOUNT).json()["sessions"][0]["id"]
    assert here.delete(f"{ACCOUNT}/sessions/{other}").status_code == 404
    (there_id,) = [each["id"] for each in here.get(ACCOUNT).json()["sessions"] if not each["is_this"]]
    assert here.delete(f"{ACCOUNT}/sessions/{there_id}").status_code == 204
    assert (here.get(ACCOUNT).status_code, there.get(ACCOUNT).status_code) == (200, 401)


def test_one_signs_out_everywhere_else(fresh: Desk) -> None:
    """But not here."""
    here, there = signed_in(fresh), browser(fresh, "ada")
    assert here.delete(f"{ACCOUNT}/sessions").status_code == 204
    assert (here.get(ACCOUNT).status_code, there.get(ACCOUNT).status_code) == (200, 401)


def test_a_token_is_made_shown_once_and_revoked(fresh: Desk) -> None:
    """It opens what its scopes say, until it is revoked; nobody revokes another's."""
    client = signed_in(fresh, "vera")
    made = client.post(f"{ACCOUNT}/tokens", json={"name": "report", "scopes": ["read"], "days": "30"}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    anybody = fresh.client(None)
    assert anybody.get("/api/v1/incidents", headers=bearer).status_code == 200
    assert made["token"] not in client.get(ACCOUNT).text
    assert signed_in(fresh, "olu").delete(f"{ACCOUNT}/tokens/{made['id']}").status_code == 404
    assert client.delete(f"{ACCOUNT}/tokens/{made['id']}").status_code == 204
    assert anybody.get("/api/v1/incidents", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["all"]},
        {"name": "", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "days": 0},
        {"name": "x", "scopes": ["read"], "days": 400},
    ],
)
def test_a_token_that_cannot_be_is_said_in_words(shown: Desk, wanted: dict[str, object]) -> None:
    """422 with what was expected."""
    answer = signed_in(shown, "vera").post(f"{ACCOUNT}/tokens", json=wanted)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_token_gets_nothing_of_its_owners(shown: Desk) -> None:
    """Else one that may read could make one that may all."""
    answer = shown.client("ada").post(f"{ACCOUNT}/tokens", json={"name": "more", "scopes": ["people"]})
    assert (answer.status_code, "not for an API token" in answer.json()["detail"]) == (403, True)


def test_what_changes_an_account_is_in_the_audit_log(fresh: Desk) -> None:
    """Named by what was done."""
    client = signed_in(fresh, "vera")
    client.post(f"{ACCOUNT}/tokens", json={"name": "report", "scopes": ["read"]})
    client.put(f"{ACCOUNT}/password", json={"old": "no", "new": NEW})
    noted = [(entry.who, entry.target, entry.is_allowed) for entry in fresh.book.people.audit(AuditFilter())]
    assert any(who == "vera" and "make token" in target for who, target, _ in noted)
    assert ("vera", "", False) in noted


@pytest.mark.parametrize(
    ("origin", "name", "is_secure"),
    [
        ("https://sightline.test", "__Host-sightline", True),
        ("http://127.0.0.1:8484", "sightline", False),
        ("http://evil.example.org", "__Host-sightline", True),
        ("http://[", "__Host-sightline", True),
        ("null", "__Host-sightline", True),
    ],
)
def test_only_a_page_on_this_machine_gets_a_cookie_for_plain_http(
    fresh: Desk, origin: str, name: str, is_secure: bool
) -> None:
    """As the browser itself tells it; every other one gets a `Secure` cookie."""
    signed_in(fresh)
    credentials = {"name": "ada", "password": PASSWORD}
    answer = fresh.client(None).post("/api/v1/session", json=credentials, headers={"Origin": origin})
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if "Max-Age=0" not in each]
    assert (cookie.partition("=")[0], "Secure" in cookie) == (name, is_secure)


def test_the_cookie_for_plain_http_counts_on_this_machine_alone(fresh: Desk) -> None:
    """A sibling host that plants one elsewhere signs nobody in."""
    signed_in(fresh)
    secret = fresh.book.sign_in("ada", PASSWORD, "").secret
    cookie = {"Cookie": f"sightline={secret}"}
    client = fresh.client(None)
    assert client.get("http://localhost:8484/api/v1/session", headers=cookie).status_code == 200
    assert client.get(f"{HTTPS}/api/v1/session", headers=cookie).status_code == 401
