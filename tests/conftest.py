"""What every test may ask for: the folder of real data, and a guard against stray threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared")) / "data"
os.environ.setdefault("SIGHTLINE_CONSOLE__ENABLED", "false")
"""Runs beside one another would want one port: tests of the console say what they want, others serve none."""
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of real data where it is not; in CI its absence is a failure, not a skip."""
    if SHARED.is_dir() or IN_CI:
        return
    skip = pytest.mark.skip(reason=f"needs the real videos in {SHARED}; set SIGHTLINE_SHARED")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `videos/`, `annotations/` and `weights/`."""
    assert SHARED.is_dir(), f"CI needs the real data in {SHARED}"
    return SHARED


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    """A test ends with the threads it began with (daemon threads of libraries aside)."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        leaked = [t for t in threading.enumerate() if t not in before and not t.daemon]
        if not leaked:
            return
        time.sleep(0.02)
    pytest.fail(f"threads left running: {[t.name for t in leaked]}")
