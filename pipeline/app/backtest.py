"""A site's rules on one recording, through the whole local runtime, with nobody told and nothing kept of the site's.

In: a site whose camera is a file, and an empty folder. Out: what came of it, to be counted by `pipeline.evaluation`;
the pictures stay in the folder.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.app.local import build_local
from pipeline.app.stores import open_stores
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import DecisionCount
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.evaluation.recordings import Recording
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import RunListener, RunSummary
from pipeline.settings import BusSettings, RetentionSettings, Settings
from pipeline.site import Site
from pipeline.telemetry import Metrics, hide_credentials

_MOST_INCIDENTS = 100_000
_PATIENT_SECONDS = 86_400.0
"""A file read at full speed asks the model for everything at once: its verdicts may take their time."""


@dataclass(frozen=True, slots=True)
class Take:
    """A file to be read as a camera."""

    name: str
    """Unlike that of any other take."""
    camera: Camera
    """Its `url` is the file."""

    @property
    def source(self) -> str:
        """The file, without credentials."""
        return hide_credentials(self.camera.url.get_secret_value())


def isolated(settings: Settings, folder: Path) -> Settings:
    """The site's settings, but all that is kept goes to the folder, and stays there however old it says it is."""
    return settings.model_copy(
        update={
            "data_dir": folder,
            "database_url": "",
            "metrics_port": 0,
            "evidence": settings.evidence.model_copy(update={"url": ""}),
            "reasoning": settings.reasoning.model_copy(update={"deadline": _PATIENT_SECONDS}),
            "retention": RetentionSettings(evidence=0, incidents=0, decisions=0, coverage=0),
            "bus": BusSettings(),
        }
    )


def run_take(
    site: Site,
    take: Take,
    settings: Settings,
    start_at: datetime,
    listener: RunListener,
    stop: threading.Event,
) -> Recording:
    """Read it to its end, or until `stop` is set, as fast as it can be. `settings` are `isolated`.

    `start_at` (aware) is when its first frame is taken to be from. `ConfigError` for a model that cannot be had.
    """
    alone = site.model_copy(update={"cameras": (take.camera,), "channels": {}})
    metrics = Metrics()
    with build_local(alone, settings, pace=Pace(start_at=start_at), listener=listener, metrics=metrics) as runtime:
        runtime.warm_up()
        summary = runtime.run(stop)
    return _recording(alone, take, settings, start_at, summary, metrics)


def _recording(
    site: Site, take: Take, settings: Settings, start_at: datetime, summary: RunSummary, metrics: Metrics
) -> Recording:
    incidents, counts = _kept(settings, take.camera.id, start_at, summary.media_seconds)
    return Recording(
        name=take.name,
        camera_id=take.camera.id,
        source=take.source,
        rule_ids=frozenset(rule.id for rule in site.rules_for(take.camera)),
        started_at=start_at,
        seconds=summary.media_seconds,
        frames_read=summary.frames_read,
        frames_sampled=summary.frames_sampled,
        incidents=incidents,
        counts=counts,
        perception_calls=int(_stage(metrics, "count")),
        perception_seconds=_stage(metrics, "sum"),
        failure=hide_credentials("; ".join(summary.failures)),
    )


def _kept(
    settings: Settings, camera_id: str, start_at: datetime, seconds: float
) -> tuple[tuple[Incident, ...], tuple[DecisionCount, ...]]:
    """What the run has stored, in time order."""
    end = start_at + timedelta(seconds=seconds + 60)
    stores = open_stores(settings, must_exist=True)
    try:
        found = stores.incidents.find(IncidentFilter(limit=_MOST_INCIDENTS))
        counts = stores.decisions.between(camera_id, start_at.replace(second=0, microsecond=0), end)
    finally:
        stores.close()
    ordered = sorted(found, key=lambda one: (one.opened_at, one.id))
    return tuple(one for one in ordered if one.candidate.condition is None), tuple(counts)


def _stage(metrics: Metrics, what: str) -> float:
    value = metrics.registry.get_sample_value(f"sightline_stage_seconds_{what}", {"stage": "perception"})
    return value or 0.0
