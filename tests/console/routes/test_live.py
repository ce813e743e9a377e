"""`/events`, over a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.console.server import ConsoleServer
from tests.support.archive import BAG, seconds
from tests.support.console_api import GATE, Desk, desk


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Desk, str]]:
    """A desk, and where it answers."""
    with desk(tmp_path) as made:
        server = ConsoleServer(made.app, "127.0.0.1", 0)
        server.start()
        try:
            yield made, f"{server.url}/api/v1/events?after={int(seconds(1799).timestamp()) * 1_000_000}-page"
        finally:
            server.stop()


@pytest.mark.parametrize("how", ["shut out", "other roles"])
def test_changes_are_told_while_one_may_know_of_them(served: tuple[Desk, str], how: str) -> None:
    """Whoever is shut out hears no more on a connection that is open, nor who lost the camera's role."""
    made, url = served
    headers = {"Authorization": f"Bearer {made.tokens['vera']}"}
    with httpx.stream("GET", url, headers=headers, trust_env=False, timeout=30) as following:
        told = (line for line in following.iter_lines() if line.startswith("data"))
        made.host.changes.acknowledge(BAG.id, "olu", "")
        assert BAG.id in next(told)
        made.clock.advance(3.0)
        if how == "shut out":
            made.book.people.set_disabled("vera", made.clock.now())
            made.host.changes.acknowledge(GATE.id, "olu", "")
            assert not any(GATE.id in line for line in told)
        else:
            made.book.people.set_roles("vera", {"gate": "viewer"})
            made.host.changes.review(BAG.id, is_right=True, by="olu", note="")
            made.host.changes.acknowledge(GATE.id, "olu", "")
            assert "reviewed" not in next(line for line in told if GATE.id in line or "reviewed" in line)
