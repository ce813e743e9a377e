"""The API against its own description: whatever is sent, what comes back is what OpenAPI says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.archive import BAG, ScriptedChat, says
from tests.support.console_api import Desk, desk

_FEW = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """With every part that can be had in a test."""
    chat = ScriptedChat([says("Nothing.")])
    with desk(tmp_path_factory.mktemp("openapi"), chat=chat) as made:
        yield made


def test_answers_are_as_they_are_described(shown: Desk) -> None:
    """Of every route but the stream without an end, to an administrator's requests, sensible and not."""
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", shown.app).exclude(path="/api/v1/events")
    tried: Counter[int] = Counter()

    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:

        @given(case=operation.as_strategy())
        @_FEW
        def probe(case: schemathesis.Case) -> None:
            if len(case.path_parameters.get("incident_id", "")) % 2:
                case.path_parameters["incident_id"] = BAG.id  # one that is there
            headers = {"Authorization": f"Bearer {shown.tokens['ada']}"}
            tried[case.call_and_validate(headers=headers, checks=_CHECKS).status_code] += 1

        probe()
    assert len(operations) >= 55
    assert tried[200] > 0
