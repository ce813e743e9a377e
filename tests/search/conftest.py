"""A data folder with two incidents, opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.app.stores import Stores, open_stores
from pipeline.search.archive import Archive
from pipeline.settings import Settings
from tests.support.archive import archive_of, fill


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    fill(tmp_path)
    stores = open_stores(Settings(data_dir=tmp_path))
    yield stores
    stores.close()


@pytest.fixture
def archive(stores: Stores) -> Archive:
    return archive_of(stores)
