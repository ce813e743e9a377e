from __future__ import annotations

import pickle

from pipeline.alerting.failure import DeliveryError


def test_a_delivery_error_survives_pickling() -> None:
    """It crosses processes whole."""
    error = DeliveryError("busy", 12.0, True, 429)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.retry_after_seconds, copy.needs_mending, copy.status) == ("busy", 12.0, True, 429)
