"""Browser sessions: the cookie, what is kept of it, when it ends, and the token against forged requests.

The cookie holds a random secret; the database holds its hash, so that a stolen backup opens no door. The CSRF token
is derived from the secret: it belongs to this session alone, and nothing more has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from pipeline.alerting.addresses import is_loopback
from pipeline.settings import AccessSettings
from pipeline.store.people import KeptSession

COOKIE = "__Host-sightline"
"""With this prefix browsers take the cookie over HTTPS (or from this machine) only, for this host and the root path."""
LOCAL_COOKIE = "sightline"
"""Its name on a page that stands on plain http on this machine: Safari keeps no `Secure` cookie there."""
CSRF_HEADER = "X-CSRF-Token"
_SECRET_BYTES = 32
_MOST_CHARACTERS = 200
"""A secret of ours is far shorter; nothing longer is worth a look."""
TOUCH_SECONDS = 60.0
"""How exactly is known when a session was last used: a write at every request would be one too many."""


class CookieAttributes(TypedDict):
    """How the cookie is set, as Starlette's `Response.set_cookie` takes it."""

    key: str
    value: str
    max_age: int
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["lax"]


def new_secret() -> str:
    """256 random bits for a cookie or a link, as text safe in either."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def hashed(secret: str) -> str:
    """What is kept of a random secret. SHA-256 will do: 256 random bits are not guessed, as passwords are."""
    return hashlib.sha256(secret[:_MOST_CHARACTERS].encode(errors="replace")).hexdigest()


def csrf_token(secret: str) -> str:
    """The token of the session with this cookie; it does not tell the cookie."""
    digest = hmac.digest(secret.encode(errors="replace"), b"csrf", "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_csrf_token(secret: str, given: str) -> bool:
    """Whether the request comes from a page of this session; takes equally long for any wrong answer."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode(errors="replace"))


def is_alive(session: KeptSession, now: datetime, settings: AccessSettings) -> bool:
    """Neither unused for too long nor too old."""
    is_used = now - session.seen_at < timedelta(seconds=settings.idle)
    return is_used and now - session.opened_at < timedelta(seconds=settings.session)


def is_to_be_touched(session: KeptSession, now: datetime) -> bool:
    """Whether its last use is worth writing down."""
    return now - session.seen_at >= timedelta(seconds=TOUCH_SECONDS)


def is_local_page(origin: str) -> bool:
    """Whether a page stands on plain http on the browser's own machine, by the Origin that the browser tells.

    Of the Host header behind something that speaks HTTPS one could not say so: it may name that one's way to us.
    """
    try:
        parts = urlsplit(origin)
        return parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def session_secret(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str | None:
    """What a request holds of a session; None when it holds none.

    The cookie of pages on this machine counts there alone: elsewhere a sibling host could have planted it.
    """
    is_here = is_local_page(f"http://{headers.get('host', '')}")
    return cookies.get(COOKIE) or (cookies.get(LOCAL_COOKIE) if is_here else None)


def cookie_of(secret: str, settings: AccessSettings, *, is_local: bool = False) -> CookieAttributes:
    """The cookie to set at sign-in; `is_local` for a page as `is_local_page` says."""
    return {
        "key": LOCAL_COOKIE if is_local else COOKIE,
        "value": secret,
        "max_age": int(settings.session),
        "path": "/",
        "secure": not is_local,
        "httponly": True,
        "samesite": "lax",
    }
