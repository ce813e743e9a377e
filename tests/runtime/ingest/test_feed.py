"""The trace that a published frame carries."""

from __future__ import annotations

import re

from pipeline.runtime.ingest.feed import new_trace


def test_a_trace_is_a_traceparent_of_its_own() -> None:
    """In the form of W3C Trace Context, not sampled, another one each time."""
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", new_trace())
    assert new_trace() != new_trace()
