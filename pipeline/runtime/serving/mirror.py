"""This program's metrics where a Ray cluster is scraped already.

A replica has no port of its own to announce; Ray serves what its workers record on one port a node. Every sample of
the registry is copied there as a gauge of the same name, with `ray_` before it and the application, deployment and
replica as labels. Counters and histogram buckets stay what they are to `rate()` and `histogram_quantile()`, which
look at numbers only.
"""

from __future__ import annotations

import threading
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from ray.serve.metrics import Gauge

log = structlog.get_logger()
_EVERY_SECONDS = 5.0


class MetricsMirror:
    """Copies a registry from a thread of its own until closed. Only inside a replica."""

    def __init__(self, registry: CollectorRegistry, every_seconds: float = _EVERY_SECONDS) -> None:
        self._registry = registry
        self._every_seconds = every_seconds
        self._gauges: dict[str, Any] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics-mirror", daemon=True)
        self._thread.start()

    def copy(self) -> None:
        """Every sample, as it is now; the times at which counters were made are left out."""
        for family in self._registry.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    self._gauge(sample.name, family.documentation, tuple(sample.labels)).set(
                        sample.value, tags=dict(sample.labels)
                    )

    def close(self) -> None:
        """Copy a last time and end; may be called twice."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self._copy_or_tell()
        self._copy_or_tell()

    def _copy_or_tell(self) -> None:
        try:
            self.copy()
        except Exception:
            log.exception("metrics cannot be handed to Ray")

    def _gauge(self, name: str, description: str, labels: tuple[str, ...]) -> Any:
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, description, tag_keys=labels)
        return self._gauges[name]
