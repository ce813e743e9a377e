"""One API for the tests that only look, and a fresh one for those that change something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console_api import Desk, desk


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """To look at only."""
    with desk(tmp_path_factory.mktemp("shown")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Desk]:
    """To change."""
    with desk(tmp_path) as made:
        yield made
