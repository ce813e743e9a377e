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
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import quote, urlencode

from pipeline.clock import Clock
from pipeline.console.models import evidence_keys, evidence_path
from pipeline.contracts.incident import Incident
from pipeline.settings import AccessSettings
from pipeline.store.database import Database
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


class ConsoleLinks:
    """`AlertLinks` to the console at `access.public_url`."""

    def __init__(self, people: SqlPeople, settings: AccessSettings, clock: Clock) -> None:
        self._people = people
        self._settings = settings
        self._clock = clock

    @cached_property
    def _signer(self) -> LinkSigner:
        return link_signer(self._people)

    def page(self, incident: Incident) -> str:
        """The review page."""
        return f"{self._settings.public_url}/review/{quote(incident.id, safe='')}"

    def evidence(self, incident: Incident, channel: str) -> Mapping[str, str]:
        """Key to link, good for `access.alert_link`."""
        until = self._clock.now() + timedelta(seconds=self._settings.alert_link)
        who = f"channel {channel}"
        return {
            key: self._settings.public_url
            + self._signer.sign(evidence_path(incident, name), incident.camera_id, who, until)
            for name, key in evidence_keys(incident).items()
        }


def alert_links(settings: AccessSettings, database: Database, clock: Clock) -> ConsoleLinks | None:
    """For messages to channels; None where nobody knows where browsers find the console."""
    return ConsoleLinks(SqlPeople(database), settings, clock) if settings.public_url else None


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
