"""One broker for all tests of the transport; each test has its own prefix on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.broker import running_broker


@pytest.fixture(scope="session")
def broker_port() -> Iterator[int]:
    """The port of a running broker."""
    with running_broker() as port:
        yield port


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix of topics and groups that no other test has."""
    return str(request.node.name).replace("[", ".").replace("]", "")[:80]
