"""A whole cluster in this process: the services as the command line builds them, on a real broker, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.app.cluster import alerting_service, local_vision, local_vlm, reasoner_service, watcher_service
from pipeline.app.ingest import build_ingest
from pipeline.contracts.bus import Topic
from pipeline.ingest.pace import Pace
from pipeline.runtime.service import Service
from pipeline.settings import Settings, load_settings
from pipeline.site import Site
from pipeline.telemetry import Metrics
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.lag import lag_of
from tests.support.ingest import wait_for

BOUND_SECONDS = 300
"""Generous: several services share a slow machine with other tests."""
_NEVER_LATE = {"late_after": 3600.0, "fresh_for": 7200.0}
"""Clips are published faster than they can be looked at."""


def cluster_settings(site: Site, folder: Path, port: int, prefix: str, **given: Any) -> Settings:
    """Of a site, on the broker at `port`; everything else is kept in `folder` unless `given` says otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    bus = {"servers": f"127.0.0.1:{port}", "prefix": prefix, "partitions": 4, "session_timeout": 6, **_NEVER_LATE}
    return load_settings(site.settings, data_dir=folder, bus=bus, **given)


def run_cluster(site: Site, settings: Settings, start_at: datetime, *, num_watchers: int = 2) -> None:
    """From start to the end of all cameras, files as fast as possible, until everything owed is done."""
    bus = KafkaBus(settings.bus, "test")
    bus.ensure_topics()
    with _running(site, settings, num_watchers) as services:
        watchers = services[:num_watchers]
        _wait(lambda: all(watcher.stats()["partitions"] > 0 for watcher in watchers), services)
        ingest = build_ingest(site, settings, pace=Pace(start_at=start_at))
        ingest.start()
        try:
            _wait(lambda: ingest.is_finished, services)
        finally:
            ingest.stop(5)
        assert ingest.summary().failures == ()
        _wait(lambda: lag_of(bus, "watchers", Topic.FRAMES) == 0, services)
        for watcher in watchers:  # the last clips are told when a watcher ends
            watcher.stop(settings.drain_for)
        _wait(lambda: lag_of(bus, "reasoners", Topic.CANDIDATES) == 0, services[num_watchers:])
        _wait(lambda: not any(_owed(service) for service in services[num_watchers:]), services[num_watchers:])


def _owed(service: Service) -> float:
    stats = service.stats()
    return stats["lag"] + stats.get("verdicts_owed", 0.0)


@contextmanager
def _running(site: Site, settings: Settings, num_watchers: int) -> Iterator[list[Service]]:
    with ExitStack() as closing:
        services: list[Service] = [
            watcher_service(site, settings, Metrics(), local_vision(site, settings)) for _ in range(num_watchers)
        ]
        services.append(reasoner_service(site, settings, Metrics(), local_vlm(site, settings)))
        services.append(alerting_service(site, settings, Metrics()))
        for service in services:
            closing.callback(service.stop, settings.drain_for)
            service.start()
        yield services


def _wait(is_so: Callable[[], bool], services: Sequence[Service]) -> None:
    """Until it is so; all the while the services are healthy."""

    def is_so_and_healthy() -> bool:
        for service in services:
            service.check_health()
        return is_so()

    assert wait_for(is_so_and_healthy, BOUND_SECONDS), f"never: {[dict(service.stats()) for service in services]}"
