"""The site file is followed while the program runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.errors import TransientError
from pipeline.runtime.reload import SiteFileWatch
from pipeline.runtime.worker import Worker
from pipeline.site import Site, load_site
from tests.support.ingest import wait_for

ONE = "cameras: [{id: gate, url: gate.mp4}]\n"
TWO = "cameras: [{id: gate, url: gate.mp4}, {id: yard, url: yard.mp4}]\n"


class Follower:
    """Keeps the sites it is given; fails the first so many times."""

    def __init__(self, failures: int = 0) -> None:
        self.sites: list[Site] = []
        self._failures = failures

    def follow(self, site: Site) -> None:
        if self._failures:
            self._failures -= 1
            raise TransientError("the database is away")
        self.sites.append(site)

    def follows(self, number: int) -> bool:
        return wait_for(lambda: len(self.sites) >= number, 20)


@contextmanager
def watching(path: Path, follower: Follower, *, polls: bool = True) -> Iterator[SiteFileWatch]:
    watch, stop = SiteFileWatch(path, load_site(path), follower.follow, polls=polls), threading.Event()
    worker = Worker("site-file", lambda: watch.run(stop))
    try:
        yield watch
    finally:
        stop.set()
        watch.ask()
        worker.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(ONE)
    return path


def test_a_saved_file_is_followed(path: Path) -> None:
    """Also one that an editor puts in the place of the old."""
    follower = Follower()
    with watching(path, follower):
        new = path.with_suffix(".new")
        new.write_text(TWO)
        new.rename(path)
        assert follower.follows(1)
    assert [camera.id for camera in follower.sites[0].cameras] == ["gate", "yard"]


def test_asked_it_reads_at_once(path: Path) -> None:
    """SIGHUP works where the file is not looked at by itself."""
    follower = Follower()
    with watching(path, follower, polls=False) as watch:
        path.write_text(TWO)
        assert not wait_for(lambda: bool(follower.sites), 2)
        watch.ask()
        assert follower.follows(1)


def test_a_wrong_file_changes_nothing_and_is_told_once(path: Path) -> None:
    """With its problems; the next right one is followed."""
    follower = Follower()
    with capture_logs() as logs, watching(path, follower):
        path.write_text("cameras: [{id: gate, ulr: gate.mp4}]\n")
        assert wait_for(lambda: any("wrong" in log["event"] for log in logs), 20)
        assert not wait_for(lambda: bool(follower.sites), 2.5)
        path.write_text(TWO)
        assert follower.follows(1)
    errors = [log for log in logs if log["log_level"] == "error"]
    assert len(errors) == 1
    assert "did you mean url?" in errors[0]["problems"]


def test_what_cannot_be_followed_now_is_followed_later(path: Path) -> None:
    """A database that is away delays it."""
    follower = Follower(failures=2)
    with watching(path, follower):
        path.write_text(TWO)
        assert follower.follows(1)


def test_what_waits_for_the_next_start_is_named(path: Path) -> None:
    """Models and settings are read once; a change of them is not silently ignored."""
    follower = Follower()
    with capture_logs() as logs, watching(path, follower):
        path.write_text(ONE + "settings: {drain_for: 3s}\n")
        assert follower.follows(1)
    assert [log["keys"] for log in logs if "next start" in log["event"]] == ["settings"]
