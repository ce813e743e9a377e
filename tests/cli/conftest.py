"""What every test of a command needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A command logs to the runner's standard error, which is closed by the time the next test logs."""
    yield
    structlog.reset_defaults()
