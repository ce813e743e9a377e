"""Where a page of a list ended, as text that a client hands back unread."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from pipeline.errors import ConfigError

MAX_CHARACTERS = 200


def write_cursor(opened_at: datetime, incident_id: str) -> str:
    """Of the last incident of a page."""
    text = json.dumps([opened_at.astimezone(UTC).isoformat(), incident_id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[datetime, str]:
    """The other way round; `ConfigError` for anything that no page has given."""
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError("too long")
        at, incident_id = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        moment = datetime.fromisoformat(at).astimezone(UTC)
        if not isinstance(incident_id, str):
            raise ValueError("not one of ours")
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ConfigError(
            "expected a cursor as the page before gave it in `next`; without one the list begins at its newest"
        ) from None
    return moment, incident_id
