"""Sign-in by an identity provider, against one that runs in this process."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from pipeline.clock import ManualClock, SystemClock
from pipeline.console.access import AccessBook, Identity, Refused
from pipeline.console.oidc import IdentityProvider
from pipeline.console.roles import Role
from pipeline.errors import ConfigError, TransientError
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter
from tests.support.oidc import ISSUER, oidc_settings, provider_app, sign_in_there
from tests.support.people import access_book, add_user

pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")  # of the provider
HERE = "https://sightline.example.org"
ANNA = Identity(f"{ISSUER} 1", "anna@example.org", {"*": Role.VIEWER, "yard": Role.OPERATOR})


provider_of_all = cache(provider_app)
"""Making one takes a third of a second, for its key."""


class Line(httpx.BaseTransport):
    """To the provider, noting what passes; `replies` stand in for what it would answer at a path."""

    def __init__(self, app: Flask | None = None, **replies: httpx.Response) -> None:
        self._inner = httpx.WSGITransport(app=app or provider_of_all())
        self._replies = replies
        self.passed: dict[str, tuple[httpx.Request, bytes]] = {}
        """The last of each path's end: what was asked, and the answer's body."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        place = request.url.path.rpartition("/")[2]
        answer = self._replies.get(place) or self._inner.handle_request(request)
        body = answer.read()
        self.passed[place] = request, body
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


def provider(line: Line, **given: Any) -> IdentityProvider:
    return IdentityProvider(oidc_settings(**given), HERE, SystemClock(), line)


def identity(line: Line, sub: str, **given: Any) -> Identity:
    """Whom the provider vouches for, all the way."""
    asked = provider(line, **given)
    begun = asked.begin("/review")
    return asked.finish(sign_in_there(line, begun.address, sub), begun.cookie)[0]


def test_whoever_signed_in_there_is_known_with_their_roles() -> None:
    """And comes back to where they wanted to go, whatever is in that address."""
    line = Line()
    asked = provider(line)
    begun = asked.begin("/review?camera=yard&x=.")
    assert asked.finish(sign_in_there(line, begun.address, "1"), begun.cookie) == (ANNA, "/review?camera=yard&x=.")


def test_of_two_roles_for_a_group_the_higher_counts() -> None:
    """In whatever order the provider names them."""
    found = identity(Line(), "1", roles={"staff": ("operator",), "guards": ("viewer",)})
    assert found.roles == {"*": Role.OPERATOR}


def test_whoever_is_in_no_group_of_ours_has_no_role() -> None:
    """The provider knows more people than the site."""
    assert identity(Line(), "2").roles == {}


def test_the_verifier_belongs_to_the_challenge_and_is_no_part_of_the_address() -> None:
    """PKCE (RFC 7636) by S256; the secret goes as the client's own authentication."""
    line = Line()
    asked = provider(line)
    begun = asked.begin("/")
    asked.finish(sign_in_there(line, begun.address, "1"), begun.cookie)
    redeemed, _ = line.passed["token"]
    verifier = parse_qs(redeemed.content.decode())["code_verifier"][0]
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert parse_qs(urlsplit(begun.address).query)["code_challenge"] == [digest]
    assert verifier not in begun.address
    assert redeemed.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("secret", "sent"), [("", {"client_id"}), ("s", {"client_id", "client_secret"})], ids=["public", "by form"]
)
def test_a_client_names_itself_in_the_form_where_it_must(secret: str, sent: set[str]) -> None:
    """Without a secret, or where the provider takes it no other way."""
    line = Line()
    provider(line).begin("/")
    about = json.loads(line.passed["openid-configuration"][1])
    about["token_endpoint_auth_methods_supported"] = ["none", "client_secret_post"]
    line = Line(**{"openid-configuration": httpx.Response(200, json=about)})
    with suppress(Refused):  # this provider knows no public clients
        identity(line, "1", client_secret=secret)
    redeemed, _ = line.passed["token"]
    assert {name for name in parse_qs(redeemed.content.decode()) if name.startswith("client")} == sent
    assert "authorization" not in redeemed.headers


@pytest.mark.parametrize("change", ["state", "cookie", "no cookie", "iss"])
def test_a_sign_in_that_was_begun_elsewhere_is_refused(change: str) -> None:
    """A link with somebody else's code signs nobody in, nor does another provider's answer."""
    line = Line()
    asked = provider(line)
    begun, other = asked.begin("/"), asked.begin("/")
    query = sign_in_there(line, begun.address, "1")
    query |= {"state": {"state": "guessed"}, "iss": {"iss": "https://evil.example.org"}}.get(change, {})
    with pytest.raises(Refused, match="begin again") as refused:
        asked.finish(query, {"cookie": other.cookie, "no cookie": ""}.get(change, begun.cookie))
    assert refused.value.status == 403


def test_a_code_is_good_once() -> None:
    """The provider's own word is told."""
    line = Line()
    asked = provider(line)
    begun = asked.begin("/")
    query = sign_in_there(line, begun.address, "1")
    asked.finish(query, begun.cookie)
    with pytest.raises(Refused, match="invalid_grant"):
        asked.finish(query, begun.cookie)


def test_a_refusal_there_is_told_here() -> None:
    """Somebody who did not consent is not signed in."""
    asked = provider(Line())
    begun = asked.begin("/")
    state = parse_qs(urlsplit(begun.address).query)["state"][0]
    with pytest.raises(Refused, match="access_denied"):
        asked.finish({"state": state, "error": "access_denied"}, begun.cookie)


def test_an_id_token_for_another_sign_in_is_refused() -> None:
    """Its nonce says for which it is."""
    line = Line()
    asked = provider(line)
    begun, other = asked.begin("/"), asked.begin("/")
    query = sign_in_there(line, begun.address.replace(nonce_of(begun.address), nonce_of(other.address)), "1")
    with pytest.raises(Refused, match="nonce"):
        asked.finish(query, begun.cookie)


def nonce_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["nonce"][0]


def test_an_id_token_for_another_client_is_refused() -> None:
    """One that a person got at another program of the same provider."""
    line = Line()
    identity(line, "1", client_id="other")
    with pytest.raises(Refused, match="aud"):
        identity(Line(token=httpx.Response(200, content=line.passed["token"][1])), "1")


def test_an_id_token_with_another_key_is_refused() -> None:
    """Only the keys that the provider publishes now count."""
    keys = Line(provider_app())
    keys.handle_request(httpx.Request("GET", f"{ISSUER}/jwks"))
    with pytest.raises(Refused, match="does not hold"):
        identity(Line(jwks=httpx.Response(200, content=keys.passed["jwks"][1])), "1")


KEY = ECKey.generate_key("P-256", {"kid": "ours"})
SECRET = OctKey.generate_key(256, {"kid": "ours"})


def told(change: dict[str, Any], key: Any = KEY, alg: str = "ES256") -> Identity:
    """What becomes of an ID token with these claims changed (None: left out), by a provider with `KEY`."""
    asked = provider(Line())
    begun = asked.begin("/")
    query = parse_qs(urlsplit(begun.address).query)
    now = int(SystemClock().now().timestamp())
    claims = {"iss": ISSUER, "sub": "1", "aud": "sightline", "exp": now + 60, "iat": now, "nonce": query["nonce"][0]}
    claims |= {"email": "anna@example.org", "groups": ["guards"], **change}
    claims = {name: value for name, value in claims.items() if value is not None}
    token = jwt.encode({"alg": alg, "kid": "ours"}, claims, key, algorithms=[alg])
    keys = httpx.Response(200, json={"keys": [KEY.as_dict(private=False)]})
    asked._transport = Line(jwks=keys, token=httpx.Response(200, json={"id_token": token, "access_token": "x"}))
    return asked.finish({"state": query["state"][0], "code": "x"}, begun.cookie)[0]


@pytest.mark.parametrize(
    "change", [{}, {"aud": ["sightline"]}, {"aud": ["sightline", "other"], "azp": "sightline"}], ids=str
)
def test_an_id_token_for_this_client_holds(change: dict[str, Any]) -> None:
    """Also one that is for others too, when it was asked for by this one."""
    assert told(change) == ANNA


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.org"},
        {"aud": "other"},
        {"aud": ["sightline", "other"]},
        {"azp": "other"},
        {"nonce": None},
        {"nonce": "guessed"},
        {"exp": None},
        {"exp": 1},
        {"iat": None},
        {"sub": None},
        {"sub": 1},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(change: dict[str, Any]) -> None:
    """Whatever its signature."""
    with pytest.raises(Refused, match="does not hold"):
        told(change)


@pytest.mark.parametrize("alg", ["HS256", "none"])
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # it warns of what the test does
def test_an_id_token_that_no_key_of_the_providers_signed_is_refused(alg: str) -> None:
    """Neither one by a secret that two know counts, nor one that nobody signed."""
    with pytest.raises(Refused, match="does not hold"):
        told({}, SECRET, alg)


def test_an_id_token_that_is_too_old_is_refused() -> None:
    """By our clock, with a minute's grace."""
    line, clock = Line(), ManualClock(SystemClock().now())
    asked = IdentityProvider(oidc_settings(), HERE, clock, line)
    begun = asked.begin("/")
    query = sign_in_there(line, begun.address, "1")
    clock.advance(3600 + 120)
    with pytest.raises(Refused, match="expired"):
        asked.finish(query, begun.cookie)


@pytest.mark.parametrize("sub", ["1", "2"])
def test_what_only_userinfo_tells_is_asked_for_there(sub: str) -> None:
    """Of the same person alone: another one's claims give nobody a role."""
    app = provider_app()
    answer = {"sub": sub, "wheel": ["guards"]}
    app.view_functions["oidc-provider-mock.userinfo"] = lambda: jsonify(answer)
    assert identity(Line(app), "1", roles_claim="wheel").roles == (ANNA.roles if sub == "1" else {})


def test_whoever_has_no_name_there_is_refused() -> None:
    """The account is named after a claim."""
    with pytest.raises(Refused, match="'email'"):
        identity(Line(), "4")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (httpx.Response(503), "answered 503"),
        (httpx.Response(200, text="<html>"), "no JSON object"),
        (httpx.Response(200, json={"issuer": ISSUER}), "lacks authorization_endpoint"),
    ],
    ids=["away", "a page", "too little"],
)
def test_a_provider_that_cannot_be_understood_is_said_so(reply: httpx.Response, words: str) -> None:
    """It may be better in a moment."""
    with pytest.raises(TransientError, match=words):
        provider(Line(**{"openid-configuration": reply})).begin("/")


def test_a_provider_that_calls_itself_otherwise_is_not_believed() -> None:
    """Its tokens would be for another issuer."""
    with pytest.raises(TransientError, match="must be so"):
        provider(Line(), issuer=f"{ISSUER}/").begin("/")


def test_a_provider_that_is_away_is_said_so() -> None:
    """Without its address's query or credentials."""
    asked = IdentityProvider(oidc_settings("http://127.0.0.1:1"), HERE, SystemClock())
    with pytest.raises(TransientError, match=r"cannot be reached \(127.0.0.1: ConnectError\)"):
        asked.begin("/")


def test_roles_that_there_are_not_are_said_at_the_start() -> None:
    """And not at the first sign-in."""
    with pytest.raises(ConfigError, match="expected viewer, operator, admin"):
        IdentityProvider(oidc_settings(roles={"guards": ("boss",)}), HERE, SystemClock())


@pytest.fixture
def book(sqlite_database: Database) -> AccessBook:
    return access_book(sqlite_database, ManualClock())


def test_the_first_sign_in_makes_the_account(book: AccessBook) -> None:
    """Nobody can sign in to it with a password."""
    opened = book.enter(ANNA, "")
    assert book.of_cookie(opened.secret) == opened.principal
    assert (opened.principal.name, dict(opened.principal.roles)) == (ANNA.name, dict(ANNA.roles))
    with pytest.raises(Refused):
        book.sign_in(ANNA.name, "", "")


def test_roles_follow_the_provider_at_each_sign_in(book: AccessBook) -> None:
    """Also to none, which counts in sessions that are open."""
    first = book.enter(ANNA, "")
    assert book.enter(Identity(ANNA.subject, ANNA.name, {"*": Role.ADMIN}), "").principal.roles == {"*": Role.ADMIN}
    with pytest.raises(Refused, match="no role here any more"):
        book.enter(Identity(ANNA.subject, ANNA.name, {}), "")
    left = book.of_cookie(first.secret)
    assert left is not None
    assert not left.roles


def test_an_account_stays_whose_name_changes_there(book: AccessBook) -> None:
    """It is the provider's id that counts."""
    book.enter(ANNA, "")
    assert book.enter(Identity(ANNA.subject, "anna.b@example.org", ANNA.roles), "").principal.name == ANNA.name


def test_a_name_opens_nobody_elses_account(book: AccessBook) -> None:
    """Neither one with a password nor one of somebody else at the provider, who may choose their name there."""
    add_user(book, "ada", every=Role.ADMIN)
    book.enter(ANNA, "")
    for name in ("ada", ANNA.name):
        with pytest.raises(Refused, match="another account"):
            book.enter(Identity(f"{ISSUER} 9", name, {"*": Role.VIEWER}), "")


def test_a_name_that_cannot_be_one_here_is_said_so(book: AccessBook) -> None:
    """With what came, so that another claim can be chosen."""
    with pytest.raises(Refused, match="calls you 'Anna Müller', which names no account here: expected a name"):
        book.enter(Identity("x 1", "Anna Müller", {"*": Role.VIEWER}), "")


def test_whoever_has_no_role_or_is_disabled_gets_no_session(book: AccessBook) -> None:
    """And no account; both tries are in the audit log."""
    with pytest.raises(Refused, match="gives you no role"):
        book.enter(Identity("x 1", "eve@example.org", {}), "10.0.0.1")
    book.enter(ANNA, "10.0.0.1")
    book.people.set_disabled(ANNA.name, book.clock.now())
    with pytest.raises(Refused, match="disabled"):
        book.enter(ANNA, "10.0.0.1")
    assert [user.name for user in book.people.users()] == [ANNA.name]
    noted = [(entry.who, entry.is_allowed) for entry in book.people.audit(AuditFilter())]
    assert sorted(noted) == [("(unknown account)", False), (ANNA.name, False), (ANNA.name, True)]
