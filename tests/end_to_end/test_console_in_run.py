"""A run with its console: from the address it prints to its pictures and incidents."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.app.local import build_local
from pipeline.cli.console import console_beside
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import LocalRuntime
from pipeline.runtime.worker import Worker
from pipeline.site import Site, load_site
from pipeline.telemetry import Metrics
from tests.support.ingest import wait_for
from tests.support.local import settings_of
from tests.support.watcher import SCENE

BOUND_SECONDS = 60
SETTINGS = "settings: {console: {enabled: true, port: 0}}\n"


class Guest:
    """Somebody who has made the first account."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"/api/v1{path}", timeout=30)

    def ids(self) -> list[str]:
        return [one["id"] for one in self.get("/incidents").json()["items"]]


@contextmanager
def running(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[Guest, Callable[[Site], None]]]:
    """The scene over and over, its console, who looks at it, and what is to hear of changes of the site file."""
    path = folder / "site.yaml"
    path.write_text(SCENE + SETTINGS)
    site, stop, metrics = load_site(path), threading.Event(), Metrics()
    settings = settings_of(site, folder / "data")
    pace = Pace(speed=4.0, loop=True)
    with (
        build_local(site, settings, pace=pace, metrics=metrics) as runtime,
        console_beside(runtime, site, path, settings, metrics) as follow,
        signed_in(capsys.readouterr().err) as guest,
    ):
        run = Worker("run", lambda: _until_told(runtime, stop))
        try:
            yield guest, follow
        finally:
            stop.set()
            run.join()


def _until_told(runtime: LocalRuntime, stop: threading.Event) -> None:
    runtime.run(stop)


@contextmanager
def signed_in(told: str) -> Iterator[Guest]:
    found = re.search(r"(http://\S+)/sign-in#link=(\S+)", told)
    assert found is not None
    with httpx.Client(base_url=found[1], trust_env=False, headers={"Origin": found[1]}) as client:
        first = {"link": found[2], "name": "anna", "password": "correct horse battery"}
        assert client.post("/api/v1/session/first", json=first, timeout=30).status_code == 200
        yield Guest(client)


def test_what_a_run_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newest picture, its incidents as they come, and a site file that changes: rules are those of now."""
    monkeypatch.delenv("SIGHTLINE_CONSOLE__ENABLED")
    with running(tmp_path, capsys) as (guest, follow):
        assert wait_for(lambda: guest.get("/cameras/yard/frame").status_code == 200, BOUND_SECONDS)
        assert guest.get("/cameras/yard/frame").content[:2] == b"\xff\xd8"
        assert guest.get("/cameras/yard").json()["frame_at"] is not None
        assert wait_for(lambda: bool(guest.ids()), BOUND_SECONDS)
        assert [one["rule"]["id"] for one in guest.get("/rules").json()["items"]][:2] == ["entry", "someone"]
        assert guest.get("/site").json()["text"] == SCENE + SETTINGS
        changed = tmp_path / "site.yaml"
        changed.write_text((SCENE + SETTINGS).replace("id: someone", "id: anybody"))
        follow(load_site(changed))
        assert [one["rule"]["id"] for one in guest.get("/rules").json()["items"]][:2] == ["entry", "anybody"]
        why = guest.get("/why?camera=yard&at=now")
        assert why.status_code == 200, why.text
