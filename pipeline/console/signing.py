"""Links to evidence that work by themselves for a while: in a page's pictures, in a webhook's message.

A link names its path, its camera, for whom it was made and until when; an HMAC-SHA256 over all four with a key kept
in the database vouches for them. It cannot be taken back before its time, other than by a new key.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from pipeline.store.people import SqlPeople

_KEY_NAME = "evidence links"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What a link says of itself."""

    camera_id: str
    made_for: str
    """A person's name, or a channel's; shown in the audit log."""
    expires_at: datetime
    signature: str


class LinkSigner:
    """Signs and checks links with one key; thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, path: str, camera_id: str, made_for: str, expires_at: datetime) -> str:
        """`path` (not yet escaped, without a query) with the query that opens it until then, to the second."""
        seconds = int(expires_at.timestamp())
        query = {
            "camera": camera_id,
            "for": made_for,
            "expires": seconds,
            "signature": self._signature(path, camera_id, made_for, seconds),
        }
        return f"{quote(path)}?{urlencode(query)}"

    def is_genuine(self, path: str, link: SignedLink) -> bool:
        """Whether this signer made the link for this path (not escaped), whatever the time."""
        expected = self._signature(path, link.camera_id, link.made_for, int(link.expires_at.timestamp()))
        return hmac.compare_digest(expected.encode(), link.signature.encode(errors="replace"))

    def _signature(self, path: str, camera_id: str, made_for: str, expires_seconds: int) -> str:
        # As JSON no two lists of parts read alike.
        message = json.dumps([path, camera_id, made_for, expires_seconds]).encode()
        return hmac.digest(self._key, message, "sha256").hex()


def link_signer(people: SqlPeople) -> LinkSigner:
    """The signer with the key that all processes on this database share; the first one makes it."""
    return LinkSigner(people.key(_KEY_NAME, secrets.token_bytes(_KEY_BYTES)))


def read_link(query: Mapping[str, str]) -> SignedLink | None:
    """What a request's query says of a link; None when it holds none."""
    signature = query.get("signature")
    if signature is None:
        return None
    try:
        expires_at = datetime.fromtimestamp(int(query.get("expires", "0")), UTC)
    except (ValueError, OverflowError, OSError):
        expires_at = datetime.fromtimestamp(0, UTC)
    return SignedLink(query.get("camera", ""), query.get("for", ""), expires_at, signature)
