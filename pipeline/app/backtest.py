"""A site's rules on one recording, through the whole local runtime, with nobody told and nothing kept of the site's.

In: a site whose camera is a file, an empty folder, and what the rules know to begin with. Out: what came of it, to be
counted by `pipeline.evaluation`; the pictures stay in the folder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.app.local import Models, build_local
from pipeline.app.stores import open_stores
from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import DecisionCount
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.contracts.learned import Learned, LearnedKind
from pipeline.errors import InvalidMessage
from pipeline.evaluation.recordings import Recording
from pipeline.events.calibration_state import CalibrationState, review_key
from pipeline.ingest.pace import Pace
from pipeline.runtime.local.runtime import RunListener, RunSummary
from pipeline.settings import BusSettings, RetentionSettings, SearchSettings, Settings
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
    start_at: datetime
    """When its first frame is taken to be from, aware."""
    incident: Incident | None = None
    """The one whose clip it is."""

    @property
    def source(self) -> str:
        """The file, without credentials; of a kept clip its place among the evidence."""
        return self.incident.clip_uri if self.incident else hide_credentials(self.camera.url.get_secret_value())


@dataclass(frozen=True, slots=True)
class Known:
    """What rules know to begin with."""

    learned: tuple[Learned, ...] = ()
    """Of any cameras."""
    reviewed: tuple[Incident, ...] = ()
    """What people said of alerts, the oldest first."""

    def before(self, take: Take) -> Known:
        """For this take: of its camera, and without what was said of the very incident that it shows.

        A rule that was told the answer would find it. Only in what is normal it may be contained still.
        """
        mine = [one for one in self.learned if one.camera_id in ("", take.camera.id)]
        if take.incident is None:
            return Known(tuple(mine), self.reviewed)
        key = take.incident.id
        others = tuple(one for one in self.reviewed if one.id != key)
        return Known(tuple(_without_review(one, key) for one in mine), others)


NOTHING = Known()


def _without_review(learned: Learned, incident_id: str) -> Learned:
    if learned.kind is not LearnedKind.CALIBRATION:
        return learned
    try:
        state = CalibrationState.load(learned.body)
    except InvalidMessage:
        return learned  # who takes it on refuses it, too
    key = review_key(incident_id)
    others = {one: review for one, review in state.reviews.items() if one != key}
    return replace(learned, body=replace(state, reviews=others).dump())


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
            "search": SearchSettings(enabled=False),
        }
    )


def run_take(
    site: Site,
    take: Take,
    settings: Settings,
    models: Models,
    listener: RunListener,
    stop: threading.Event,
    known: Known = NOTHING,
) -> Recording:
    """Read it to its end, or until `stop` is set, as fast as it can be. `settings` are `isolated`, `models` the site's.

    `ConfigError` for a model that cannot be had.
    """
    alone = site.model_copy(update={"cameras": (take.camera,), "channels": {}})
    metrics, own = Metrics(), known.before(take)
    if own.learned:
        _keep(own.learned, settings)
    with build_local(
        alone,
        settings,
        pace=Pace(start_at=take.start_at),
        listener=listener,
        metrics=metrics,
        models=models,
        reviewed=own.reviewed,
    ) as runtime:
        runtime.warm_up()
        summary = runtime.run(stop)
    return _recording(alone, take, settings, own, summary, metrics)


def _keep(learned: tuple[Learned, ...], settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    stores = open_stores(settings)
    try:
        stores.learned.save(learned)
    finally:
        stores.close()


def _recording(
    site: Site, take: Take, settings: Settings, known: Known, summary: RunSummary, metrics: Metrics
) -> Recording:
    rules = site.rules_for(take.camera)
    incidents, counts, learned = _kept(settings, take.camera.id, take.start_at, summary.media_seconds)
    taken_on = _thresholds(filter(_has_threshold, known.learned)) & _thresholds(learned)
    return Recording(
        name=take.name,
        camera_id=take.camera.id,
        source=take.source,
        rule_ids=frozenset(rule.id for rule in rules),
        started_at=take.start_at,
        seconds=summary.media_seconds,
        frames_read=summary.frames_read,
        frames_sampled=summary.frames_sampled,
        incidents=incidents,
        counts=counts,
        perception_calls=int(_stage(metrics, "count")),
        perception_seconds=_stage(metrics, "sum"),
        failure=hide_credentials("; ".join(summary.failures)),
        incident=take.incident,
        began_fixed=frozenset(rule.id for rule in rules if rule.is_scored and rule.timing.threshold is None)
        - {rule_id for rule_id, _ in taken_on},
    )


def _has_threshold(learned: Learned) -> bool:
    try:
        return learned.kind is LearnedKind.CALIBRATION and CalibrationState.load(learned.body).is_learned
    except InvalidMessage:
        return False


def _thresholds(learned: Iterable[Learned]) -> set[tuple[str, str]]:
    """Rule and what its threshold was learned from: a run goes on from what has the same basis."""
    return {(one.rule_id, one.basis) for one in learned if one.kind is LearnedKind.CALIBRATION}


def _kept(
    settings: Settings, camera_id: str, start_at: datetime, seconds: float
) -> tuple[tuple[Incident, ...], tuple[DecisionCount, ...], list[Learned]]:
    """What the run has stored, in time order; and what it knew at its end."""
    end = start_at + timedelta(seconds=seconds + 60)
    stores = open_stores(settings, must_exist=True)
    try:
        found = stores.incidents.find(IncidentFilter(limit=_MOST_INCIDENTS))
        counts = stores.decisions.between(camera_id, start_at.replace(second=0, microsecond=0), end)
        learned = stores.learned.load(camera_id)
    finally:
        stores.close()
    ordered = sorted(found, key=lambda one: (one.opened_at, one.id))
    return tuple(one for one in ordered if one.candidate.condition is None), tuple(counts), learned


def _stage(metrics: Metrics, what: str) -> float:
    value = metrics.registry.get_sample_value(f"sightline_stage_seconds_{what}", {"stage": "perception"})
    return value or 0.0
