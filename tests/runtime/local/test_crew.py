"""Cameras come, go and change while a run goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.app.local import build_local
from pipeline.contracts.incident import Incident
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import LocalRuntime
from pipeline.telemetry import Metrics
from tests.support.ingest import wait_for
from tests.support.local import Listener, incidents_of, settings_of, site_of

FENCE = "[[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]"
RULES = "rules: [{id: entry, track: {object: any, enters: fence}, cameras: guarded, cooldown: 1s}]\n"


def scene(camera_id: str, more: str = "") -> str:
    """Somebody enters the fence's zone in the first ten seconds of what is shown, again and again."""
    url = "synthetic:yard?seed=1&seconds=60&fps=5&size=320x180"
    return f"{{id: {camera_id}, url: '{url}', zones: {{fence: {FENCE}}}{more}}}"


class Run:
    """A run in a thread of its own, eight times as fast as life."""

    def __init__(self, text: str, folder: Path) -> None:
        self.site = site_of(text)
        self.folder = folder
        self.listener = Listener()
        self.metrics = Metrics()
        self.runtime: LocalRuntime = build_local(
            self.site,
            settings_of(self.site, folder),
            pace=Pace(speed=8, loop=True),
            listener=self.listener,
            metrics=self.metrics,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.runtime.run, args=(self._stop,))

    @contextmanager
    def going(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(60)
            self.runtime.close()
            assert not self._thread.is_alive()

    def follow(self, text: str) -> None:
        self.runtime.follow(site_of(text))

    def num_read(self, camera_id: str) -> float:
        return self.metrics.frames_read.labels(camera_id)._value.get()

    def reads_more(self, camera_id: str) -> bool:
        before = self.num_read(camera_id)
        return wait_for(lambda: self.num_read(camera_id) > before + 10, 30)

    def incidents(self, camera_id: str) -> list[Incident]:
        return [incident for incident in incidents_of(self.site, self.folder) if incident.camera_id == camera_id]


def test_a_camera_that_is_added_is_read(tmp_path: Path) -> None:
    """By its rules, beside the one that was there and goes on."""
    run = Run(f"cameras: [{scene('old')}]\n", tmp_path)
    with run.going():
        assert run.reads_more("old")
        run.follow(f"cameras: [{scene('old')}, {scene('new', ', labels: [guarded]')}]\n{RULES}")
        assert run.reads_more("old")
        assert wait_for(lambda: bool(run.incidents("new")), 60)
    assert run.incidents("old") == []


def test_a_camera_that_is_removed_is_let_go(tmp_path: Path) -> None:
    """Its open incidents are closed; the others go on."""
    run = Run(f"cameras: [{scene('kept')}, {scene('gone', ', labels: [guarded]')}]\n{RULES}", tmp_path)
    with run.going():
        assert wait_for(lambda: bool(run.incidents("gone")), 60)
        run.follow(f"cameras: [{scene('kept')}]\n")
        before = run.num_read("gone")
        assert run.reads_more("kept")
        assert run.num_read("gone") == before
        assert wait_for(lambda: all(incident.closed_at for incident in run.incidents("gone")), 20)


def test_the_only_camera_may_change(tmp_path: Path) -> None:
    """Read anew, with the run going on in between."""
    run = Run(f"cameras: [{scene('cam')}]\n", tmp_path)
    with run.going():
        assert run.reads_more("cam")
        run.follow(f"cameras: [{scene('cam', ', labels: [guarded], masks: [[[0, 0], [1, 0], [0.5, 0.1]]]')}]\n{RULES}")
        assert run.reads_more("cam")
        assert wait_for(lambda: bool(run.incidents("cam")), 60)


def test_rules_change_without_a_new_connection(tmp_path: Path) -> None:
    """The same reader goes on, and the new rule holds."""
    camera = scene("cam", ", labels: [guarded]")
    run = Run(f"cameras: [{camera}]\n", tmp_path)
    with run.going():
        assert run.reads_more("cam")
        reader = run.runtime._parts.crew.workers
        run.follow(f"cameras: [{camera}]\n{RULES}")
        assert wait_for(lambda: bool(run.incidents("cam")), 60)
        assert run.runtime._parts.crew.workers == reader


def test_a_camera_that_can_never_be_read_is_told_as_offline(tmp_path: Path) -> None:
    """Its scheme is unknown: said with what is known, once; the other cameras are read."""
    odd = "{id: odd, url: 'gopher://192.0.2.1/stream', health: {offline: 1s}}"
    run = Run(f"cameras: [{scene('good')}, {odd}]\n", tmp_path)
    with run.going():
        assert run.reads_more("good")
        assert wait_for(lambda: bool(run.incidents("odd")), 30)
    (incident,) = run.incidents("odd")
    assert incident.rule_id == "camera-health"
    assert incident.candidate.facts[0].kind == "offline"
    assert "got the scheme 'gopher'" in incident.candidate.facts[0].text
