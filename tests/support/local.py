"""Runs a site in this process, as `sightline run` would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.app.local import build_local
from pipeline.app.stores import Stores, open_stores
from pipeline.contracts.incident import Incident, IncidentChange, IncidentFilter
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import RunSummary
from pipeline.settings import Settings, load_settings
from pipeline.site import Site, parse_site
from pipeline.telemetry import Metrics


class Listener:
    """Keeps every change, in the order they were stored; may act on one."""

    def __init__(
        self, on_change: Callable[[IncidentChange], None] = lambda _: None, on_start: Callable[[], None] = lambda: None
    ) -> None:
        self.changes: list[IncidentChange] = []
        self._on_change = on_change
        self._on_start = on_start
        self._is_started = False

    def progress(self, camera_id: str, frames_read: int, expected_frames: int | None) -> None:
        """Call `on_start` once, when the first frames were read."""
        if not self._is_started:
            self._is_started = True
            self._on_start()

    def changed(self, change: IncidentChange) -> None:
        self.changes.append(change)
        self._on_change(change)

    @property
    def kinds(self) -> list[str]:
        return [change.kind.value for change in self.changes]


def site_of(text: str) -> Site:
    return parse_site(text, "site.yaml", {})


def run_site(
    site: Site,
    folder: Path,
    *,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    metrics: Metrics | None = None,
    **pace: Any,
) -> RunSummary:
    """From start to the end of all sources, as fast as possible unless told otherwise."""
    settings = settings_of(site, folder)
    pace_ = Pace(**{"speed": 0.0, **pace})
    with build_local(site, settings, pace=pace_, listener=listener or Listener(), metrics=metrics) as runtime:
        runtime.warm_up()
        return runtime.run(stop or threading.Event())


def settings_of(site: Site, folder: Path) -> Settings:
    return load_settings(site.settings, data_dir=folder)


def stores_of(site: Site, folder: Path) -> Stores:
    return open_stores(settings_of(site, folder), must_exist=True)


def incidents_of(site: Site, folder: Path) -> list[Incident]:
    """What is stored, oldest first."""
    stores = stores_of(site, folder)
    try:
        return stores.incidents.find(IncidentFilter(limit=1000))[::-1]
    finally:
        stores.close()
