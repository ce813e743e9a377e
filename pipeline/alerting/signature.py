"""Standard Webhooks: headers by which a receiver tells a repeated message and a forged one.

The key is made from a channel's `secret` like this: after the prefix `whsec_` stands base64, which is decoded;
any other secret is used as its UTF-8 bytes. (Receivers' libraries take strings for base64: hand them the bytes
of a plain secret, or configure `whsec_…` on both sides.)
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

from pipeline.alerting.failure import DeliveryError

_PREFIX = "whsec_"


def signing_key(secret: SecretStr) -> bytes:
    """The key's bytes; `DeliveryError` when there are none."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error:
        raise DeliveryError("the channel's secret starts with whsec_ but is not base64", needs_mending=True) from None
    if not key:
        raise DeliveryError("the channel's secret is empty", needs_mending=True)
    return key


def webhook_headers(message_id: str, at: datetime, body: bytes, secret: SecretStr | None) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and, with a secret, `webhook-signature`."""
    at = at.astimezone(UTC)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
    if secret is not None:
        headers["webhook-signature"] = Webhook(signing_key(secret)).sign(message_id, at, body.decode())
    return headers
