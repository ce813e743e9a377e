"""API tokens, `sl_ID_SECRET`: what a program shows instead of a password.

The id finds the token and may be shown; of the secret only a hash is kept. A token acts for the account that owns
it: never more than that account's roles, narrowed to its own scopes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.console.roles import Scope
from pipeline.console.sessions import hashed, new_secret
from pipeline.errors import ConfigError
from pipeline.store.people import ApiToken

PREFIX = "sl_"
"""So that a scanner for secrets in source code knows one when it sees it."""
MOST_DAYS = 366


def make_token(
    user_name: str, name: str, scopes: Iterable[Scope], now: datetime, *, for_seconds: float
) -> tuple[str, ApiToken]:
    """The token, to be shown once, and what is kept of it; `ConfigError` for a span that will not do."""
    if not 0 < for_seconds <= MOST_DAYS * 86_400:
        raise ConfigError(f"expected a token to last between a second and {MOST_DAYS} days")
    text = f"{PREFIX}{secrets.token_hex(6)}_{new_secret()}"
    kept = ApiToken(
        id=token_id(text),
        name=name,
        secret_hash=hashed(text),
        user_name=user_name,
        scopes=tuple(sorted(scope.value for scope in scopes)),
        created_at=now,
        expires_at=now + timedelta(seconds=for_seconds),
    )
    return text, kept


def token_id(text: str) -> str:
    """The id in a token; `""` for what is no token."""
    id_, _, secret = text.removeprefix(PREFIX).partition("_")
    return id_ if text.startswith(PREFIX) and secret else ""


def is_token_of(text: str, kept: ApiToken) -> bool:
    """Whether this is the very token; takes equally long for any wrong secret."""
    return hmac.compare_digest(hashed(text), kept.secret_hash)
