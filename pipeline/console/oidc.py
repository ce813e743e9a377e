"""Sign-in by an identity provider: OpenID Connect, authorization code with PKCE, state and nonce.

In: who has nothing but a browser. Out: an `Identity` that the provider vouches for, with roles by `access.oidc.roles`.
Between the two the browser keeps one random secret in a cookie, from which state, nonce and PKCE verifier are derived,
so nothing is kept here: who comes back with another browser, or too late, begins again.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidClaimError, JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ValidationError

from pipeline.clock import Clock
from pipeline.console.access import Identity, Refused
from pipeline.console.roles import Role, read_roles
from pipeline.console.sessions import new_secret
from pipeline.errors import TransientError
from pipeline.settings import AccessSettings, OidcSettings

CALLBACK = "/sign-in/oidc/done"
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures by the provider's own key alone: neither `none` nor one by a secret that both know."""
_LEEWAY_SECONDS = 60
_TIMEOUT_SECONDS = 10.0
_KEEP_SECONDS = 600.0
"""How long what the provider says of itself is believed; its keys are asked for at each sign-in."""
_Model = TypeVar("_Model", bound=BaseModel)


class ProviderMetadata(BaseModel):
    """What is used of https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class TokenAnswer(BaseModel):
    """What is used of the token endpoint's answer."""

    id_token: str
    access_token: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in on its way."""

    address: str
    """Where the browser goes now: the provider."""
    cookie: str
    """What it brings back."""


class IdentityProvider:
    """One provider; thread-safe. `TransientError` when it cannot be reached or answers what nobody understands."""

    def __init__(
        self, settings: OidcSettings, public_url: str, clock: Clock, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`ConfigError` for roles that there are not. `transport` for tests."""
        self.title = settings.title
        self._settings = settings
        self._redirect_uri = f"{public_url}{CALLBACK}"
        self._clock = clock
        self._transport = transport
        self._roles = {value: read_roles(texts) for value, texts in settings.roles.items()}
        self._metadata: tuple[float, ProviderMetadata] | None = None

    def begin(self, next_path: str) -> Begun:
        """Send somebody to the provider, to come back to `next_path` of ours in the end."""
        secret = new_secret()
        asked = {
            "client_id": self._settings.client_id,
            "response_type": "code",
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": _derived(secret, "state"),
            "nonce": _derived(secret, "nonce"),
            "code_challenge": _text(sha256(_derived(secret, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        address = httpx.URL(self._about().authorization_endpoint).copy_merge_params(asked)
        return Begun(str(address), f"{secret}.{quote(next_path, safe='')}")

    def check_begun(self, query: Mapping[str, str], cookie: str) -> None:
        """`Refused` (403) for a sign-in that was not begun in this browser; the provider is not asked."""
        secret = cookie.partition(".")[0]
        if not secret or not hmac.compare_digest(_derived(secret, "state").encode(), query.get("state", "").encode()):
            raise Refused(403, "this sign-in was begun in another browser, or too long ago; begin again")

    def finish(self, query: Mapping[str, str], cookie: str) -> tuple[Identity, str]:
        """Who came back, and where they wanted to go; `Refused` (403) when this is not a sign-in that they began."""
        self.check_begun(query, cookie)
        secret, _, next_path = cookie.partition(".")
        about = self._about()
        if query.get("iss", about.issuer) != about.issuer:  # RFC 9207
            raise Refused(403, "another identity provider answered than was asked; begin again")
        if "code" not in query:
            raise Refused(403, f"the identity provider refused: {query.get('error', 'without a reason')}"[:200])
        told = self._redeem(about, query["code"], _derived(secret, "verifier"))
        return self._identity(self._claims(about, told, _derived(secret, "nonce"))), unquote(next_path)

    def _about(self) -> ProviderMetadata:
        kept = self._metadata
        if kept is not None and self._clock.monotonic() - kept[0] < _KEEP_SECONDS:
            return kept[1]
        issuer = self._settings.issuer
        about = _read(ProviderMetadata, self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        if about.issuer != issuer:
            raise TransientError(f"the identity provider calls itself {about.issuer!r}: access.oidc.issuer must be so")
        self._metadata = self._clock.monotonic(), about
        return about

    def _redeem(self, about: ProviderMetadata, code: str, verifier: str) -> TokenAnswer:
        """The tokens for a code."""
        client_id, secret = self._settings.client_id, self._settings.client_secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if secret and "client_secret_basic" in about.token_endpoint_auth_methods_supported:
            auth = httpx.BasicAuth(quote(client_id, safe=""), quote(secret, safe=""))  # RFC 6749, 2.3.1
        else:
            form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        answer = self._ask("POST", about.token_endpoint, data=form, auth=auth)
        if 400 <= answer.status_code < 500:
            raise Refused(403, f"the identity provider did not accept this sign-in: {_error_in(answer)}")
        return _read(TokenAnswer, _json(answer))

    def _claims(self, about: ProviderMetadata, told: TokenAnswer, nonce: str) -> dict[str, Any]:
        """What the ID token says, and what only the provider's userinfo tells of the same person."""
        keys = self._get(about.jwks_uri)
        claims = self._checked(keys, told.id_token, about.issuer, nonce)
        wanted = {self._settings.name_claim, self._settings.roles_claim}
        if wanted <= claims.keys() or not about.userinfo_endpoint:
            return claims
        more = self._get(about.userinfo_endpoint, {"Authorization": f"Bearer {told.access_token}"})
        return more | claims if more.get("sub") == claims["sub"] else claims

    def _checked(self, keys: Any, id_token: str, issuer: str, nonce: str) -> dict[str, Any]:
        """https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation"""
        client_id, needed = self._settings.client_id, jwt.ClaimsOption(essential=True)
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            nonce={"essential": True, "value": nonce},
            sub=needed,
            exp=needed,
            iat=needed,
        )
        try:
            claims = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims
            registry.validate(claims)
            is_shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
            if claims.get("azp", None if is_shared else client_id) != client_id:
                raise InvalidClaimError("azp")
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Refused(403, f"what the identity provider says of you does not hold: {error}"[:200]) from error
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        given = claims.get(self._settings.roles_claim, [])
        values = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        roles: dict[str, Role] = {}
        for value in values:
            for group, role in self._roles.get(str(value), {}).items():
                roles[group] = max(role, roles.get(group, role), key=lambda each: each.rank)
        name = claims.get(self._settings.name_claim)
        if not isinstance(name, str):
            raise Refused(403, f"the identity provider tells no {self._settings.name_claim!r} of you to be named after")
        return Identity(f"{claims['iss']} {claims['sub']}", name, roles)

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return _json(self._ask("GET", url, headers=headers))

    def _ask(self, method: str, url: str, **given: Any) -> httpx.Response:
        try:
            with httpx.Client(transport=self._transport, timeout=_TIMEOUT_SECONDS) as client:
                return client.request(method, url, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"{urlsplit(url).hostname}: {type(error).__name__}"
            raise TransientError(f"the identity provider cannot be reached ({why})") from error


def provider_of(settings: AccessSettings, clock: Clock) -> IdentityProvider | None:
    """The one of the settings; None without one."""
    return IdentityProvider(settings.oidc, settings.public_url, clock) if settings.oidc.issuer else None


def _derived(secret: str, what: str) -> str:
    """43 characters that tell nothing of the secret."""
    return _text(hmac.digest(secret.encode(errors="replace"), what.encode(), "sha256"))


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json() if answer.status_code == 200 else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        place = f"{answer.url.host}{answer.url.path}"
        raise TransientError(f"the identity provider ({place}) answered {answer.status_code} and no JSON object")
    return told


def _read(model: type[_Model], told: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(told)
    except ValidationError as error:
        lacking = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
        raise TransientError(f"the identity provider's answer lacks {lacking}") from error


def _error_in(answer: httpx.Response) -> str:
    """Its word for what is wrong."""
    try:
        return str(answer.json()["error"])[:100]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
